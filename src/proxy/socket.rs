//! The control socket: who may speak, and how questions find their answers.

use super::control::Order;
use super::home::Home;
use super::traffic::Traffic;
use super::wire::{Answer, LINE_BYTES_MAX, Question, Refusal, Version};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Questions that are being answered at once; each replica that retires waits in one.
const ASKING_MAX: usize = 1024;

/// Opens the socket. To be called before there are threads: the mode is set by the process's mask, so that there is no
/// moment at which others may open it.
pub(super) fn open(home: &Home) -> io::Result<std::os::unix::net::UnixListener> {
    let path = home.socket()?;
    match std::fs::remove_file(path.as_ref()) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let socket = std::os::unix::net::UnixListener::bind(path.as_ref());
    rustix::process::umask(before);
    let socket = socket?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Answers until the proxy ends.
pub(super) async fn serve(socket: UnixListener, traffic: Arc<Traffic>, orders: mpsc::Sender<Order>) {
    let asking = Arc::new(Semaphore::new(ASKING_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            () = traffic.ending.cancelled() => return,
            accepted = async {
                let seat = Arc::clone(&asking).acquire_owned().await;
                (seat, socket.accept().await)
            } => accepted,
        };
        let (Ok(seat), Ok((stream, _))) = accepted else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let (traffic, orders) = (Arc::clone(&traffic), orders.clone());
        traffic.tasks.clone().spawn(async move {
            // Who asks and breaks off is not waited for.
            let _ = converse(stream, &traffic, &orders).await;
            drop(seat);
        });
    }
}

async fn converse(mut stream: UnixStream, traffic: &Traffic, orders: &mpsc::Sender<Order>) -> io::Result<()> {
    let asker = stream.peer_cred()?.uid();
    if asker != rustix::process::geteuid().as_raw() && asker != rustix::process::Uid::ROOT.as_raw() {
        return Ok(());
    }
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut read).take(LINE_BYTES_MAX);
        let next = tokio::select! {
            biased;
            () = traffic.ending.cancelled() => return Ok(()),
            next = limited.read_until(b'\n', &mut line) => next?,
        };
        if next == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n");
        let answer = match (whole, serde_json::from_slice::<Question>(&line)) {
            (true, Ok(question)) => answer(question, traffic, orders).await,
            (true, Err(e)) => Answer::Refused(Refusal::Bad { why: format!("this is no question: {e}") }),
            (false, _) => Answer::Refused(Refusal::Bad {
                why: format!("a question is one line of at most {LINE_BYTES_MAX} bytes"),
            }),
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        write.write_all(&text).await?;
        if !whole {
            return Ok(());
        }
    }
}

async fn answer(question: Question, traffic: &Traffic, orders: &mpsc::Sender<Order>) -> Answer {
    match question {
        Question::Version => Answer::Version(Version {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            since: traffic.since,
            http_port: traffic.http_port(),
        }),
        Question::Stats => Answer::Stats(traffic.stats()),
        Question::Avoid(backends) => Answer::Changed(traffic.avoid(&backends)),
        Question::WaitDrained { backend, within } => {
            Answer::Drained(traffic.wait_drained(&backend, within.duration()).await)
        }
        change => {
            let (reply, answer) = oneshot::channel();
            let order = Order { question: change, answer: reply };
            if orders.send(order).await.is_err() {
                return Answer::Refused(Refusal::Ending);
            }
            answer.await.unwrap_or(Answer::Refused(Refusal::Ending))
        }
    }
}
