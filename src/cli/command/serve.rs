//! `deployd serve`: the server itself, in the foreground or for as long as commands need it.

use crate::cli::arguments::{Common, Serve};
use crate::cli::connect::LOCKED;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folders::{self, Near};
use crate::cli::out::Out;
use crate::cli::server_files;
use crate::server::Ends;
use crate::wiring::{self, FileSystems, ServeFailure, Serving, Settings};
use std::error::Error;
use std::io::IsTerminal;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// A server that was started for its callers stays so long for the next one: people ask several things in a row.
const LINGERS: Duration = Duration::from_secs(5);
/// What of the server's own log is written; `DEPLOYD_LOG=debug` writes more.
const LOG_VARIABLE: &str = "DEPLOYD_LOG";

/// `deployd serve`.
///
/// # Errors
/// Why it does not start, or why it could not go on.
pub(in crate::cli) fn serve(common: &Common, asked: &Serve, out: &Out) -> Result<Exit, Failure> {
    if asked.until_idle {
        // Of whoever started it nothing is left: not its terminal, not its ctrl-c. It fails where that is so already.
        let _ = rustix::process::setsid();
    }
    log();
    let settings = settings(common, asked)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::WentWrong, format!("no runtime: {error}")))?;
    let served = runtime.block_on(async {
        let until = wiring::signals()
            .map_err(|error| Failure::new(Exit::WentWrong, format!("signals cannot be heard: {error}")))?;
        let announced = |serving: &Serving| announce(serving, &settings, out);
        wiring::serve(&settings, until, announced).await.map_err(|failure| failed(&failure, asked.until_idle))
    });
    // What a part still does when all have ended is nothing that was acknowledged.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served.map(|()| Exit::Done)
}

/// How a server of this machine is set up, by the environment and the command line.
pub(super) fn settings(common: &Common, asked: &Serve) -> Result<Settings, Failure> {
    let usage = |what: String| Failure::new(Exit::Usage, what);
    let program = std::env::current_exe();
    let program =
        program.map_err(|error| Failure::new(Exit::WentWrong, format!("this program cannot be found: {error}")))?;
    let settings = Settings::of_environment(program, "deployd serve", common.state.clone(), &folders::variable);
    let mut settings = settings.map_err(|error| usage(error.to_string()))?;
    settings.config = folders::config(common, &Near::Nothing)?;
    if let Some(address) = asked.listen {
        (settings.api.listen, settings.api.or_next) = (address, false);
    }
    if asked.until_idle {
        settings.api.ends = Ends::AfterLastSession(LINGERS);
    } else {
        settings.file_systems = FileSystems::Refused(asked.file_systems.iter().cloned().collect());
    }
    Ok(settings)
}

/// Its own log goes to standard error, as text for people.
fn log() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("warn,deployd=info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // It is set once; a second one is not needed.
    let _ = subscriber.with_ansi(std::io::stderr().is_terminal()).try_init();
}

fn announce(serving: &Serving, settings: &Settings, out: &Out) {
    if let Err(error) = server_files::keep_config(&settings.state, settings.config.as_deref()) {
        out.talk(&format!("warning: which worlds it has cannot be kept: {error}\n"));
    }
    if let Some(config) = &settings.config {
        out.talk(&format!("worlds and repositories of {}\n", config.display()));
    }
    for warning in &serving.warnings {
        out.talk(&format!("warning: {warning}\n"));
    }
    // Nobody may be there to read it: it serves nevertheless.
    let _ = match out.is_json() {
        true => out.object(
            "serving",
            None,
            &serde_json::json!({ "address": serving.address, "instance": serving.instance }),
        ),
        false => out.data(&format!("serving at {}\n", serving.address)),
    };
}

/// Why it did not start. Whoever started it for themselves looks for the one that has the state.
fn failed(failure: &ServeFailure, until_idle: bool) -> Failure {
    let mut what = failure.to_string();
    let mut cause: Option<&dyn Error> = failure.source();
    while let Some(error) = cause {
        what = format!("{what}: {error}");
        cause = error.source();
    }
    Failure::new(if until_idle && failure.is_locked() { LOCKED } else { Exit::WentWrong }, what)
}
