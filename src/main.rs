//! The one binary: server, command line, keeper and proxy, by its first argument.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Roles that must not start an async runtime, or start one of their own, are told apart before anything else.
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(role) if role == "keeper" => deployd::keeper::role::keeper(arguments),
        Some(role) if role == "keeper-loop" => deployd::keeper::role::keeper_loop(arguments),
        Some(role) if role == "keeper-exec" => deployd::keeper::role::keeper_exec(arguments),
        Some(role) if role == "proxy" => deployd::proxy::role(arguments),
        _ => deployd::cli::run(),
    }
}
