//! The one binary: server, command line, keeper and proxy, by its first argument.

fn main() {}
