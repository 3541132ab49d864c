//! The tests that need more than one module: cases, laws, contract suites, crashes, stories.
mod keeper;
mod provider;
mod store;
mod tidy;
