//! What a server leaves in its state folder while it runs: its process id, the API's address, and the token. Written
//! whole or not at all, for the user alone (THREATS.md T37).

use super::access::new_token;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The file that holds the server's process id, while it runs.
pub const PID_FILE: &str = "server.pid";
/// The file that holds the API's address, while it runs: `http://127.0.0.1:7070`.
pub const ADDRESS_FILE: &str = "server.address";
/// The file that holds the token; it stays.
pub const TOKEN_FILE: &str = "token";

/// The longest of these files: none has more than a line.
const FILE_BYTES_MAX: u64 = 1024;

/// The files of a running server: removed when it is dropped.
#[derive(Debug)]
pub struct Placed {
    state: PathBuf,
    address: String,
}

/// Writes who runs and where. Whoever holds the store's lock is the only server of the folder, so earlier files are of
/// a server that was killed.
///
/// # Errors
/// The folder or a file cannot be written.
pub fn place(state: &Path, address: &str) -> io::Result<Placed> {
    write(&state.join(ADDRESS_FILE), address)?;
    write(&state.join(PID_FILE), &std::process::id().to_string())?;
    Ok(Placed { state: state.to_owned(), address: address.to_owned() })
}

impl Drop for Placed {
    fn drop(&mut self) {
        // Only our own: a server that took the folder over has written its own by now.
        let ours = [(PID_FILE, std::process::id().to_string()), (ADDRESS_FILE, self.address.clone())];
        for (file, text) in ours {
            let path = self.state.join(file);
            if read(&path, FILE_BYTES_MAX)
                .is_ok_and(|found| found.as_deref().map(String::as_str) == Some(text.as_str()))
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(file, %error, "a file of the server that ended stays");
            }
        }
    }
}

/// The API's address as a server left it, if one runs or was killed.
///
/// # Errors
/// The file is there and cannot be read.
pub fn address(state: &Path) -> io::Result<Option<String>> {
    Ok(read(&state.join(ADDRESS_FILE), FILE_BYTES_MAX)?.map(|text| text.to_string()))
}

/// The token, if there ever was a server.
///
/// # Errors
/// The file is there and cannot be read.
pub fn token(state: &Path) -> io::Result<Option<Zeroizing<String>>> {
    read(&state.join(TOKEN_FILE), FILE_BYTES_MAX)
}

/// The token, made at first. One that others could read may be known to them: another takes its place.
///
/// # Errors
/// The folder or the file cannot be read or written, or the machine gives no randomness.
pub fn token_or_new(state: &Path) -> io::Result<Zeroizing<String>> {
    DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    let path = state.join(TOKEN_FILE);
    match fs::symlink_metadata(&path) {
        Ok(found)
            if found.is_file() && found.mode() & 0o077 == 0 && found.uid() == rustix::process::geteuid().as_raw() =>
        {
            if let Some(token) = read(&path, FILE_BYTES_MAX)?.filter(|token| !token.is_empty()) {
                return Ok(token);
            }
        }
        Ok(_) => tracing::warn!("others could read the token: it is not good any more, and another was made"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let token = new_token()?;
    write(&path, &token)?;
    Ok(token)
}

/// A file of the state folder, without the white space around it; nothing where there is none.
pub(super) fn read(path: &Path, bytes_max: u64) -> io::Result<Option<Zeroizing<String>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Zeroizing::new(String::new());
    file.take(bytes_max).read_to_string(&mut text)?;
    Ok(Some(Zeroizing::new(text.trim().to_owned())))
}

/// Writes a file for the user alone: beside its place, durably, then renamed.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    // What a killed server left half written.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().expect("a file of the state folder has a folder");
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_the_users_alone_and_go_with_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let placed = place(folder.path(), "http://127.0.0.1:7070").unwrap();
        assert_eq!(address(folder.path()).unwrap().as_deref(), Some("http://127.0.0.1:7070"));
        let pid = fs::read_to_string(folder.path().join(PID_FILE)).unwrap();
        assert_eq!(pid, format!("{}\n", std::process::id()));
        assert_eq!(fs::metadata(folder.path().join(PID_FILE)).unwrap().mode() & 0o777, 0o600);
        // Another server took the folder over: its files stay.
        write(&folder.path().join(ADDRESS_FILE), "http://127.0.0.1:7071").unwrap();
        drop(placed);
        assert!(!folder.path().join(PID_FILE).exists());
        assert_eq!(address(folder.path()).unwrap().as_deref(), Some("http://127.0.0.1:7071"));
    }

    #[test]
    fn t37_the_token_is_made_once_and_others_cannot_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert_eq!(token(&state).unwrap(), None);
        let first = token_or_new(&state).unwrap();
        assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(state.join(TOKEN_FILE)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(token_or_new(&state).unwrap(), first);
        assert_eq!(token(&state).unwrap(), Some(first.clone()));
        // Somebody made it readable: whoever read it cannot use it.
        fs::set_permissions(state.join(TOKEN_FILE), fs::Permissions::from_mode(0o644)).unwrap();
        let second = token_or_new(&state).unwrap();
        assert_ne!(second, first);
        assert_eq!(fs::metadata(state.join(TOKEN_FILE)).unwrap().mode() & 0o777, 0o600);
    }
}
