//! The command line: a client of the REST API, and what it prints.
//!
//! It speaks to a server only by its API ([`crate::server::api`]), and starts one where none runs. It decides nothing
//! about worlds: it asks, waits, and shows. Data goes to standard output, talk to standard error; exit codes are those
//! of [`exit::Exit`].

mod arguments;
pub mod exit;
mod folders;
mod out;
pub mod screen;

use arguments::{Arguments, Command, NOT_BUILT};
use clap::{CommandFactory, Parser};
use exit::{Exit, Failure};
use out::Out;
use std::process::ExitCode;

/// Runs the command that this process was started with, to its end.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are no mistakes.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let out = Out::new(arguments.common.json);
    let ended = match arguments.command {
        Command::Completions { shell } => completions(&out, shell),
        Command::Other(words) => Err(not_a_command(&words)),
        _ => Err(Failure::new(Exit::Usage, "x")),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.failure(&failure);
            failure.exit.into()
        }
    }
}

fn completions(out: &Out, shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "deployd", &mut script);
    out.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// A word that is no command: one that comes later is told by its name.
fn not_a_command(words: &[String]) -> Failure {
    let word = words.first().map_or("", String::as_str);
    if NOT_BUILT.contains(&word) {
        return Failure::new(Exit::Usage, format!("`deployd {word}` is not built yet"));
    }
    let arguments = Arguments::command();
    let known: Vec<&str> = arguments.get_subcommands().map(clap::Command::get_name).collect();
    let failure = Failure::new(Exit::Usage, format!("`{word}` is no command of deployd"));
    match crate::diagnostic::did_you_mean(word, known) {
        Some(near) => failure.way_out(near),
        None => failure.way_out("deployd --help lists them"),
    }
}
