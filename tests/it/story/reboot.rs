//! The machine is started anew: nothing runs any more, neither the server, nor keepers, proxy and PostgreSQL. The next
//! command brings everything back as it was, with its data and under its URL.

use super::guestbook::Visitor;
use super::home::{Home, kill, url};

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_back_after_a_reboot() {
    let home = Home::new().with_wheels();
    let up = home.ends(&["up", "examples/guestbook", "--detach"], 0).await;
    let before = url(&(up.out + &up.err));
    Visitor::new(&before).writes("before the power went").await;
    // As when the power goes: all at once, and nobody is asked. What is started by one that still runs falls, too.
    home.until("nothing runs", || {
        let running = home.processes();
        running.iter().for_each(|process| kill(process.pid));
        running.is_empty() && is_free(&home)
    })
    .await;

    // It is not even asked for: a server that starts puts right what is not as it was left.
    let mut server = home.start(&["serve", "--state", home.state().to_str().unwrap()]);
    server.says("serving at").await;
    let up = home.ends(&["up", "examples/guestbook", "--detach"], 0).await;
    assert_eq!(url(&(up.out + &up.err)), before);
    assert_eq!(Visitor::new(&before).reads().await, ["before the power went"]);
    assert_eq!(home.running("bin/postgres -D").len(), 1);
    assert_eq!(home.running("app.py").len(), 2);
    home.ends(&["down", "guestbook", "--delete", "users"], 0).await;
    drop(server);
    home.is_empty().await;
}

/// Whether nobody holds the state's lock: who was killed may still be about to let it go.
fn is_free(home: &Home) -> bool {
    let lock = std::fs::File::open(home.state().join("store.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}
