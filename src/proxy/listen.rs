//! Listeners on loopback: binding them, and what happens to each connection that arrives.

use super::framing::Watched;
use super::http::{Door, Visit};
use super::route::{Listen, Protocol};
use super::traffic::{Seat, Traffic};
use super::tunnel;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The head of a request, its first line included (THREATS T30).
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// What is read ahead for one connection, and written at once.
const BUFFER_BYTES_MAX: usize = 128 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// After a failure to accept (no descriptors left), until the next try.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// A port that is ours, on which nothing is accepted yet.
pub(super) struct Bound {
    pub(super) port: u16,
    sockets: Vec<TcpListener>,
}

/// A port on which connections are accepted.
pub(super) struct Listening {
    pub(super) port: u16,
    closing: CancellationToken,
    accepting: Vec<JoinHandle<()>>,
}

impl Bound {
    /// Takes a port on the loopback addresses: on both, or where IPv6 is switched off on the one that there is.
    pub(super) fn take(port: u16) -> io::Result<Bound> {
        let mut sockets = vec![listener(TcpSocket::new_v4()?, (Ipv4Addr::LOCALHOST, port).into())?];
        match TcpSocket::new_v6().and_then(|socket| listener(socket, (Ipv6Addr::LOCALHOST, port).into())) {
            Ok(socket) => sockets.push(socket),
            Err(e) if has_no_ipv6(&e) => {}
            Err(e) => return Err(e),
        }
        Ok(Bound { port, sockets })
    }

    /// Begins to accept.
    pub(super) fn open(self, traffic: &Arc<Traffic>, door: &Door) -> Listening {
        let closing = traffic.ending.child_token();
        let accept = |socket| {
            let (traffic, door, closing) = (Arc::clone(traffic), door.clone(), closing.clone());
            traffic.tasks.clone().spawn(accept_all(socket, traffic, door, closing))
        };
        let accepting = self.sockets.into_iter().map(accept).collect();
        Listening { port: self.port, closing, accepting }
    }
}

impl Listening {
    /// Gives the port back. Connections that came through it finish what is in flight.
    pub(super) async fn close(self) {
        self.closing.cancel();
        for task in self.accepting {
            // It only ends by being told to; if it panicked, its socket is closed all the same.
            let _ = task.await;
        }
    }
}

fn listener(socket: TcpSocket, address: SocketAddr) -> io::Result<TcpListener> {
    // Without this a port could not be taken again for a minute after the proxy was killed.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn has_no_ipv6(e: &io::Error) -> bool {
    let none = [rustix::io::Errno::AFNOSUPPORT, rustix::io::Errno::ADDRNOTAVAIL].map(rustix::io::Errno::raw_os_error);
    e.raw_os_error().is_some_and(|code| none.contains(&code))
}

async fn accept_all(socket: TcpListener, traffic: Arc<Traffic>, door: Door, closing: CancellationToken) {
    loop {
        let arrived = async {
            let accepted = socket.accept().await;
            // Who finds no seat waits here, and those behind in the system's queue.
            (accepted, traffic.seats.take().await)
        };
        let arrived = tokio::select! {
            biased;
            () = closing.cancelled() => return,
            arrived = arrived => arrived,
        };
        match arrived {
            (Ok((stream, peer)), seat) => {
                let arrival = Arrival { stream, peer: peer.ip(), seat, closing: closing.clone() };
                traffic.tasks.spawn(arrival.serve(Arc::clone(&traffic), door.clone()));
            }
            (Err(_), _) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
}

/// One connection that was accepted.
struct Arrival {
    stream: TcpStream,
    peer: IpAddr,
    seat: Seat,
    closing: CancellationToken,
}

impl Arrival {
    async fn serve(self, traffic: Arc<Traffic>, door: Door) {
        // If it cannot be set, small answers come late, and that is all.
        let _ = self.stream.set_nodelay(true);
        match protocol(&traffic, &door) {
            Protocol::Http => self.http(traffic, door).await,
            Protocol::Tcp => {
                if let Door::Route(id) = &door {
                    tunnel::tcp(&traffic, id, self.stream, self.peer, self.seat).await;
                }
            }
        }
    }

    async fn http(self, traffic: Arc<Traffic>, door: Door) {
        let header_read = traffic.limits().header_read.duration();
        let log = traffic.log.clone();
        let (stream, framing) = Watched::new(self.stream);
        let visit = Arc::new(Visit::new(traffic, door, self.peer, framing, self.seat));
        let service = service_fn(move |request| {
            let visit = Arc::clone(&visit);
            async move { Ok::<_, Infallible>(visit.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header_read)
            .max_header_size(HEAD_BYTES_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = self.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        // Other errors were answered and told, or the client is gone.
        if ended.is_err_and(|e| e.is_parse()) {
            log.begin(self.peer, None).line().note = Some("what was sent is not HTTP/1.1, or its head is too large");
        }
    }
}

fn protocol(traffic: &Traffic, door: &Door) -> Protocol {
    match door {
        Door::Entrypoints => Protocol::Http,
        Door::Route(id) => match traffic.table.load().route(id).map(|active| &active.route.listen) {
            Some(Listen::Port { protocol, .. }) => *protocol,
            Some(Listen::Host { .. }) | None => Protocol::Http,
        },
    }
}
