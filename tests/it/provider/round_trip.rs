//! Orders, answers and questions are plain data: they survive a trip through bytes, so a room could live elsewhere.

use deployd::contract::{
    Failure, Finding, Found, Freshness, Keep, ListScope, Listing, LogFrom, LogLine, Order, OrderAct, Query,
};
use deployd::graph::{HealthCheck, Probe};
use deployd::model::{Address, Digest, Identity, Kind, Milliseconds, Name, Piece, SecretName, Value, Wall};
use deployd::state::{
    Condition, Exit, Handle, IntentId, Owner, Presence, Present, Receipt, Recorded, RecordedOutput, Seen, Settling,
    Token, Why, WhyCode,
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::sync::Arc;

fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let bytes = serde_json::to_vec(value).unwrap();
    assert_eq!(serde_json::from_slice::<T>(&bytes).unwrap(), *value);
    assert_eq!(
        deployd::model::canonical_json(&serde_json::from_slice::<T>(&bytes).unwrap()),
        deployd::model::canonical_json(value)
    );
}

fn identity() -> Identity {
    Identity::parse("staging/guestbook/users.instance#3").unwrap()
}

fn fields() -> Value {
    let users = Address::parse("staging/guestbook/users").unwrap();
    Value::from([
        (
            "url",
            Value::Expr(vec![
                Piece::Text("postgres://".into()),
                Piece::Secret { name: SecretName("guestbook/users.password".into()), key: None, encode: true },
                Piece::Output { of: users, name: Name::fixed("host"), encode: false },
                Piece::Own("ports.http".into()),
            ]),
        ),
        ("list", Value::List(vec![Value::Null, Value::Flag(true), Value::Whole(-1), Value::from("x")])),
        ("empty", Value::map()),
    ])
}

fn health() -> Option<HealthCheck> {
    Some(HealthCheck {
        probe: Probe::Command(vec!["./check".into()]),
        port: Some(Name::fixed("http")),
        within: Milliseconds::seconds(30),
        every: Milliseconds::seconds(10),
        restart_after: None,
    })
}

#[test]
fn orders_and_queries() {
    let asked = Digest::of("asked");
    let handle = Handle("arn:x".into());
    let acts = [
        OrderAct::Create { fields: fields(), asked, health: health() },
        OrderAct::Update { handle: handle.clone(), from: Value::map(), fields: fields(), asked, health: None },
        OrderAct::Delete { handle: None, keep: Keep::Final },
        OrderAct::Delete { handle: Some(handle.clone()), keep: Keep::Nothing },
        OrderAct::Adopt { handle: handle.clone() },
    ];
    for act in acts {
        survives(&Order {
            intent: IntentId("i".into()),
            token: Token("t".into()),
            identity: identity(),
            kind: Kind::fixed("aws/rds"),
            receipt: Receipt { instance: "me".into(), identity: identity() },
            limit: Milliseconds::seconds(30),
            act,
        });
    }
    survives(&Query {
        identity: identity(),
        kind: Kind::fixed("aws/rds"),
        handle: Some(handle),
        health: health(),
        fields: fields(),
    });
    survives(&ListScope { stack: Some(identity().address.stack_id()) });
    survives(&Freshness::Cached(Milliseconds(5)));
    survives(&LogFrom { tail: 5, follow: true });
}

#[test]
fn answers() {
    let why = Why::new(WhyCode::NotHealthy, "GET /healthz answered 500").way_out("look").details(vec!["a".into()]);
    let receipt = Receipt { instance: "me".into(), identity: identity() };
    let conditions = [
        Condition::Settling(Settling("creating".into())),
        Condition::Ready,
        Condition::Failed(why.clone()),
        Condition::AtRest(why.clone()),
        Condition::Finished(Exit { code: 137, last_lines: vec!["killed".into()] }),
        Condition::Leaving,
    ];
    let owners = [Owner::Ours(receipt.clone()), Owner::Another(receipt.clone()), Owner::Nobody];
    for condition in conditions {
        for owner in owners.clone() {
            let plain = RecordedOutput { digest: Digest::of("v"), value: Recorded::Plain(Value::Whole(5432)) };
            let present = Present {
                handle: Handle("h".into()),
                owner,
                fields: fields(),
                asked: Some(Digest::of("asked")),
                condition: condition.clone(),
                outputs: BTreeMap::from([(Name::fixed("port"), plain)]),
                in_flight: Some(2),
            };
            survives(&Seen { looked: Wall(1), fresh: true, presence: Presence::Present(Arc::new(present)) });
        }
    }
    survives(&Seen { looked: Wall(1), fresh: false, presence: Presence::Absent });
    survives(&Seen { looked: Wall(1), fresh: false, presence: Presence::Unknown(why.clone()) });
    let after = Milliseconds(1);
    for failure in [
        Failure::Retry { after, why: why.clone() },
        Failure::Refused { why: why.clone() },
        Failure::Unreachable { why: why.clone() },
        Failure::Unclear { why: why.clone() },
    ] {
        survives(&failure);
    }
    survives(&Finding { identity: identity(), blocks: true, why });
    let found = Found { receipt, kind: Kind::fixed("aws/rds"), handle: Handle("h".into()) };
    survives(&Listing { found: vec![found], complete: false });
    survives(&LogLine { at: Wall(1), identity: identity(), is_error: true, text: "x".into() });
}
