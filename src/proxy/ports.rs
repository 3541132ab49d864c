//! Which port a route gets: what it had, what it asks for, or one that is chosen once. Ports are taken as they are chosen,
//! so that what is promised is held.

use super::home::Home;
use super::http::Door;
use super::kept::{HttpPort, Kept};
use super::listen::{Bound, Listening};
use super::process::Process;
use super::route::{Listen, Route, ports_of_services};
use super::wire::Refusal;
use crate::model::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How far from the preferred port of entrypoints another one is looked for.
const HTTP_PORTS_TRIED: u16 = 100;

/// The port at which ways in by name answer, or will: the one that would be given, without taking it.
#[must_use]
pub fn http_port(state: &Path, preferred: u16) -> Option<u16> {
    let home = Home::of(state);
    let kept = Kept::peek(&home);
    let is_free = |port: &u16| Bound::take(*port).is_ok();
    // One that runs has what it was given, also while nothing is behind it.
    let runs = || Process::of(&home).is_ok_and(|process| process.is_some_and(|one| one.lives().unwrap_or(false)));
    let known = kept.http.filter(|http| http.preferred == preferred).map(|http| http.given);
    if let Some(known) = known.filter(|known| kept.has_entrypoints() || is_free(known) || runs()) {
        return Some(known);
    }
    let others: BTreeSet<u16> = kept.ports.values().copied().collect();
    let mut next = (preferred..=preferred.saturating_add(HTTP_PORTS_TRIED)).filter(|port| !others.contains(port));
    next.find(is_free)
}

/// Ports that are listened on, and those just taken that will be once the change is durable.
pub(super) struct Ports<'a> {
    pub(super) listening: &'a BTreeMap<Door, Listening>,
    pub(super) fresh: BTreeMap<Door, Bound>,
}

/// The listener that a route needs.
pub(super) fn door(route: &Route) -> Door {
    match route.listen {
        Listen::Host { .. } => Door::Entrypoints,
        Listen::Port { .. } => Door::Route(route.id.clone()),
    }
}

impl Ports<'_> {
    /// The port of a route, taken. `before` is what stood before this change.
    pub(super) fn give(&mut self, draft: &Kept, before: &Kept, route: &Route) -> Result<u16, Refusal> {
        match &route.listen {
            Listen::Host { .. } => self.give_http(draft, before),
            Listen::Port { port: Some(port), .. } => self.take(&door(route), *port),
            Listen::Port { port: None, .. } => self.give_stable(draft, before, &route.id),
        }
    }

    /// The port of entrypoints: the one it was given; at first the preferred one or the next that is free.
    pub(super) fn give_http(&mut self, draft: &Kept, before: &Kept) -> Result<u16, Refusal> {
        let preferred = draft.settings.http_port;
        let known = draft.http.filter(|http| http.preferred == preferred).map(|HttpPort { given, .. }| given);
        let refusal = match known.map(|port| self.take(&Door::Entrypoints, port)) {
            Some(Ok(port)) => return Ok(port),
            // People and other services know that address: it is not changed under their feet.
            Some(Err(refusal)) if before.has_entrypoints() => return Err(refusal),
            Some(Err(refusal)) => Some(refusal),
            None => None,
        };
        let others: BTreeSet<u16> = draft.ports.values().copied().collect();
        let next = (preferred..=preferred.saturating_add(HTTP_PORTS_TRIED)).filter(|port| !others.contains(port));
        self.first_free(&Door::Entrypoints, next, refusal)
    }

    /// A stable port: the one that the route had, or the first free one from where its id points, so that it is likely to
    /// be the same even where everything was forgotten.
    fn give_stable(&mut self, draft: &Kept, before: &Kept, id: &str) -> Result<u16, Refusal> {
        let door = Door::Route(id.to_owned());
        let refusal = match draft.ports.get(id).map(|port| self.take(&door, *port)) {
            Some(Ok(port)) => return Ok(port),
            Some(Err(refusal)) if before.routes.contains_key(id) => return Err(refusal),
            Some(Err(refusal)) => Some(refusal),
            None => None,
        };
        let range = ports_of_services();
        let count = range.end - range.start;
        let first = u16::from_be_bytes([Digest::of(id).bytes()[0], Digest::of(id).bytes()[1]]) % count;
        let others: BTreeSet<u16> = draft.ports.values().copied().chain(draft.http.map(|http| http.given)).collect();
        let next = (0..count)
            .map(|step| range.start + (u32::from(first) + u32::from(step)).rem_euclid(u32::from(count)) as u16);
        self.first_free(&door, next.filter(|port| !others.contains(port)), refusal)
    }

    fn first_free(
        &mut self,
        door: &Door,
        ports: impl Iterator<Item = u16>,
        mut refusal: Option<Refusal>,
    ) -> Result<u16, Refusal> {
        for port in ports {
            match self.take(door, port) {
                Ok(port) => return Ok(port),
                Err(why) => refusal = Some(refusal.unwrap_or(why)),
            }
        }
        Err(refusal.unwrap_or(Refusal::Bad { why: "there is no port left".to_owned() }))
    }

    /// Takes a port for a listener, if it does not have it.
    fn take(&mut self, door: &Door, port: u16) -> Result<u16, Refusal> {
        let has = |bound: Option<u16>| bound == Some(port);
        if has(self.fresh.get(door).map(|bound| bound.port)) || has(self.listening.get(door).map(|l| l.port)) {
            return Ok(port);
        }
        let bound = Bound::take(port).map_err(|e| Refusal::PortTaken { port, why: e.to_string() })?;
        self.fresh.insert(door.clone(), bound);
        Ok(port)
    }
}
