//! Ctrl-c, and the other ways in which a command is told to end.

use tokio::signal::unix::{SignalKind, signal};

/// Comes when this process is asked to end: ctrl-c, a closed terminal, or another program.
pub(super) async fn asked() {
    let streams = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = streams else {
        // Without handlers the signals end this process, which is what they are for.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
