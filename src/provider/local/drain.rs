//! What a replica still serves once no route names it, and for how long that is waited for. Pure.
//!
//! Nothing new comes to it any more. What it has begun gets as long as it has to stop (`stop:`): a websocket, a stream of
//! events or a pool of connections has no end of its own, and one client that holds on to it must not hold up a
//! deployment. A request that is not answered yet is waited for longer. What is left then hears the signal to end from
//! its process, which has `stop:` once more to take leave.

use super::thing::Thing;
use super::write;
use crate::model::Milliseconds;
use crate::proxy::{BackendStats, Stats};

/// How long a request without an answer is waited for: as long as load balancers do (AWS: a deregistration delay of
/// 300 s). Far above the time in which an answer has to begin; what takes longer is an upload.
const UNANSWERED_MAX: Milliseconds = Milliseconds::seconds(300);

/// How much a replica still serves that is waited for; nothing for what serves nobody through the proxy.
pub(super) fn in_flight(thing: &Thing, stats: Option<&Stats>) -> Option<u32> {
    if thing.kind.as_str() != "local/process" || thing.ports.is_empty() {
        return None;
    }
    // A proxy that does not answer counts nothing: nobody is drained by that.
    let Some(stats) = stats else { return Some(1) };
    let stop = write::stop(&thing.fields).unwrap_or(write::STOP_DEFAULT);
    Some(stats.backends.get(&thing.receipt.identity.to_string()).map_or(0, |backend| waited_for(backend, stop)))
}

fn waited_for(backend: &BackendStats, stop: Milliseconds) -> u32 {
    let unanswered = backend.requests.saturating_sub(backend.answers);
    let begun = backend.answers + backend.connections;
    let count = match backend.let_go_for {
        Some(span) => {
            let within = |count: u64, limit: Milliseconds| if span < limit { count } else { 0 };
            within(unanswered, UNANSWERED_MAX.max(stop)) + within(begun, stop)
        }
        // Whatever a route names may be asked at any moment.
        None => (unanswered + begun).max(u64::from(!backend.routes.is_empty())),
    };
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_begun_gets_its_time_to_stop_and_what_is_unanswered_gets_more() {
        let stop = Milliseconds::seconds(30);
        let count = |let_go_for, (requests, answers, connections)| {
            let routes = if let_go_for == 0 { ["web".to_owned()].into() } else { Default::default() };
            let let_go_for = (let_go_for != 0).then(|| Milliseconds::seconds(let_go_for));
            let backend =
                BackendStats { routes, requests, answers, connections, let_go_for, ..BackendStats::default() };
            waited_for(&backend, stop)
        };
        assert_eq!(count(0, (0, 0, 0)), 1, "what a route names is in use");
        assert_eq!(count(0, (2, 1, 3)), 5);
        assert_eq!(count(1, (0, 0, 0)), 0);
        assert_eq!(count(29, (2, 1, 3)), 5);
        assert_eq!(count(30, (2, 1, 3)), 1, "only the request that was not answered yet");
        assert_eq!(count(299, (2, 2, 3)), 0);
        assert_eq!(count(299, (2, 0, 3)), 2);
        assert_eq!(count(300, (2, 0, 3)), 0, "everything has a limit");
    }
}
