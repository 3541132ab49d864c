//! The command line's words: what can be asked, and what each word is called. It decides nothing and reads no file.

use crate::model::{Milliseconds, Name};
use crate::server::api::token::TokenScope;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Deploys a service, and everything it needs, wherever it belongs.
#[derive(Parser, Debug)]
#[command(name = "deployd", version, max_term_width = 100, disable_help_subcommand = true, after_help = EXITS)]
pub(super) struct Arguments {
    /// What is asked of every command.
    #[command(flatten)]
    pub common: Common,
    /// What is asked.
    #[command(subcommand)]
    pub command: Command,
}

/// Exit codes, where people look for them.
const EXITS: &str = "\
Exit codes:
  0 done, or nothing to do          4 refused: consent, approval or permission is missing
  1 it went wrong in the world      5 waiting longer than asked
  2 the command line was wrong      6 the server cannot be reached
  3 your files have mistakes      130 interrupted";

/// Under what the help of every command lists what all of them take.
const EVERYWHERE: &str = "Everywhere";

/// What is asked of every command.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Common {
    /// The world [default: the only world that the stack is in, else laptop]
    #[arg(long, short, global = true, value_name = "NAME", env = "DEPLOYD_WORLD", hide_env_values = true, help_heading = EVERYWHERE)]
    pub world: Option<Name>,
    /// Print JSON: one object, or one a line where it goes on
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    /// Where the server keeps its state [default: $XDG_STATE_HOME/deployd]
    #[arg(long, global = true, value_name = "FOLDER", env = "DEPLOYD_STATE", hide_env_values = true, help_heading = EVERYWHERE)]
    pub state: Option<PathBuf>,
    /// Worlds and repositories [default: the nearest folder upwards from the files, else the last server's]
    #[arg(long, global = true, value_name = "FOLDER", env = "DEPLOYD_CONFIG", hide_env_values = true, help_heading = EVERYWHERE)]
    pub config: Option<PathBuf>,
    /// A server that runs elsewhere; its token is read from $DEPLOYD_TOKEN
    #[arg(long, global = true, value_name = "URL", env = "DEPLOYD_SERVER", hide_env_values = true, help_heading = EVERYWHERE)]
    pub server: Option<String>,
}

/// What is asked.
#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Run a folder's services, watch it, and redeploy what changes; ctrl-c stops them and keeps their data
    #[command(
        after_help = "Examples:\n  deployd up examples/guestbook\n  deployd up --detach          return once it is up"
    )]
    Up(Up),
    /// Run the server in the foreground
    Serve(Serve),
    /// Read a folder's files and tell every mistake in them
    #[command(
        after_help = "Examples:\n  deployd check\n  deployd check --all-worlds\n\nEvery deployd.yaml below the folder is read, but for those in hidden folders, and those that\na .gitignore or a .deploydignore leaves out."
    )]
    Check(Check),
    /// Show what would change, field by field, and change nothing
    #[command(
        after_help = "Examples:\n  deployd plan guestbook\n  deployd plan --exit-code     10 when there is something to do"
    )]
    Plan(Plan),
    /// Deploy once and wait for the end
    #[command(
        after_help = "Examples:\n  deployd apply examples/guestbook --world staging --within 10m\n  deployd apply f00d123        the plan that deployd plan has shown"
    )]
    Apply(Apply),
    /// Show how the stacks of a world are
    Status(Status),
    /// Show what a value is, who set it, and who may set it
    #[command(
        after_help = "Examples:\n  deployd explain guestbook users.instance_class\n  deployd explain guestbook env.DATABASE_URL --world staging"
    )]
    Explain(Explain),
    /// List what a world can be asked for
    Slugs,
    /// Show why a service cannot go to a world, and the nearest change that would do
    #[command(after_help = "Example:\n  deployd why-not examples/guestbook --world edge")]
    WhyNot(Of),
    /// Show what the processes wrote
    #[command(after_help = "Examples:\n  deployd logs guestbook --follow\n  deployd logs guestbook users -n 20")]
    Logs(Logs),
    /// List the deployments of a stack
    History(History),
    /// Show what differs between two releases
    #[command(after_help = "Examples:\n  deployd diff guestbook\n  deployd diff guestbook 3f9c2a1 81d0b77")]
    Diff(Diff),
    /// Return to an earlier release, without touching data
    #[command(after_help = "Examples:\n  deployd rollback guestbook\n  deployd rollback guestbook --to 3f9c2a1")]
    Rollback(Rollback),
    /// Try again what is quarantined
    Retry(Stack),
    /// Change nothing of a stack until it is resumed: what runs goes on
    Pause(Stack),
    /// Go on with a stack that is paused
    Resume(Stack),
    /// Approve what a plan asks leave for: what policy names, and what data would be lost
    #[command(after_help = "Examples:\n  deployd approve guestbook\n  deployd approve guestbook f00d123")]
    Approve(Approve),
    /// Take over something that is there and is not deployd's
    #[command(after_help = "Example:\n  deployd adopt guestbook users.instance db-0123")]
    Adopt(Adopt),
    /// Take a stack away, and prove that it is gone
    #[command(after_help = "Examples:\n  deployd down guestbook --keep-data\n  deployd down guestbook --delete users")]
    Down(Down),
    /// Set, list and remove the secrets of a world
    #[command(subcommand)]
    Secret(Secret),
    /// Issue, list and revoke tokens that let others in
    #[command(subcommand)]
    Token(Token),
    /// Write everything that the server knows into one file
    #[command(after_help = "Example:\n  deployd backup monday.deployd --with-keys")]
    Backup(Backup),
    /// Fill an empty state folder from a backup
    Restore(Restore),
    /// Print the completions of a shell
    #[command(after_help = "Example:\n  deployd completions bash > ~/.local/share/bash-completion/completions/deployd")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// A command that comes later: told by its name instead of "unknown".
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// Commands that deployd will have and has not yet.
pub(super) const NOT_BUILT: &[&str] =
    &["init", "run", "deploy", "upload", "audit", "iam-policy", "login", "world", "simulate", "export"];

#[derive(Args, Debug)]
pub(super) struct Up {
    /// The folder that holds deployd.yaml
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Only this service of it; may be repeated
    #[arg(long = "service", value_name = "NAME")]
    pub services: Vec<Name>,
    /// Return once it is up, and leave it running
    #[arg(long, short)]
    pub detach: bool,
    #[command(flatten)]
    pub mode: Mode,
}

/// How a deployment is run.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct Mode {
    /// Everything at once: nothing is stopped, nothing waits for another
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// Every stage, even where nothing is to be done
    #[arg(long)]
    pub full: bool,
}

#[derive(Args, Debug, Default)]
pub(super) struct Serve {
    /// Where the API listens [default: 127.0.0.1:7070, else the next free port]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<std::net::SocketAddr>,
    /// End when no command has been using it for a while
    #[arg(long)]
    pub until_idle: bool,
    /// Keep state on this kind of file system too, although it is not known to keep what was written; may be repeated
    #[arg(long = "file-system", value_name = "NAME")]
    pub file_systems: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct Check {
    /// The folder that holds deployd.yaml, or worlds/ and repositories/
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// For every world that there is [default: those that its services run in, else laptop; or --world]
    #[arg(long, conflicts_with = "world")]
    pub all_worlds: bool,
}

/// A folder of files.
#[derive(Args, Debug)]
pub(super) struct Of {
    /// The folder that holds deployd.yaml
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}

/// A stack.
#[derive(Args, Debug)]
pub(super) struct Stack {
    /// A stack's name, or a folder that holds its deployd.yaml
    #[arg(default_value = ".")]
    pub stack: String,
}

#[derive(Args, Debug)]
pub(super) struct Plan {
    #[command(flatten)]
    pub of: Stack,
    /// Exit with 10 when there is something to do
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten)]
    pub mode: Mode,
}

#[derive(Args, Debug)]
pub(super) struct Apply {
    /// A stack's name, a folder, or a plan as `deployd plan` names it
    #[arg(default_value = ".", value_name = "STACK|PLAN")]
    pub what: String,
    /// Wait so long for the end, then exit with 5; the deployment goes on
    #[arg(long, value_name = "DURATION")]
    pub within: Option<Milliseconds>,
    #[command(flatten)]
    pub mode: Mode,
}

#[derive(Args, Debug)]
pub(super) struct Status {
    /// Only this stack
    pub stack: Option<String>,
    /// Stay, and show what changes
    #[arg(long)]
    pub watch: bool,
}

#[derive(Args, Debug)]
pub(super) struct Explain {
    /// A stack's name, or a folder that holds its deployd.yaml
    pub stack: String,
    /// Which value: users.instance_class, env.DATABASE_URL [default: all of them]
    pub value: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Logs {
    #[command(flatten)]
    pub of: Stack,
    /// Only of this process, task or requirement
    pub name: Option<Name>,
    /// Stay, and show lines as they are written
    #[arg(long, short)]
    pub follow: bool,
    /// Only of that release: 81d0b77, or 81d0b77.2
    #[arg(long, alias = "release")]
    pub revision: Option<String>,
    /// How many lines from before
    #[arg(long, short = 'n', default_value_t = 100, value_name = "COUNT")]
    pub lines: u32,
}

#[derive(Args, Debug)]
pub(super) struct History {
    #[command(flatten)]
    pub of: Stack,
    /// At most so many, newest first
    #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT")]
    pub limit: usize,
}

#[derive(Args, Debug)]
pub(super) struct Diff {
    #[command(flatten)]
    pub of: Stack,
    /// From this release: 81d0b77, or 81d0b77.2 [default: the last good one before the other]
    pub from: Option<String>,
    /// To this release [default: the one that the stack is brought to]
    pub to: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Rollback {
    #[command(flatten)]
    pub of: Stack,
    /// To which release [default: the last good one before the one that serves]
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
    /// Wait so long for the end, then exit with 5; the deployment goes on
    #[arg(long, value_name = "DURATION")]
    pub within: Option<Milliseconds>,
}

#[derive(Args, Debug)]
pub(super) struct Approve {
    #[command(flatten)]
    pub of: Stack,
    /// The plan that you have looked at, as `deployd plan` names it [default: it is shown, and asked about]
    pub plan: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Adopt {
    /// A stack's name
    pub stack: Name,
    /// What is to own it, within the stack: users, or users.instance
    pub name: String,
    /// What its provider calls it, as the plan shows it
    pub handle: String,
}

#[derive(Args, Debug)]
pub(super) struct Down {
    #[command(flatten)]
    pub of: Stack,
    /// Stop the rest and keep what holds data
    #[arg(long)]
    pub keep_data: bool,
    /// Delete this too, after a backup; may be repeated
    #[arg(long, value_name = "NAME")]
    pub delete: Vec<Name>,
    /// Wait so long for the end, then exit with 5; the deployment goes on
    #[arg(long, value_name = "DURATION")]
    pub within: Option<Milliseconds>,
}

#[derive(Subcommand, Debug)]
pub(super) enum Secret {
    /// Set a secret; its value is read from standard input, or asked for without echo
    #[command(
        after_help = "Examples:\n  deployd secret set staging API_KEY\n  deployd secret set staging TLS_KEY < key.pem"
    )]
    Set {
        /// WORLD NAME, or NAME with --world
        #[arg(num_args = 1..=2, required = true, value_names = ["WORLD", "NAME"])]
        name: Vec<String>,
    },
    /// List the names and versions of a world's secrets, never their values
    List {
        /// The world; or it is named with --world
        #[arg(value_name = "WORLD")]
        of: Option<Name>,
    },
    /// Remove a secret
    Remove {
        /// WORLD NAME, or NAME with --world
        #[arg(num_args = 1..=2, required = true, value_names = ["WORLD", "NAME"])]
        name: Vec<String>,
    },
}

#[derive(Subcommand, Debug)]
pub(super) enum Token {
    /// Issue a token, and show it this once
    #[command(
        after_help = "Examples:\n  deployd token issue bob --scope read,approve\n  deployd token issue ci --scope deploy --worlds staging,edge --days 7"
    )]
    Issue(IssueToken),
    /// List the tokens that are good: what each may do, where, and until when
    List,
    /// Revoke a token: nobody is let in by it any more
    Revoke {
        /// Its name
        name: Name,
    },
}

#[derive(Args, Debug)]
pub(super) struct IssueToken {
    /// For whom or for what: history shows it
    pub name: Name,
    /// What it lets one do: read, deploy, approve, admin; several with commas
    #[arg(long = "scope", value_name = "SCOPES", value_delimiter = ',', default_value = "read")]
    pub scopes: Vec<Scope>,
    /// Only in these worlds, with commas [default: all of them, or --world]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub worlds: Vec<Name>,
    /// For so many days, 90 at most [default: 30]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=90))]
    pub days: Option<u16>,
}

/// A scope as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope(pub TokenScope);

impl std::str::FromStr for Scope {
    type Err = String;
    fn from_str(text: &str) -> Result<Scope, String> {
        let known = TokenScope::ALL.into_iter().find(|scope| scope.to_string() == text);
        known.map(Scope).ok_or_else(|| "it is read, deploy, approve or admin".to_owned())
    }
}

#[derive(Args, Debug)]
pub(super) struct Backup {
    /// The file to write; it must not be there yet
    pub file: PathBuf,
    /// With the keys too, under a passphrase that is asked for or read from standard input
    #[arg(long)]
    pub with_keys: bool,
}

#[derive(Args, Debug)]
pub(super) struct Restore {
    /// The file that `deployd backup` wrote
    pub file: PathBuf,
    /// The keys come with it, under a passphrase that is asked for or read from standard input
    #[arg(long)]
    pub with_keys: bool,
}
