//! `Clock`: time as an argument, so that a simulated world can run a day in a second.

use crate::model::{Now, Steady};
use async_trait::async_trait;

/// Where time comes from.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Now;

    /// Returns at that moment, or at once when it has passed. Dropping the future is free.
    async fn until(&self, at: Steady);
}
