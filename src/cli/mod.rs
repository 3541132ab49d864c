//! The command line: a client of the REST API, and what it prints.
//!
//! It speaks to a server only by its API ([`crate::server::api`]), and starts one where none runs. It decides nothing
//! about worlds: it asks, waits, and shows. Data goes to standard output, talk to standard error; exit codes are those
//! of [`exit::Exit`].

mod arguments;
mod ask_person;
mod asking;
mod client;
mod command;
mod connect;
pub mod exit;
mod folders;
mod follow;
mod interrupt;
mod moving;
mod out;
pub mod screen;
mod server_files;

use arguments::{Arguments, Command, Common, NOT_BUILT};
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
            if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
                let failure = misread(&error);
                Out::new(true).failure(&failure);
                return failure.exit.into();
            }
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let out = Out::new(arguments.common.json);
    let common = arguments.common;
    let ended = match arguments.command {
        Command::Completions { shell } => completions(&out, shell),
        Command::Other(words) => Err(not_a_command(&words)),
        // The server has a runtime of its own.
        Command::Serve(asked) => command::serve::serve(&common, &asked, &out),
        // No server may run.
        Command::Restore(asked) => command::keep::restore(&common, &asked, &out),
        command => asked(&common, &command, &out),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.failure(&failure);
            failure.exit.into()
        }
    }
}

/// A command line that cannot be read, for machines: what is wrong, and what clap would have people do.
fn misread(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let mut parts = text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let what = parts.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(&what).to_owned();
    let rest: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    Failure::new(Exit::Usage, what).way_out(rest.join("; "))
}

/// Runs a command that asks a server.
fn asked(common: &Common, command: &Command, out: &Out) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::WentWrong, format!("no runtime: {error}")))?;
    runtime.block_on(async {
        // `up` has an end of its own for ctrl-c.
        if let Command::Up(asked) = command {
            return command::up::up(common, asked, out).await;
        }
        tokio::select! {
            biased;
            () = interrupt::asked() => Ok(Exit::Interrupted),
            ended = of_server(common, command, out) => ended,
        }
    })
}

async fn of_server(common: &Common, command: &Command, out: &Out) -> Result<Exit, Failure> {
    use command::{deploy, keep, leave, questions, secrets, token, watch};
    match command {
        Command::Check(of) => questions::check(common, of, out).await,
        Command::Plan(asked) => questions::plan(common, asked, out).await,
        Command::Apply(asked) => deploy::apply(common, asked, out).await,
        Command::Status(asked) => watch::status(common, asked, out).await,
        Command::Explain(asked) => questions::explain(common, asked, out).await,
        Command::Slugs => questions::slugs(common, out).await,
        Command::WhyNot(of) => questions::why_not(common, of, out).await,
        Command::Logs(asked) => watch::logs(common, asked, out).await,
        Command::History(asked) => questions::history(common, asked, out).await,
        Command::Diff(asked) => questions::diff(common, asked, out).await,
        Command::Rollback(asked) => deploy::rollback(common, asked, out).await,
        Command::Retry(of) => deploy::retry(common, of, out).await,
        Command::Pause(of) => leave::pause(common, of, out, true).await,
        Command::Resume(of) => leave::pause(common, of, out, false).await,
        Command::Approve(asked) => leave::approve(common, asked, out).await,
        Command::Adopt(asked) => leave::adopt(common, asked, out).await,
        Command::Down(asked) => deploy::down(common, asked, out).await,
        Command::Secret(asked) => secrets::secret(common, asked, out).await,
        Command::Token(asked) => token::token(common, asked, out).await,
        Command::Backup(asked) => keep::backup(common, asked, out).await,
        Command::Up(_) | Command::Serve(_) | Command::Restore(_) | Command::Completions { .. } | Command::Other(_) => {
            unreachable!("these ask no server, or have an end of their own")
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
        return not_built(word);
    }
    let arguments = Arguments::command();
    let known: Vec<&str> = arguments.get_subcommands().map(clap::Command::get_name).collect();
    let failure = Failure::new(Exit::Usage, format!("`{word}` is no command of deployd"));
    match crate::diagnostic::did_you_mean(word, known) {
        Some(near) => failure.way_out(near),
        None => failure.way_out("deployd --help lists them"),
    }
}

fn not_built(word: &str) -> Failure {
    Failure::new(Exit::Usage, format!("`deployd {word}` is not built yet"))
}
