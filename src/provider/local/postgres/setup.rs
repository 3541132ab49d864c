//! A data folder made whole or not at all: `initdb`, then user and database by the server's single-user mode, so that it
//! never listens with a superuser that could be reached.

use super::programs::{Programs, RunsAs};
use super::text_of;
use crate::contract::Failure;
use crate::model::{Milliseconds, Value};
use crate::provider::local::room::unwritable;
use crate::state::{Why, WhyCode};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::io::AsyncWriteExt;

/// The superuser of the single-user mode. `pg_hba.conf` lets it in from nowhere.
const SUPERUSER: &str = "deployd";

/// Who may connect: everybody with a password from this machine, but the superuser.
const RULES: &str = "host all deployd all reject\nhost all all 127.0.0.1/32 scram-sha-256\n";

const SETTINGS: &str = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\npassword_encryption = 'scram-sha-256'\nlog_destination = 'stderr'\nlogging_collector = off\n";

/// What a server is set up with.
pub(super) struct Asked {
    database: String,
    username: String,
    password: String,
}

impl Asked {
    pub(super) fn read(fields: &Value) -> Result<Asked, Failure> {
        Ok(Asked {
            database: text_of(fields, "database")?,
            username: text_of(fields, "username")?,
            password: text_of(fields, "password")?,
        })
    }
}

/// The major version that a data folder is of.
pub(super) fn version_of(data: &Path) -> Option<i64> {
    std::fs::read_to_string(data.join("PG_VERSION")).ok()?.trim().parse().ok()
}

/// What the server and its programs find in their environment.
pub(super) fn environment() -> BTreeMap<String, String> {
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Makes a data folder, unless it is there.
pub(super) async fn make(
    programs: &Programs,
    data: &Path,
    asked: &Asked,
    user: Option<&RunsAs>,
) -> Result<(), Failure> {
    if version_of(data).is_some() {
        return Ok(());
    }
    let draft = data.with_extension("draft");
    make_parent(data, user).map_err(|error| unwritable(data, &error))?;
    if draft.exists() {
        std::fs::remove_dir_all(&draft).map_err(|error| unwritable(&draft, &error))?;
    }
    let folder = draft.display().to_string();
    let arguments =
        ["-D", &folder, "-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "--auth=reject", "--no-instructions"];
    let output = run(&programs.initdb(), &arguments, user, "").await?;
    if !output.status.success() {
        return Err(failed("initdb", &output));
    }
    append(&draft.join("postgresql.conf"), SETTINGS).map_err(|error| unwritable(&draft, &error))?;
    std::fs::write(draft.join("pg_hba.conf"), RULES).map_err(|error| unwritable(&draft, &error))?;
    let statements = format!(
        "CREATE ROLE {user} LOGIN CREATEDB PASSWORD {password};\nCREATE DATABASE {database} OWNER {user};\n",
        user = identifier(&asked.username),
        password = literal(&asked.password),
        database = identifier(&asked.database),
    );
    single_user(programs, &draft, user, &statements).await?;
    std::fs::rename(&draft, data).map_err(|error| unwritable(data, &error))?;
    let parent = data.parent().expect("a data folder lies in a folder");
    std::fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(|error| unwritable(parent, &error))
}

/// Sets the password of a server that does not run.
pub(super) async fn set_password(
    programs: &Programs,
    data: &Path,
    asked: &Asked,
    user: Option<&RunsAs>,
) -> Result<(), Failure> {
    let statement = format!("ALTER ROLE {} PASSWORD {};\n", identifier(&asked.username), literal(&asked.password));
    single_user(programs, data, user, &statement).await
}

/// Runs statements, one a line, without a server. It ends with 0 whatever happens, so its words are looked at.
async fn single_user(programs: &Programs, data: &Path, user: Option<&RunsAs>, statements: &str) -> Result<(), Failure> {
    let folder = data.display().to_string();
    let arguments =
        ["--single", "-D", &folder, "-c", "exit_on_error=true", "-c", "log_min_error_statement=panic", "postgres"];
    let output = run(&programs.postgres(), &arguments, user, statements).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || said.contains("ERROR:") || said.contains("FATAL:") {
        return Err(failed("postgres --single", &output));
    }
    Ok(())
}

async fn run(program: &Path, arguments: &[&str], user: Option<&RunsAs>, input: &str) -> Result<Output, Failure> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).env_clear().envs(environment()).current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(user) = user {
        command.uid(user.user).gid(user.group);
    }
    let running = async {
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        child.wait_with_output().await
    };
    running.await.map_err(|error| Failure::Retry {
        after: Milliseconds::seconds(5),
        why: Why::new(WhyCode::Other, format!("{} could not be run: {error}", program.display())),
    })
}

/// The folder around a data folder: only the server's user enters it.
fn make_parent(data: &Path, user: Option<&RunsAs>) -> io::Result<()> {
    let parent = data.parent().expect("a data folder lies in a folder");
    std::fs::create_dir_all(parent)?;
    let Some(user) = user else {
        return std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o700));
    };
    std::os::unix::fs::chown(parent, Some(user.user), Some(user.group))?;
    std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o700))
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())
}

/// The last words of a program that failed. A statement is never among them: it holds a password. One that was killed is
/// run again: that says nothing about what it was to do.
fn failed(program: &str, output: &Output) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<String> = said.lines().filter(|line| !line.contains("PASSWORD")).map(str::to_owned).collect();
    let last = lines.len().saturating_sub(10);
    let why = Why::new(WhyCode::CommandFailed, format!("{program} failed ({})", output.status));
    let why = why.details(lines[last..].to_vec());
    match output.status.signal() {
        Some(_) => Failure::Retry { after: Milliseconds::seconds(1), why },
        None => Failure::Refused { why },
    }
}

/// A name as SQL takes it literally.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL takes it literally, backslashes too; one line, as the single-user mode reads lines.
fn literal(text: &str) -> String {
    let one_line: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("'{}'", one_line.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_stay_what_they_are() {
        assert_eq!(identifier(r#"a"b"#), r#""a""b""#);
        assert_eq!(literal("it's; DROP\nROLE x"), "'it''s; DROPROLE x'");
    }

    #[test]
    fn a_program_that_was_killed_is_run_again() {
        let shell = |text: &str| std::process::Command::new("sh").args(["-c", text]).output().unwrap();
        assert!(matches!(failed("initdb", &shell("kill -9 $$")), Failure::Retry { .. }));
        let Failure::Refused { why } = failed("initdb", &shell("echo 1 PASSWORD >&2; echo no room >&2; exit 1")) else {
            panic!("it ended by itself")
        };
        assert_eq!(why.details, ["no room"]);
    }
}
