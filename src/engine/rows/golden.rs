//! Golden digests of every row: an upgrade that changes one of these changes what is written, and has to read what was
//! written before. It is a line in the CHANGELOG, a new format with its reader, or a bug.

use super::*;
use crate::graph::{Data, Need};
use crate::model::{Address, Digest, Identity, Kind, Name, StackId, Value, Wall};
use crate::state::{
    Consent, ConsentAct, Deployment, DeploymentId, DeploymentState, Export, From, Handle, Intent, IntentAct, IntentId,
    Mode, Move, Owned, Phase, Principal, Recorded, RecordedOutput, Release, Revision, SourceId, Stack, StackCondition,
    Token, Trouble, Why, WhyCode, Wish,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

fn stack_id() -> StackId {
    StackId::new(Name::fixed("laptop"), Name::fixed("guestbook"))
}

fn address() -> Address {
    Address::parse("laptop/guestbook/users.instance").unwrap()
}

fn digest() -> Digest {
    Digest::of("x")
}

fn why() -> Why {
    Why::new(WhyCode::NotHealthy, "GET /healthz answered 500").way_out("deployd logs guestbook")
}

fn principal() -> Principal {
    Principal("cli:alice".to_owned())
}

fn output() -> RecordedOutput {
    RecordedOutput { digest: digest(), value: Recorded::Plain(Value::from("127.0.0.1:5432")) }
}

fn intent() -> Intent {
    Intent {
        id: IntentId("abc".to_owned()),
        act: IntentAct::Create,
        step: digest(),
        token: Token("abc".to_owned()),
        epoch: 3,
        deployment: DeploymentId { stack: stack_id(), number: 7 },
        principal: principal(),
        written: Wall(1_700_000_000_000),
    }
}

pub(in crate::engine) fn owned() -> Owned {
    Owned {
        identity: address().incarnation(2),
        kind: Kind::fixed("local/postgres"),
        handle: Some(Handle("/srv/users".to_owned())),
        needs: BTreeSet::from([Need::Ready(address().whole())]),
        fields: Value::from([("port", Value::Whole(5432)), ("url", Value::output(address(), Name::fixed("url")))]),
        once_for: Some(digest()),
        pins: BTreeMap::from([(address(), 1)]),
        shape: digest(),
        asked: digest(),
        outputs: BTreeMap::from([(Name::fixed("address"), output())]),
        protection: Data::HoldsData,
        phase: Phase::Intended(intent()),
        trouble: Some(Trouble { what_next: Move::Retry, why: why(), not_before: Wall(5), step: digest() }),
        tries: 2,
        ready_since: Some(Wall(4)),
    }
}

fn stack() -> Stack {
    let wish = Wish::Run { source: SourceId("folder:/srv/guestbook".to_owned()) };
    Stack {
        target: Some(digest()),
        good: Some(digest()),
        quarantine: BTreeMap::from([(digest(), why())]),
        conditions: BTreeMap::from([(StackCondition::Quarantined, why())]),
        ..Stack::new(stack_id(), wish, From::File, principal(), Wall(9))
    }
}

fn deployment() -> DeploymentRow {
    let deployment = Deployment {
        id: DeploymentId { stack: stack_id(), number: 7 },
        source: Some(SourceId("folder:/srv/guestbook".to_owned())),
        revision: Some(digest()),
        release: Some(digest()),
        mode: Mode::Evaluated,
        state: DeploymentState::Running,
        plan: Some(digest()),
        seal: Some(digest()),
        approved: Some((digest(), principal())),
        principal: principal(),
        because: "app.py changed".to_owned(),
        accepted: Wall(1),
        ended: Some(Wall(2)),
        why: Some(why()),
    };
    DeploymentRow {
        deployment,
        aim: Aim::Revision(digest()),
        generation: 2,
        plan: Some(digest()),
        shown: Some((digest(), digest())),
        cancel: Some(principal()),
    }
}

fn consent() -> Consent {
    Consent {
        identity: address().incarnation(2),
        act: ConsentAct::Delete,
        step: digest(),
        plan: digest(),
        principal: principal(),
        expires: Wall(10),
        used: Some(DeploymentId { stack: stack_id(), number: 7 }),
    }
}

fn release() -> Release {
    let secrets = BTreeMap::from([(
        crate::model::SecretName("API_KEY".to_owned()),
        crate::model::SecretVersion("v1".to_owned()),
    )]);
    Release { revision: digest(), graph: digest(), secrets }
}

/// Encodes a row, reads it back, and gives the digest of its bytes.
fn written<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, row: &T) -> String {
    let encoded = encode(row);
    let Ok(Opened::Here(read)) = open::<T>(&encoded.bytes) else { panic!("{name} does not read back") };
    assert_eq!(encode(&read).bytes, encoded.bytes, "{name} reads back as something else");
    format!("{name} {}", Digest::of(&encoded.bytes).short())
}

#[test]
fn rows_are_written_as_they_always_were() {
    let export =
        Export { outputs: BTreeMap::from([(Name::fixed("url"), output())]), ready: true, users: [stack_id()].into() };
    let source = SourceRow {
        source: SourceId("folder:/srv".to_owned()),
        from: From::File,
        principal: principal(),
        services: [Name::fixed("guestbook")].into(),
    };
    let revision = Revision { content: Some(digest()), manifest: digest(), pin: Some("3f9c2a1".to_owned()) };
    let digests = [
        written("stack", &stack()),
        written("deployment", &deployment()),
        written("consent", &consent()),
        written("export", &(address().whole(), export)),
        written("life", &LifeRow { address: address(), life: 2 }),
        written("release", &ReleaseRow { release: release(), nth: 2, made: Wall(3), good: Some(Wall(4)) }),
        written("revision", &revision),
        written("head", &Head { revision: digest(), release: Some(digest()), held: Some(digest()) }),
        written("plan", &PlanRow { blob: digest(), made: Wall(3) }),
        written("resource", &ResourceSpec { slug: Name::fixed("postgres"), with: Value::map() }),
        written("source", &source),
        written("once", &OnceRow { asked: digest(), answer: Vec::new(), names: Vec::new(), at: Wall(1) }),
        written("owned", &OwnedRow { owned: owned(), fields: None }),
    ];
    assert_eq!(digests.join("\n"), GOLDEN.trim());
}

#[test]
fn large_fields_lie_beside_their_row() {
    let large = Owned { fields: Value::from([("script", Value::from("x".repeat(3000)))]), ..owned() };
    let encoded = encode_owned(&large);
    let Ok(Opened::Here(OwnedRow { owned: without, fields: Some(blob) })) = open::<OwnedRow>(&encoded.bytes) else {
        panic!("its fields are not beside it")
    };
    assert_eq!(without.fields, Value::Null);
    let bytes = encoded.blobs.iter().find(|bytes| Digest::of(bytes) == blob).expect("the blob is to be kept");
    assert_eq!(serde_json::from_slice::<Value>(bytes).unwrap(), large.fields);
    assert_eq!(encode_owned(&owned()).blobs, Vec::<Vec<u8>>::new());
}

#[test]
fn keys_tell_identities_and_tables_apart() {
    let of = |text: &str| owned_key(&Identity::parse(text).unwrap()).to_string();
    assert_eq!(of("laptop/guestbook/users.instance#2"), "s/laptop/guestbook/owned/users.instance#2");
    assert_eq!(of("laptop/guestbook/users"), "s/laptop/guestbook/owned/users#1");
    assert_eq!(export_key(&address().whole()).to_string(), "w/laptop/export/guestbook/users");
    assert_eq!(history_key(&stack_id(), 7).to_string(), "w/laptop/history/guestbook/000000000007");
    assert!(source_key(&Name::fixed("laptop"), &SourceId("x".repeat(5000))).as_str().len() < 200);
}

const GOLDEN: &str = "
stack a3ad2a4
deployment 2811ae2
consent 00199d5
export 2e9be8c
life caf72a0
release ff76235
revision ea0bb61
head 1583664
plan d71d54a
resource 0f7fa70
source 2cda731
once d9a50d2
owned bf27cd6
";
