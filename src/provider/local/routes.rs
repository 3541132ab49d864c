//! `local/address`, `local/route`, `local/entrypoint`: what the proxy keeps.
//!
//! An address is one route of the proxy for each of its ports, without backends; a `local/route` says who stands behind
//! them, for the entrypoints that forward to them too. The proxy knows a route by the address's or entrypoint's
//! identity, and a backend by its replica's.

use super::room::{Room, proxy_failed, ready, unreadable, unwritable};
use super::thing::{self, Thing};
use super::write;
use crate::contract::{Failure, Finding, Order, OrderAct, Outcome};
use crate::model::{Digest, Kind, Milliseconds, Value};
use crate::proxy::{self, Backend, Client, Listen, Protocol, Route, Standing};
use crate::state::{Why, WhyCode};
use std::collections::BTreeMap;
use std::net::SocketAddr;

impl Room {
    /// Makes or changes an address: each port once and for good.
    pub(super) async fn put_address(&self, order: &Order, fields: &Value, asked: Digest) -> Result<Outcome, Failure> {
        let (name, folder) = self.place(order);
        let mut thing = self.begin(&folder, order, fields, asked, None)?;
        (thing.fields, thing.asked) = (thing::without_expressions(fields), asked);
        thing.keep(&folder).map_err(|error| unwritable(&folder, &error))?;
        let proxy = self.proxy().await?;
        let standing = list(&proxy).await?;
        let mut addresses = BTreeMap::new();
        for (port, protocol) in write::ports(fields) {
            let id = port_id(&thing, &port);
            // Who stands behind it is not the address's business.
            let backends = standing.get(&id).map(|standing| standing.route.backends.clone()).unwrap_or_default();
            let listen = Listen::stable(protocol_of(&protocol));
            let put = put(&proxy, Route::to(&id, &thing.receipt.instance, asked, listen, backends)).await?;
            addresses.insert(port, (put, protocol));
        }
        for (id, _) in standing.iter().filter(|(id, _)| is_port_of(&thing, id)) {
            if !addresses.keys().any(|port| port_id(&thing, port) == *id) {
                proxy.remove(id).await.map_err(|failure| proxy_failed(&failure))?;
            }
        }
        Ok(ready(name, address_outputs(&addresses, write::first_port(fields).as_deref())))
    }

    /// Says who stands behind an address, and behind the entrypoints that forward to it.
    pub(super) async fn put_route(&self, order: &Order, fields: &Value, asked: Digest) -> Result<Outcome, Failure> {
        let (name, folder) = self.place(order);
        let mut thing = self.begin(&folder, order, fields, asked, None)?;
        (thing.fields, thing.asked) = (thing::without_expressions(fields), asked);
        thing.keep(&folder).map_err(|error| unwritable(&folder, &error))?;
        let replicas = self.replicas_by_address()?;
        let proxy = self.proxy().await?;
        let standing = list(&proxy).await?;
        for (port, address) in fields.get("address").into_iter().flat_map(Value::entries) {
            let address = socket(address)?;
            let to = fields.get("to").and_then(|to| to.get(port)).map(Value::items).unwrap_or_default();
            let backends = to.iter().map(|to| backend(to, &replicas)).collect::<Result<Vec<_>, Failure>>()?;
            self.point(&proxy, &standing, address, &backends).await?;
        }
        Ok(ready(name, Vec::new()))
    }

    /// Makes or changes a way in.
    pub(super) async fn put_entrypoint(
        &self,
        order: &Order,
        fields: &Value,
        asked: Digest,
    ) -> Result<Outcome, Failure> {
        let (name, folder) = self.place(order);
        let mut thing = self.begin(&folder, order, fields, asked, None)?;
        (thing.fields, thing.asked) = (thing::without_expressions(fields), asked);
        thing.keep(&folder).map_err(|error| unwritable(&folder, &error))?;
        let proxy = self.proxy().await?;
        let standing = list(&proxy).await?;
        let service = socket(fields.get("service").unwrap_or(&Value::Null))?;
        let behind = standing.values().find(|standing| standing.address == service && is_port(standing));
        let backends = behind.map(|standing| standing.route.backends.clone()).unwrap_or_default();
        let text = |key| fields.get(key).and_then(Value::as_text);
        let listen = listen_of(fields).ok_or_else(|| refused("an entrypoint needs a host".to_owned()))?;
        let said = fields.get("gates").map(Value::items);
        let gates = said.unwrap_or_default().iter();
        let gates = gates.map(|gate| gate.as_text().and_then(|gate| gate.parse().ok()));
        let mut route =
            Route::to(&order.identity.to_string(), &thing.receipt.instance, asked, listen.clone(), backends);
        route.gates =
            gates.collect::<Option<_>>().ok_or_else(|| refused("a gate is not a range of addresses".into()))?;
        // No gates are an open way in; gates that let nobody in are a closed one.
        route.closed = said.is_some_and(<[Value]>::is_empty);
        if let Some(timeout) = text("timeout") {
            route.timeout = timeout.parse().map_err(|_| refused(format!("timeout: {timeout} is not understood")))?;
        }
        let address = put(&proxy, route).await?;
        Ok(ready(name, entrypoint_outputs(&listen, address)))
    }

    /// Which ways in cannot be opened, since another one has their host and path: all worlds of this machine have one
    /// proxy. Nothing is started for that; without a proxy nothing is taken.
    pub(super) async fn hosts_taken(&self, orders: &[Order]) -> Vec<Finding> {
        let wanted: Vec<(&Order, Listen)> = orders
            .iter()
            .filter(|order| order.kind.as_str() == "local/entrypoint")
            .filter_map(|order| match &order.act {
                OrderAct::Create { fields, .. } => Some((order, listen_of(fields)?)),
                _ => None,
            })
            .collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let Ok(proxy) = proxy::connect(&self.settings.state).await else { return Vec::new() };
        let Ok(standing) = list(&proxy).await else { return Vec::new() };
        let taken = wanted.into_iter().filter_map(|(order, listen)| {
            let own = order.identity.address.to_string();
            let other = standing.values().map(|standing| &standing.route).find(|route| {
                matches!(listen, Listen::Host { .. })
                    && route.listen == listen
                    && route.id.split('#').next() != Some(own.as_str())
            })?;
            Some(Finding { identity: order.identity.clone(), blocks: true, why: taken_by(&listen, &other.id) })
        });
        taken.collect()
    }

    /// Takes the routes of an address or an entrypoint away, or empties what a route stood behind.
    pub(super) async fn remove_routes(&self, thing: &Thing) -> Result<(), Failure> {
        let proxy = self.proxy().await?;
        let standing = list(&proxy).await?;
        if thing.kind.as_str() == "local/route" {
            for (_, address) in thing.fields.get("address").into_iter().flat_map(Value::entries) {
                self.point(&proxy, &standing, socket(address)?, &[]).await?;
            }
            return Ok(());
        }
        for id in standing.keys().filter(|id| is_port_of(thing, id) || **id == thing.receipt.identity.to_string()) {
            proxy.remove(id).await.map_err(|failure| proxy_failed(&failure))?;
        }
        Ok(())
    }

    /// Puts these backends behind the route that has this address, and behind every entrypoint that forwards to it.
    async fn point(
        &self,
        proxy: &Client,
        standing: &BTreeMap<String, Standing>,
        address: SocketAddr,
        backends: &[Backend],
    ) -> Result<(), Failure> {
        let entrypoints = thing::of_kind(&self.places, &Kind::fixed("local/entrypoint"))
            .map_err(|error| unreadable(&self.places.things(), &error))?
            .things;
        let forwarding = entrypoints.into_iter().filter(|(_, thing)| {
            let to = thing.fields.get("service").and_then(Value::as_text);
            thing.gone.is_none() && to.is_some_and(|to| to == address.to_string())
        });
        let mut ids: Vec<String> = forwarding.map(|(_, thing)| thing.receipt.identity.to_string()).collect();
        ids.extend(standing.values().filter(|s| s.address == address && is_port(s)).map(|s| s.route.id.clone()));
        for id in ids {
            let Some(standing) = standing.get(&id) else { continue };
            if standing.route.backends != backends {
                put(proxy, Route { backends: backends.to_vec(), ..standing.route.clone() }).await?;
            }
        }
        Ok(())
    }

    /// Every replica by each of its addresses.
    fn replicas_by_address(&self) -> Result<BTreeMap<String, String>, Failure> {
        let things = thing::of_kind(&self.places, &Kind::fixed("local/process"))
            .map_err(|error| unreadable(&self.places.things(), &error))?
            .things;
        let living = things.into_iter().filter(|(_, thing)| thing.gone.is_none());
        let addresses = living.flat_map(|(_, thing)| {
            let identity = thing.receipt.identity.to_string();
            thing.ports.into_values().map(move |port| (format!("127.0.0.1:{port}"), identity.clone()))
        });
        Ok(addresses.collect())
    }
}

/// Where a way in with these fields listens; nothing where it has no host and needs one.
fn listen_of(fields: &Value) -> Option<Listen> {
    let text = |key| fields.get(key).and_then(Value::as_text);
    match (text("protocol"), text("host")) {
        (Some("tcp" | "grpc"), _) => Some(Listen::stable(Protocol::Tcp)),
        (_, Some(host)) => Some(Listen::Host { host: host.to_owned(), path: text("path").unwrap_or("/").to_owned() }),
        (_, None) => None,
    }
}

/// Why a host cannot be had, and what to do: `by` is the identity of the way in that has it.
fn taken_by(listen: &Listen, by: &str) -> Why {
    let (host, path) = match listen {
        Listen::Host { host, path } => (host.as_str(), path.trim_end_matches('/')),
        Listen::Port { .. } => ("", ""),
    };
    let of = by.split('#').next().unwrap_or(by);
    let text = format!("{host}{path} leads to {of}, and all worlds of this machine have one proxy");
    Why::new(WhyCode::Missing, text).way_out("write another `host` for it, or give its world a `domain` of its own")
}

/// Every route of the proxy by its id.
pub(super) async fn list(proxy: &Client) -> Result<BTreeMap<String, Standing>, Failure> {
    let routes = proxy.list().await.map_err(|failure| proxy_failed(&failure))?;
    Ok(routes.into_iter().map(|standing| (standing.route.id.clone(), standing)).collect())
}

async fn put(proxy: &Client, route: Route) -> Result<SocketAddr, Failure> {
    route.check().map_err(|wrong| refused(wrong.to_string()))?;
    Ok(proxy.put(&route).await.map_err(|failure| proxy_failed(&failure))?.address)
}

/// One port of an address is one route of the proxy.
pub(super) fn port_id(thing: &Thing, port: &str) -> String {
    format!("{}:{port}", thing.receipt.identity)
}

fn is_port_of(thing: &Thing, id: &str) -> bool {
    id.strip_prefix(&thing.receipt.identity.to_string()).is_some_and(|rest| rest.starts_with(':'))
}

fn is_port(standing: &Standing) -> bool {
    matches!(standing.route.listen, Listen::Port { .. }) && standing.route.id.contains(':')
}

fn protocol_of(protocol: &str) -> Protocol {
    // HTTP/2 is not spoken by the proxy: gRPC is carried as it is.
    if protocol == "http" { Protocol::Http } else { Protocol::Tcp }
}

pub(super) fn address_outputs(
    addresses: &BTreeMap<String, (SocketAddr, String)>,
    first: Option<&str>,
) -> Vec<(String, Value)> {
    let mut outputs = Vec::new();
    for (port, (address, protocol)) in addresses {
        let scheme = if protocol == "http" { "http" } else { "tcp" };
        let answers = [
            ("host", Value::Text(address.ip().to_string())),
            ("port", Value::Whole(i64::from(address.port()))),
            ("address", Value::Text(address.to_string())),
            ("url", Value::Text(format!("{scheme}://{address}"))),
        ];
        for (name, value) in answers {
            if first == Some(port) {
                outputs.push((name.to_owned(), value.clone()));
            }
            outputs.push((format!("{name}-{port}"), value));
        }
    }
    outputs
}

pub(super) fn entrypoint_outputs(listen: &Listen, address: SocketAddr) -> Vec<(String, Value)> {
    let (host, url) = match listen {
        Listen::Host { host, path } => {
            let path = if path == "/" { "" } else { path.as_str() };
            (host.clone(), format!("http://{host}:{}{path}", address.port()))
        }
        Listen::Port { .. } => (address.ip().to_string(), format!("tcp://{address}")),
    };
    vec![
        ("url".to_owned(), Value::Text(url)),
        ("host".to_owned(), Value::Text(host)),
        ("port".to_owned(), Value::Whole(i64::from(address.port()))),
    ]
}

fn backend(address: &Value, replicas: &BTreeMap<String, String>) -> Result<Backend, Failure> {
    let text = address.as_text().unwrap_or_default();
    let id = replicas.get(text).ok_or_else(|| Failure::Retry {
        after: Milliseconds(500),
        why: Why::new(WhyCode::Missing, format!("no replica has the address {text}")),
    })?;
    Ok(Backend { id: id.clone(), address: socket(address)? })
}

fn socket(value: &Value) -> Result<SocketAddr, Failure> {
    let text = value.as_text().unwrap_or_default();
    text.parse().map_err(|_| refused(format!("{text:?} is not an address with a port")))
}

fn refused(text: String) -> Failure {
    Failure::Refused { why: Why::new(WhyCode::Refused, text) }
}
