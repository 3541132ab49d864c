//! The one who changes things: routes, settings, listeners. One at a time; durable first, then in charge, then answered.

use super::access::Rotation;
use super::home::Home;
use super::http::Door;
use super::kept::{HttpPort, Kept};
use super::listen::{Bound, Listening};
use super::ports::{Ports, door};
use super::route::{Put, Route, Settings, Standing};
use super::traffic::Traffic;
use super::upstream::Upstream;
use super::wire::{Answer, Question, Refusal};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Changes that are made durable together, if they arrive together.
const BATCH_MAX: usize = 64;
/// How often a port that is lost is tried again, and idle connections are looked through.
const TICK: Duration = Duration::from_secs(1);

/// A proxy that was killed a moment ago lets go of its lock before its last port: so long it is waited for.
const PORTS_WITHIN: Duration = Duration::from_millis(500);
const PORTS_AGAIN: Duration = Duration::from_millis(10);

/// A question that changes something, or asks about what may be changing.
pub(super) struct Order {
    pub(super) question: Question,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// Holds what is kept, and the listeners.
pub(super) struct Control {
    home: Home,
    kept: Kept,
    listening: BTreeMap<Door, Listening>,
    /// Why a listener is not there.
    lost: BTreeMap<Door, String>,
    traffic: Arc<Traffic>,
}

impl Control {
    /// Puts what is kept in charge and opens its listeners.
    pub(super) async fn start(home: Home, kept: Kept, traffic: Arc<Traffic>) -> Control {
        let mut control = Control { home, kept, listening: BTreeMap::new(), lost: BTreeMap::new(), traffic };
        control.swap_table();
        let deadline = tokio::time::Instant::now() + PORTS_WITHIN;
        control.open_what_is_missing();
        while !control.lost.is_empty() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(PORTS_AGAIN).await;
            control.open_what_is_missing();
        }
        control
    }

    /// Takes orders until nobody can give any.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.traffic.ending.cancelled() => return,
                count = orders.recv_many(&mut batch, BATCH_MAX) => {
                    if count == 0 {
                        return;
                    }
                    self.carry_out(std::mem::take(&mut batch)).await;
                }
                _ = tick.tick() => {
                    self.open_what_is_missing();
                    self.traffic.table.load().upstreams().for_each(|upstream| upstream.sweep());
                }
            }
        }
    }

    /// Changes all that can be changed, writes it down once, puts it in charge, and answers.
    async fn carry_out(&mut self, batch: Vec<Order>) {
        let mut draft = self.kept.clone();
        let mut ports = Ports { listening: &self.listening, fresh: BTreeMap::new() };
        let mut answers = Vec::with_capacity(batch.len());
        for order in batch {
            let answer = match order.question {
                Question::Put(route) => put(&mut draft, &self.kept, &mut ports, route),
                Question::Remove(id) => Ok(Answer::Changed(draft.routes.remove(&id).is_some())),
                Question::Configure(settings) => configure(&mut draft, &self.kept, &mut ports, settings),
                Question::ClaimHttp => claim_http(&mut draft, &self.kept, &mut ports),
                Question::List => Ok(Answer::Routes(Vec::new())),
                other => Err(Refusal::Bad { why: format!("{other:?} is no change") }),
            };
            answers.push((order.answer, answer.unwrap_or_else(Answer::Refused)));
        }
        let fresh = ports.fresh;
        let kept = if draft == self.kept { Ok(()) } else { self.keep(draft).await };
        match &kept {
            Ok(()) => self.take_effect(fresh).await,
            Err(_) => drop(fresh),
        }
        for (reply, answer) in answers {
            let answer = match (answer, &kept) {
                (Answer::Routes(_), _) => Answer::Routes(self.list()),
                (Answer::Put(Put { changed: true, .. }) | Answer::Changed(true) | Answer::HttpPort(_), Err(why)) => {
                    Answer::Refused(Refusal::NotKept { why: why.clone() })
                }
                (answer, _) => answer,
            };
            // Who asked may have left; what was done stays done.
            let _ = reply.send(answer);
        }
    }

    /// Makes a change durable.
    async fn keep(&mut self, draft: Kept) -> Result<(), String> {
        let home = self.home.clone();
        let saved = tokio::task::spawn_blocking(move || draft.save(&home).map(|()| draft)).await;
        self.kept = saved.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        Ok(())
    }

    /// Puts what is kept in charge: settings, table, listeners.
    async fn take_effect(&mut self, fresh: BTreeMap<Door, Bound>) {
        let settings = &self.kept.settings;
        self.traffic.seats.let_be(u64::from(settings.limits.connections));
        self.traffic.log.rotate_by(Rotation { bytes: settings.log_bytes.0, files: settings.log_files });
        self.traffic.settings.store(Arc::new(settings.clone()));
        self.swap_table();
        let mut wanted = self.wanted();
        // It is listened on from when it is given, also before the first way in is there.
        if fresh.contains_key(&Door::Entrypoints) {
            wanted.extend(self.kept.http.map(|http| (Door::Entrypoints, http.given)));
        }
        for (door, bound) in fresh {
            if wanted.get(&door) == Some(&bound.port) {
                self.lost.remove(&door);
                let opened = bound.open(&self.traffic, &door);
                if let Some(replaced) = self.listening.insert(door, opened) {
                    replaced.close().await;
                }
            }
        }
        self.lost.retain(|door, _| wanted.contains_key(door));
        let unwanted: Vec<Door> = self.listening.keys().filter(|door| !wanted.contains_key(door)).cloned().collect();
        for door in unwanted {
            if let Some(listening) = self.listening.remove(&door) {
                listening.close().await;
            }
        }
        self.tell_http_port();
    }

    fn swap_table(&self) {
        let new = |backend: &super::route::Backend| {
            Upstream::new(backend.clone(), Arc::clone(&self.traffic.changed), self.traffic.tasks.clone())
        };
        let next = self.traffic.table.load().next(&self.kept.routes, new);
        self.traffic.swap(next);
    }

    /// The listeners that there should be. The shared one stays once it is there: its pages help who lost his way.
    fn wanted(&self) -> BTreeMap<Door, u16> {
        let own = self.kept.own_ports().map(|(id, port)| (Door::Route(id.to_owned()), port));
        let shared = self.kept.has_entrypoints() || self.listening.contains_key(&Door::Entrypoints);
        let shared = self.kept.http.filter(|_| shared).map(|http| (Door::Entrypoints, http.given));
        own.chain(shared).collect()
    }

    /// Opens listeners whose port another program had. Their addresses were given away: no other port will do.
    fn open_what_is_missing(&mut self) {
        for (door, port) in self.wanted() {
            if self.listening.contains_key(&door) {
                continue;
            }
            match Bound::take(port) {
                Ok(bound) => {
                    self.lost.remove(&door);
                    let opened = bound.open(&self.traffic, &door);
                    self.listening.insert(door, opened);
                }
                Err(e) => {
                    self.lost.insert(door, format!("port {port} cannot be listened on: {e}"));
                }
            }
        }
        self.tell_http_port();
    }

    fn tell_http_port(&self) {
        let port = self.listening.get(&Door::Entrypoints).map_or(0, |listening| listening.port);
        self.traffic.http_port.store(port, Ordering::Release);
    }

    fn list(&self) -> Vec<Standing> {
        let standing = |route: &Route| {
            let port = self.kept.port_of(route)?;
            let not_listening = self.lost.get(&door(route)).cloned();
            Some(Standing { route: route.clone(), address: on_loopback(port), not_listening })
        };
        self.kept.routes.values().filter_map(standing).collect()
    }
}

fn put(draft: &mut Kept, before: &Kept, ports: &mut Ports<'_>, route: Route) -> Result<Answer, Refusal> {
    route.check().map_err(|why| Refusal::Bad { why: format!("{}: {why}", route.id) })?;
    if let Some(other) = draft.in_the_way(&route) {
        return Err(Refusal::Taken { by: other.id.clone() });
    }
    let ours =
        |port| draft.own_ports().any(|(_, own)| own == port) || draft.http.is_some_and(|http| http.given == port);
    if let Some(own) = route.backends.iter().find(|b| b.address.ip().is_loopback() && ours(b.address.port())) {
        return Err(Refusal::Bad { why: format!("{} is an address of this proxy itself", own.address) });
    }
    let port = ports.give(draft, before, &route)?;
    let changed = draft.routes.get(&route.id) != Some(&route);
    if changed {
        draft.put(route, port);
    }
    Ok(Answer::Put(Put { address: on_loopback(port), changed }))
}

fn claim_http(draft: &mut Kept, before: &Kept, ports: &mut Ports<'_>) -> Result<Answer, Refusal> {
    let given = ports.give_http(draft, before)?;
    draft.http = Some(HttpPort { preferred: draft.settings.http_port, given });
    Ok(Answer::HttpPort(given))
}

fn configure(draft: &mut Kept, before: &Kept, ports: &mut Ports<'_>, settings: Settings) -> Result<Answer, Refusal> {
    if settings.http_port == 0 {
        return Err(Refusal::Bad { why: "port 0 cannot be listened on".to_owned() });
    }
    let changed = draft.settings != settings;
    let moves = draft.settings.http_port != settings.http_port && draft.http.is_some();
    draft.settings = settings;
    if moves {
        let preferred = draft.settings.http_port;
        match ports.give_http(draft, before) {
            Ok(given) => draft.http = Some(HttpPort { preferred, given }),
            Err(refusal) => {
                draft.settings = before.settings.clone();
                return Err(refusal);
            }
        }
    }
    Ok(Answer::Changed(changed))
}

fn on_loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
