//! Resource repositories: definitions and gates, read and inherited.
