//! Who hears of changed rows. A watcher that is too slow loses hints, never the knowledge that it lost some.

use crate::contract::Key;
use futures::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};

/// Batches that a watcher may lag behind before it is told to look at everything.
const BATCHES_BEHIND_MAX: usize = 1024;

/// The watchers of one store.
pub struct Watchers(Sender<Arc<[Key]>>);

impl Default for Watchers {
    fn default() -> Watchers {
        Watchers(channel(BATCHES_BEHIND_MAX).0)
    }
}

impl Watchers {
    /// Tells the keys that a batch wrote or removed.
    pub fn tell(&self, keys: Arc<[Key]>) {
        if !keys.is_empty() {
            // An error says that nobody watches, which is fine.
            let _ = self.0.send(keys);
        }
    }

    /// Begins to listen; to be called where no batch can come between this and the reading of the serial.
    pub fn listen(&self) -> Receiver<Arc<[Key]>> {
        self.0.subscribe()
    }
}

/// The keys that a receiver hears; first [`Key::everything`] if the watcher asked for a moment that has passed.
pub fn stream(receiver: Receiver<Arc<[Key]>>, behind: bool) -> BoxStream<'static, Key> {
    let first = stream::iter(behind.then(Key::everything));
    let batches = stream::unfold(receiver, |mut receiver| async {
        let keys: Arc<[Key]> = match receiver.recv().await {
            Ok(keys) => keys,
            Err(RecvError::Lagged(_)) => Arc::new([Key::everything()]),
            Err(RecvError::Closed) => return None,
        };
        Some((keys, receiver))
    });
    let keys = batches.flat_map(|keys| stream::iter((0..keys.len()).map(move |index| keys[index].clone())));
    first.chain(keys).boxed()
}
