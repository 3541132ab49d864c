//! How steps become orders, and their answers rows. Substitution and bookkeeping; nothing is decided here.

mod fill;
mod order;
mod outcome;

pub use fill::{Answers, export_identity, filled};
pub use order::{Asked, Under, asked, order};
pub use outcome::{Backoff, done, failed, is_tried_again};
