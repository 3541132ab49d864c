//! `Load`: requests without a pause, over connections that last; each answer that is not the one that is due is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// No request takes so long unless it is lost.
const LONGEST: Duration = Duration::from_secs(60);

/// Requests that go on until they are ended.
pub struct Load {
    ends: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

/// A client that finds `*.localhost` on this machine, whatever the machine's resolver says.
pub fn client(url: &str) -> reqwest::Client {
    let url: reqwest::Url = url.parse().unwrap();
    let address = ([127, 0, 0, 1], url.port_or_known_default().unwrap()).into();
    reqwest::Client::builder().no_proxy().timeout(LONGEST).resolve(url.host_str().unwrap(), address).build().unwrap()
}

impl Load {
    /// So many clients, each with one request after the other.
    pub fn start(url: &str, clients: usize) -> Load {
        let (ends, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let one = |_| {
            let (ends, answered, url, client) = (Arc::clone(&ends), Arc::clone(&answered), url.to_owned(), client(url));
            tokio::spawn(async move {
                let mut failed = Vec::new();
                while !ends.load(Ordering::Relaxed) {
                    match client.get(&url).send().await {
                        Ok(answer) if answer.status() == 200 => match answer.bytes().await {
                            Ok(_) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                            Err(error) => failed.push(format!("{error:?}")),
                        },
                        Ok(answer) => failed.push(format!("{} {}", answer.status(), answer.text().await.unwrap())),
                        Err(error) => failed.push(format!("{error:?}")),
                    }
                }
                failed
            })
        };
        let clients = (0..clients).map(one).collect();
        Load { ends, answered, clients }
    }

    /// How many requests were answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends it: how many were answered, and those that were not.
    pub async fn end(self) -> (u64, Vec<String>) {
        self.ends.store(true, Ordering::Relaxed);
        let mut failed = Vec::new();
        for client in self.clients {
            failed.extend(client.await.unwrap());
        }
        (self.answered.load(Ordering::Relaxed), failed)
    }
}
