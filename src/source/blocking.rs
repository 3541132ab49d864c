//! Work that waits for the disk, run where it holds up nobody.

/// Runs it on the runtime's threads for such work. Once begun it goes on to its end, even if nobody waits any more: it
/// must own what it needs.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // It is never aborted: this is a panic, and it goes on here.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
