//! Steps to orders: the intent, the token, the row that is written before the order goes out. Pure.

use crate::contract::{Keep, Order, OrderAct};
use crate::graph::{Data, Node};
use crate::model::{Digest, DigestKey, Identity, Milliseconds, Value, Wall};
use crate::plan::{Act, Base, Step};
use crate::state::{DeploymentId, Handle, Intent, IntentAct, IntentId, Owned, Phase, Principal, Receipt, Token};

/// For whom, when and under which fence an order goes out.
#[derive(Clone, Debug)]
pub struct Under {
    /// The deployd whose receipt is written.
    pub instance: String,
    /// The fence's epoch.
    pub epoch: u64,
    /// The deployment that it is part of.
    pub deployment: DeploymentId,
    /// By whom.
    pub principal: Principal,
    /// Now.
    pub now: Wall,
    /// How long asking may take.
    pub limit: Milliseconds,
}

/// What a step does to the row of its life, and to the world.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The row before the order goes out.
    pub owned: Owned,
    /// The row once the order was done: fields, shape and digest of what was asked.
    pub done: Owned,
    /// What the intent is to do.
    pub act: IntentAct,
}

/// The token of a step: the same for the same life and the same step, whoever asks, before and after a crash.
#[must_use]
pub fn token(key: &DigestKey, identity: &Identity, step: Digest) -> Token {
    let digest = key.digest(format!("token\0{identity}\0{step}"));
    Token(base32(digest.bytes()))
}

/// Lower case letters and the digits 2 to 7: what every API takes as a token and as part of a name.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(LETTERS[(bits >> held & 31) as usize] as char);
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        text.push(LETTERS[(bits << (5 - held) & 31) as usize] as char);
    }
    text
}

/// The row of a step's life before and after its order. `asked` is the digest of the fields with what fills them.
///
/// # Panics
/// For acts that have no order (`Replace` is lowered, `Forget` only writes): our bug.
#[must_use]
#[expect(clippy::too_many_arguments, reason = "each is a part of the row, and none belongs to another")]
pub fn asked(
    step: &Step,
    node: Option<&Node>,
    before: Option<&Owned>,
    protect: bool,
    shape: Digest,
    asked: Digest,
    key: &DigestKey,
    under: &Under,
) -> Asked {
    let act = match step.act {
        Act::Create => IntentAct::Create,
        Act::Update => IntentAct::Update,
        Act::Delete | Act::Retire => IntentAct::Delete,
        Act::Adopt => IntentAct::Adopt,
        Act::Replace | Act::Forget => unreachable!("{} has no order", step.act),
    };
    let token = token(key, &step.identity, step.digest);
    let intent = Intent {
        id: IntentId(token.0.clone()),
        act,
        step: step.digest,
        token,
        epoch: under.epoch,
        deployment: under.deployment.clone(),
        principal: under.principal.clone(),
        written: under.now,
    };
    let standing = before.cloned().unwrap_or_else(|| fresh(step));
    let mut done = standing.clone();
    if act != IntentAct::Delete {
        done.kind = step.kind.clone();
        done.fields = step.target.clone();
        done.once_for = step.once_for;
        done.pins = step.pins.clone();
        (done.shape, done.asked) = (shape, asked);
        if let Some(node) = node {
            done.needs = node.needs.clone();
            // Once it holds data it does for good: lines that are taken away do not disarm it.
            let holds = protect || node.data == Data::HoldsData || standing.protection == Data::HoldsData;
            done.protection = if holds { Data::HoldsData } else { Data::Stateless };
        }
    }
    let is_new = matches!(act, IntentAct::Create | IntentAct::Adopt);
    let mut owned = if is_new { done.clone() } else { standing };
    owned.phase = match act {
        IntentAct::Delete => Phase::Leaving(intent),
        _ => Phase::Intended(intent),
    };
    done.phase = owned.phase.clone();
    Asked { owned, done, act }
}

/// The row of a life that has none yet.
fn fresh(step: &Step) -> Owned {
    Owned {
        identity: step.identity.clone(),
        kind: step.kind.clone(),
        handle: None,
        needs: std::collections::BTreeSet::new(),
        fields: Value::Null,
        once_for: None,
        pins: std::collections::BTreeMap::new(),
        shape: Digest::of(""),
        asked: Digest::of(""),
        outputs: std::collections::BTreeMap::new(),
        protection: Data::Stateless,
        phase: Phase::Standing,
        trouble: None,
        tries: 0,
        ready_since: None,
    }
}

/// The order of a step whose row was written. `filled` are its fields with what is known put in.
#[must_use]
pub fn order(step: &Step, node: Option<&Node>, asked: &Asked, filled: Value, under: &Under) -> Order {
    let owned = &asked.owned;
    let intent = owned.intent().expect("the row of an order holds its intent");
    let health = node.and_then(|node| node.health.clone());
    let found = |base: &Base| match base {
        Base::Found(handle) => Some(Handle(handle.clone())),
        Base::Absent | Base::Shape(_) => None,
    };
    let handle = || owned.handle.clone().or_else(|| found(&step.base));
    let unknown = || Handle(String::new());
    let act = match asked.act {
        IntentAct::Create => OrderAct::Create { fields: filled, asked: asked.done.asked, health },
        IntentAct::Update => OrderAct::Update {
            handle: handle().unwrap_or_else(unknown),
            from: owned.fields.clone(),
            fields: filled,
            asked: asked.done.asked,
            health,
        },
        IntentAct::Delete => {
            let keep = if owned.protection == Data::HoldsData { Keep::Final } else { Keep::Nothing };
            OrderAct::Delete { handle: owned.handle.clone(), keep }
        }
        IntentAct::Adopt => OrderAct::Adopt { handle: found(&step.base).or_else(handle).unwrap_or_else(unknown) },
    };
    Order {
        intent: intent.id.clone(),
        token: intent.token.clone(),
        identity: step.identity.clone(),
        kind: step.kind.clone(),
        receipt: Receipt { instance: under.instance.clone(), identity: step.identity.clone() },
        limit: under.limit,
        act,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_functions_of_life_and_step() {
        let key = DigestKey::new([7; 32]);
        let identity = Identity::parse("laptop/guestbook/users#2").unwrap();
        let one = token(&key, &identity, Digest::of("step"));
        assert_eq!(one, token(&key, &identity, Digest::of("step")));
        assert_ne!(one, token(&key, &identity, Digest::of("another step")));
        assert_ne!(one, token(&key, &identity.successor().unwrap(), Digest::of("step")));
        assert_ne!(one, token(&DigestKey::new([8; 32]), &identity, Digest::of("step")));
        assert!(one.0.len() == 52 && one.0.chars().all(|c| matches!(c, 'a'..='z' | '2'..='7')));
    }

    #[test]
    fn base32_is_the_one_of_the_standard() {
        let cases = [("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foobar", "mzxw6ytboi")];
        for (bytes, text) in cases {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }
}
