//! What will be done, in which order and why: pure, total, without a clock.
