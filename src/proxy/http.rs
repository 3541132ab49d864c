//! One request: may it come in, where does it go, and what is answered.

use super::access::{Asked, Record};
use super::body::{AnswerBody, RequestBody, UploadState};
use super::forward::{Forwarded, forward};
use super::framing::Found as Framing;
use super::headers::{self, Upgrade};
use super::pages::{self, Page};
use super::table::{Active, Found};
use super::target;
use super::traffic::{Seat, Traffic};
use super::tunnel;
use super::upstream::Work;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version, header};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Through which listener a client came.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Door {
    /// The shared one: the host says which route.
    Entrypoints,
    /// A route's own.
    Route(String),
}

/// One connection of a client.
pub(super) struct Visit {
    pub(super) traffic: Arc<Traffic>,
    pub(super) door: Door,
    pub(super) peer: IpAddr,
    pub(super) framing: Arc<Framing>,
    /// Given back when the connection, or the websocket that it became, is closed.
    pub(super) seat: Arc<Seat>,
    requests: AtomicU64,
}

impl Visit {
    pub(super) fn new(traffic: Arc<Traffic>, door: Door, peer: IpAddr, framing: Arc<Framing>, seat: Seat) -> Visit {
        Visit { traffic, door, peer, framing, seat: Arc::new(seat), requests: AtomicU64::new(0) }
    }

    /// Answers one request. There is always an answer.
    pub(super) async fn answer(self: Arc<Visit>, request: Request<Incoming>) -> Response<AnswerBody> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let (parts, body) = request.into_parts();
        let host = target::host(parts.version, &parts.uri, &parts.headers);
        let asked = Asked { method: parts.method.clone(), host: host.clone().ok().flatten(), uri: parts.uri.clone() };
        let mut record = self.traffic.log.begin(self.peer, Some(asked));
        let admitted = match self.framing.is_bad(number) {
            true => Err(bad("its length or its line ends can be read in two ways")),
            false => host.map_err(bad).and_then(|host| self.admit(host.as_deref(), &parts, &mut record)),
        };
        match admitted {
            Ok(active) => self.pass_on(&active, parts, body, record).await,
            Err(page) => own(&page, record),
        }
    }

    /// Finds the route of a request and judges whether it may come in.
    fn admit(&self, host: Option<&str>, parts: &Parts, record: &mut Record) -> Result<Arc<Active>, Page> {
        check_protocol(parts)?;
        let path = target::path(&parts.method, &parts.uri).map_err(bad)?;
        let active = self.route(host, path)?;
        record.line().route = Some(Arc::clone(&active));
        let trusted = &self.traffic.settings.load().trusted;
        let client = headers::client_address(self.peer, &parts.headers, trusted)
            .map_err(|()| bad("its X-Forwarded-For cannot be read"))?;
        if !active.route.lets_in(client) {
            return Err(Page::new(StatusCode::FORBIDDEN, "deployd: no gate lets this address in\n"));
        }
        let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: u64| length > active.route.body_limit.0) {
            return Err(too_large());
        }
        if !active.has_backends() {
            return Err(nobody());
        }
        Ok(active)
    }

    fn route(&self, host: Option<&str>, path: &str) -> Result<Arc<Active>, Page> {
        let table = self.traffic.table.load();
        match &self.door {
            Door::Entrypoints => match table.entrypoint(host, path).map_err(bad)? {
                Found::Route(active) => Ok(active),
                Found::NoPath => {
                    Err(Page::new(StatusCode::NOT_FOUND, "deployd: no entrypoint of this host has that path\n"))
                }
                Found::NoHost => Err(pages::no_host(host, table.hosts(), self.traffic.http_port())),
            },
            Door::Route(id) => {
                if !host.is_none_or(|host| target::is_of_this_machine(host) || table.has_host(host)) {
                    let text = "deployd: this address is for this machine only; ask for localhost or 127.0.0.1\n";
                    return Err(Page::new(StatusCode::MISDIRECTED_REQUEST, text));
                }
                table.route(id).cloned().ok_or_else(|| nobody().close())
            }
        }
    }

    /// Sends a request to its service and answers with what that answers.
    async fn pass_on(
        &self,
        active: &Active,
        mut parts: Parts,
        body: Incoming,
        mut record: Record,
    ) -> Response<AnswerBody> {
        let upgrade = headers::upgrade_asked(&parts.method, parts.version, &parts.headers);
        let client_side = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
        let settings = self.traffic.settings.load_full();
        let chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
        headers::to_service(&mut parts.headers, self.peer, &settings.trusted, upgrade, chunked);
        let stall = settings.limits.body_read.duration();
        let (body, upload) = RequestBody::new(body, active.route.body_limit.0, stall);
        let forwarded = forward(&self.traffic, &active.route.id, to_send(parts, body), &upload).await;
        record.line().bytes_in = upload.bytes();
        let (answer, sender, flight) = match forwarded {
            Forwarded::Answered { answer, sender, flight } => (*answer, sender, flight),
            failed => return own(&page_of(&failed, &mut record), record),
        };
        let (mut head, body) = answer.into_parts();
        head.version = Version::HTTP_11;
        record.line().status = head.status.as_u16();
        record.line().backend = Some(Arc::clone(flight.upstream()));
        if head.status != StatusCode::SWITCHING_PROTOCOLS {
            headers::to_client(&mut head.headers, Upgrade::None);
            let flight = flight.into_work(Work::Answer);
            return Response::from_parts(head, AnswerBody::service(body, record, (flight, sender), upload));
        }
        let service_side = head.extensions.remove::<hyper::upgrade::OnUpgrade>();
        match (upgrade, client_side, service_side) {
            (Upgrade::Websocket, Some(client_side), Some(service_side))
                if headers::is_upgraded(head.status, &head.headers) =>
            {
                headers::to_client(&mut head.headers, Upgrade::Websocket);
                self.framing.stop_looking();
                let ends = tunnel::Websocket { client_side, service_side, idle: active.route.idle.duration() };
                let tunnel = ends.carry(flight.into_work(Work::Connection), Arc::clone(&self.seat), record);
                self.traffic.tasks.spawn(tunnel);
                Response::from_parts(head, AnswerBody::nothing())
            }
            _ => {
                record.line().note = Some("the service changed the protocol unasked");
                own(&Page::new(StatusCode::BAD_GATEWAY, "deployd: the service changed the protocol unasked\n"), record)
            }
        }
    }
}

/// What no route can change: what we refuse to speak.
fn check_protocol(parts: &Parts) -> Result<(), Page> {
    if parts.method == Method::CONNECT {
        return Err(Page::new(StatusCode::METHOD_NOT_ALLOWED, "deployd: this is no forward proxy\n").close());
    }
    let mut encodings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    let only_chunked = match (encodings.next(), encodings.next()) {
        (None, _) => true,
        (Some(one), None) => one.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    if !only_chunked {
        let text = "deployd: of transfer encodings only chunked is understood\n";
        return Err(Page::new(StatusCode::NOT_IMPLEMENTED, text).close());
    }
    let expects = parts.headers.get_all(header::EXPECT).iter();
    if !expects.into_iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Page::new(StatusCode::EXPECTATION_FAILED, "deployd: only 100-continue can be expected\n"));
    }
    Ok(())
}

/// The request as it is sent on: always as path and query, always HTTP/1.1.
fn to_send(parts: Parts, body: RequestBody) -> Request<RequestBody> {
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.headers_mut() = parts.headers;
    *request.uri_mut() = match parts.uri.authority() {
        None => parts.uri,
        Some(_) => parts.uri.path_and_query().map_or_else(|| hyper::Uri::from_static("/"), |path| path.clone().into()),
    };
    request
}

/// What is answered for a request that no service answered.
fn page_of(forwarded: &Forwarded, record: &mut Record) -> Page {
    let mut by = |flight: &super::upstream::InFlight| record.line().backend = Some(Arc::clone(flight.upstream()));
    match forwarded {
        Forwarded::Answered { .. } => unreachable!("an answer is passed on"),
        Forwarded::Nobody => nobody(),
        Forwarded::Late(flight) => {
            by(flight);
            Page::new(StatusCode::GATEWAY_TIMEOUT, "deployd: the service did not begin to answer in time\n").close()
        }
        Forwarded::Broken(flight) => {
            by(flight);
            Page::new(
                StatusCode::BAD_GATEWAY,
                "deployd: the service closed the connection before it answered, or answered no HTTP\n",
            )
            .close()
        }
        Forwarded::Upload(UploadState::TooLarge) => too_large(),
        Forwarded::Upload(UploadState::Stalled) => {
            Page::new(StatusCode::REQUEST_TIMEOUT, "deployd: the request's body did not arrive in time\n").close()
        }
        Forwarded::Upload(_) => bad("its body is broken"),
    }
}

/// 400, and the connection ends: where the next request begins is anybody's guess.
fn bad(why: &'static str) -> Page {
    Page::new(StatusCode::BAD_REQUEST, format!("deployd: this request is refused: {why}\n")).close()
}

fn nobody() -> Page {
    Page::new(StatusCode::SERVICE_UNAVAILABLE, "deployd: no healthy replica serves this yet\n").retry_after(1)
}

fn too_large() -> Page {
    Page::new(StatusCode::PAYLOAD_TOO_LARGE, "deployd: the request's body is too large\n").close()
}

fn own(page: &Page, mut record: Record) -> Response<AnswerBody> {
    record.line().status = page.status.as_u16();
    page.head().map(|()| AnswerBody::own(page.text.clone(), record))
}
