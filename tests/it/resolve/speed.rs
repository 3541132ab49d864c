//! What resolving costs grows with what is resolved, and not faster.
