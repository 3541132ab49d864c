//! A row for the tests of this module.

use crate::graph::{Data, Need};
use crate::model::{Address, Digest, Kind, Name, StackId, Value, Wall};
use crate::state::{
    DeploymentId, Handle, Intent, IntentAct, IntentId, Move, Owned, Phase, Principal, Recorded, RecordedOutput, Token,
    Trouble, Why, WhyCode,
};
use std::collections::{BTreeMap, BTreeSet};

/// A database whose create is on its way, for the second time, after trouble.
pub fn intended() -> Owned {
    let address = Address::parse("laptop/guestbook/users.instance").unwrap();
    let digest = Digest::of("x");
    let output = RecordedOutput { digest, value: Recorded::Plain(Value::from("127.0.0.1:5432")) };
    let intent = Intent {
        id: IntentId("abc".to_owned()),
        act: IntentAct::Create,
        step: digest,
        token: Token("abc".to_owned()),
        epoch: 3,
        deployment: DeploymentId { stack: StackId::new(Name::fixed("laptop"), Name::fixed("guestbook")), number: 7 },
        principal: Principal("cli:alice".to_owned()),
        written: Wall(1),
    };
    let why = Why::new(WhyCode::NotHealthy, "it answered 500");
    Owned {
        identity: address.incarnation(2),
        kind: Kind::fixed("local/postgres"),
        handle: Some(Handle("/srv/users".to_owned())),
        needs: BTreeSet::from([Need::Ready(address.whole())]),
        fields: Value::from([("port", Value::Whole(5432))]),
        once_for: Some(digest),
        pins: BTreeMap::new(),
        shape: digest,
        asked: digest,
        outputs: BTreeMap::from([(Name::fixed("address"), output)]),
        protection: Data::HoldsData,
        phase: Phase::Intended(intent),
        trouble: Some(Trouble { what_next: Move::Retry, why, not_before: Wall(5), step: digest }),
        tries: 2,
        ready_since: Some(Wall(4)),
    }
}
