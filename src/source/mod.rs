//! Where a service's files come from.
