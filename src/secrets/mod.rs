//! Secrets at rest: sealed with keys that lie outside the state folder.
