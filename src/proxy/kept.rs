//! What outlives the proxy process: routes, the ports that were given, settings. One small file, written whole: to a
//! second file, flushed, renamed, and the folder flushed; so it is always one state or the next.

use super::home::Home;
use super::route::{Listen, Route, Settings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The format of the file. An older proxy refuses a newer file.
const FORMAT: u16 = 1;
/// Ports of routes that were removed are remembered, so that one which comes back finds its own; at most so many.
const PORTS_REMEMBERED_MAX: usize = 4096;

/// Everything that must not be forgotten.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    format: u16,
    pub(super) settings: Settings,
    /// The port of entrypoints, and the preferred one that it was given for.
    pub(super) http: Option<HttpPort>,
    /// The port of each route that has one of its own, by id; of removed ones too.
    pub(super) ports: BTreeMap<String, u16>,
    pub(super) routes: BTreeMap<String, Route>,
}

/// The port that entrypoints were given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct HttpPort {
    pub(super) preferred: u16,
    pub(super) given: u16,
}

/// What was found at the start.
pub(super) enum Loaded {
    /// What was kept, or nothing yet.
    Kept(Kept),
    /// The file is no table; it was put aside under that name, and all begins anew. Whoever owns routes puts them again.
    SetAside { to: std::path::PathBuf, why: String },
}

impl Default for Kept {
    fn default() -> Kept {
        Kept {
            format: FORMAT,
            settings: Settings::default(),
            http: None,
            ports: BTreeMap::new(),
            routes: BTreeMap::new(),
        }
    }
}

impl Kept {
    /// Reads the file.
    pub(super) fn load(home: &Home) -> io::Result<Loaded> {
        let path = home.table();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Kept(Kept::default())),
            Err(e) => return Err(e),
        };
        #[derive(Deserialize)]
        struct Format {
            format: u16,
        }
        let read = serde_json::from_slice::<Format>(&text).and_then(|format| {
            let newer = format.format > FORMAT;
            if newer { Ok(Err(format.format)) } else { serde_json::from_slice::<Kept>(&text).map(Ok) }
        });
        match read {
            Ok(Ok(kept)) => Ok(Loaded::Kept(kept)),
            Ok(Err(newer)) => {
                Err(io::Error::other(format!("a newer deployd wrote it (format {newer}; this one knows {FORMAT})")))
            }
            Err(e) => {
                let to = path.with_extension("broken");
                std::fs::rename(&path, &to)?;
                Ok(Loaded::SetAside { to, why: e.to_string() })
            }
        }
    }

    /// What the file says, for who only wants to know: nothing is put aside.
    pub(super) fn peek(home: &Home) -> Kept {
        let text = std::fs::read(home.table()).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes the file. When this answers well, it is on the disk.
    pub(super) fn save(&self, home: &Home) -> io::Result<()> {
        write_whole(&home.table(), &serde_json::to_vec(self)?)
    }

    /// The route that stands where `route` would: the same host and path, or the same port.
    pub(super) fn in_the_way(&self, route: &Route) -> Option<&Route> {
        let mut others = self.routes.values().filter(|other| other.id != route.id);
        others.find(|other| match (&other.listen, &route.listen) {
            (Listen::Host { .. }, Listen::Host { .. }) => other.listen == route.listen,
            (Listen::Port { .. }, Listen::Port { port: Some(port), .. }) => self.ports.get(&other.id) == Some(port),
            _ => false,
        })
    }

    /// The port that a route has: the shared one, or its own.
    pub(super) fn port_of(&self, route: &Route) -> Option<u16> {
        match &route.listen {
            Listen::Host { .. } => self.http.map(|http| http.given),
            Listen::Port { .. } => self.ports.get(&route.id).copied(),
        }
    }

    /// Remembers a route and its port.
    pub(super) fn put(&mut self, route: Route, port: u16) {
        match &route.listen {
            Listen::Host { .. } => {
                let preferred = self.settings.http_port;
                self.http = Some(HttpPort { preferred, given: port });
                self.ports.remove(&route.id);
            }
            Listen::Port { .. } => {
                // A port that a removed route had is this one's now.
                let routes = &self.routes;
                self.ports.retain(|id, remembered| *remembered != port || routes.contains_key(id));
                self.ports.insert(route.id.clone(), port);
            }
        }
        self.routes.insert(route.id.clone(), route);
        while self.ports.len() > PORTS_REMEMBERED_MAX.max(self.routes.len()) {
            let Some(gone) = self.ports.keys().find(|id| !self.routes.contains_key(*id)).cloned() else { break };
            self.ports.remove(&gone);
        }
    }

    /// The ports of their own of the routes that stand, by id.
    pub(super) fn own_ports(&self) -> impl Iterator<Item = (&str, u16)> {
        let own = self.routes.values().filter(|route| matches!(route.listen, Listen::Port { .. }));
        own.filter_map(|route| self.ports.get(&route.id).map(|port| (route.id.as_str(), *port)))
    }

    /// Whether any entrypoint stands.
    pub(super) fn has_entrypoints(&self) -> bool {
        self.routes.values().any(|route| matches!(route.listen, Listen::Host { .. }))
    }
}

/// Writes a file (0600) so that after a crash it holds either its old or its new content.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let folder = path.parent().ok_or_else(|| io::Error::other("a file lies in a folder"))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::route::Protocol;
    use super::*;
    use crate::model::Digest;

    fn route(id: &str, listen: Listen) -> Route {
        Route::to(id, "receipt", Digest::of("shape"), listen, Vec::new())
    }

    fn kept(home: &Home) -> Kept {
        match Kept::load(home).unwrap() {
            Loaded::Kept(kept) => kept,
            Loaded::SetAside { why, .. } => panic!("{why}"),
        }
    }

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::of(folder.path());
        home.make().unwrap();
        (folder, home)
    }

    #[test]
    fn it_reads_back_and_a_removed_route_finds_its_port_again() {
        let (_folder, home) = home();
        let mut table = kept(&home);
        table.put(route("a", Listen::stable(Protocol::Http)), 20_001);
        table.put(route("web", Listen::host("h.localhost")), 8081);
        table.save(&home).unwrap();
        let mut table = kept(&home);
        assert_eq!(table.http, Some(HttpPort { preferred: 8080, given: 8081 }));
        table.routes.remove("a");
        table.save(&home).unwrap();
        assert_eq!(kept(&home).port_of(&route("a", Listen::stable(Protocol::Http))), Some(20_001));
        table.put(route("b", Listen::Port { port: Some(20_001), protocol: Protocol::Tcp }), 20_001);
        assert_eq!(table.port_of(&route("a", Listen::stable(Protocol::Http))), None, "asked for by another");
    }

    #[test]
    fn two_routes_cannot_stand_in_one_place() {
        let mut table = Kept::default();
        table.put(route("web", Listen::host("h")), 8080);
        table.put(route("tcp", Listen::Port { port: Some(5000), protocol: Protocol::Tcp }), 5000);
        let by = |route| table.in_the_way(&route).map(|other| other.id.clone());
        assert_eq!(by(route("other", Listen::host("h"))), Some("web".to_owned()));
        assert_eq!(by(route("web", Listen::host("h"))), None);
        assert_eq!(by(route("other", Listen::Host { host: "h".to_owned(), path: "/x".to_owned() })), None);
        let port = Listen::Port { port: Some(5000), protocol: Protocol::Http };
        assert_eq!(by(route("other", port)), Some("tcp".to_owned()));
    }

    #[test]
    fn what_is_no_table_is_set_aside_and_what_is_newer_is_refused() {
        let (_folder, home) = home();
        std::fs::write(home.table(), "{\"format\":1,\"rou").unwrap();
        assert!(matches!(Kept::load(&home).unwrap(), Loaded::SetAside { to, .. } if to.exists()));
        assert_eq!(kept(&home), Kept::default());
        std::fs::write(home.table(), "{\"format\":2,\"whatever\":1}").unwrap();
        assert!(Kept::load(&home).is_err());
        assert!(home.table().exists());
    }
}
