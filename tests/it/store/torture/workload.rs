//! What the child writes: a pure function of seed, writer and number. The writers have a stack each, so that what one does
//! says nothing about the others.

use deployd::contract::{Batch, EventDraft, Fence, Key, ROW_BYTES_MAX};
use deployd::model::{Digest, Name, StackId, Wall};
use std::collections::BTreeMap;

/// The rows of a writer by key.
pub type State = BTreeMap<Key, Vec<u8>>;

/// One batch, and the blob that has to be kept before it.
pub struct Step {
    pub put: Vec<(Key, Vec<u8>)>,
    pub remove: Vec<Key>,
    pub blob: Option<Vec<u8>>,
    pub events: Vec<EventDraft>,
}

/// How large the blobs are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blobs {
    /// A batch holds each.
    Small,
    /// Several batches, and more than a segment of sled's.
    Large,
}

/// A small generator of numbers: the same seed, the same numbers, on every machine.
pub struct Numbers(u64);

impl Numbers {
    pub fn of(seed: u64, what: &[u64]) -> Numbers {
        let bytes: Vec<u8> = std::iter::once(&seed).chain(what).flat_map(|n| n.to_be_bytes()).collect();
        let digest = Digest::of(&bytes);
        Numbers(u64::from_be_bytes(digest.bytes()[..8].try_into().unwrap()) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below another.
    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }

    /// Bytes that no compression makes smaller.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_be_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

pub fn stack(writer: u64) -> StackId {
    StackId::new(Name::fixed("laptop"), Name::new(format!("w{writer}")).unwrap())
}

/// The row that says how far a writer has come.
pub fn progress_key(writer: u64) -> Key {
    Key::stack(&stack(writer), "progress", "n")
}

/// The largest rows of the largest batches: with progress, event and fence they are 100 operations of 4 KiB.
const LARGE_ROWS: u64 = 98;

/// The least size of a large blob.
const LARGE_BLOB_BYTES: u64 = 600_000;

/// The n-th step of a writer, from 0.
pub fn step(seed: u64, blobs: Blobs, writer: u64, n: u64) -> Step {
    let mut numbers = Numbers::of(seed, &[writer, n]);
    let stack = stack(writer);
    let mut put = BTreeMap::new();
    let mut remove = Vec::new();
    let mut blob = None;
    match numbers.below(32) {
        0 => {
            for slot in 0..LARGE_ROWS {
                put.insert(Key::stack(&stack, "large", &format!("{slot:02}")), numbers.bytes(ROW_BYTES_MAX));
            }
        }
        1..4 => {
            let size = if numbers.below(2) == 0 { numbers.below(5_000) } else { numbers.below(90_000) };
            let size = if blobs == Blobs::Large { LARGE_BLOB_BYTES + 10 * size } else { size };
            let bytes = numbers.bytes(usize::try_from(size).unwrap());
            let slot = format!("{}", numbers.below(4));
            put.insert(Key::stack(&stack, "blob", &slot), Digest::of(&bytes).to_string().into_bytes());
            blob = Some(bytes);
        }
        _ => {
            for _ in 0..=numbers.below(5) {
                let key = Key::stack(&stack, "row", &format!("{}", numbers.below(60)));
                if numbers.below(5) == 0 && !put.contains_key(&key) {
                    remove.push(key);
                } else if !remove.contains(&key) {
                    let size = usize::try_from(numbers.below(1_500)).unwrap();
                    put.insert(key, numbers.bytes(size));
                }
            }
        }
    }
    remove.sort();
    remove.dedup();
    put.insert(progress_key(writer), n.to_string().into_bytes());
    let event = EventDraft { stack: Some(stack), at: Wall(n), body: format!("{writer} {n}").into_bytes() };
    Step { put: put.into_iter().collect(), remove, blob, events: vec![event] }
}

impl Step {
    pub fn batch(&self, fence: Fence) -> Batch {
        Batch {
            fence: Some(fence),
            put: self.put.clone(),
            remove: self.remove.clone(),
            events: self.events.clone(),
            ..Batch::default()
        }
    }

    pub fn apply(self, state: &mut State) {
        for key in &self.remove {
            state.remove(key);
        }
        state.extend(self.put);
    }
}

#[test]
fn the_workload_has_every_shape() {
    let steps: Vec<Step> = (0..400).map(|n| step(1, Blobs::Small, 0, n)).collect();
    let fence = Fence { stack: stack(0), epoch: 1 };
    for step in &steps {
        step.batch(fence.clone()).check_limits().unwrap();
    }
    assert!(
        steps
            .iter()
            .any(|step| step.batch(fence.clone()).operations() == 100 && step.batch(fence.clone()).bytes() > 400_000)
    );
    assert!(steps.iter().any(|step| step.blob.as_ref().is_some_and(|blob| blob.len() > 50_000)));
    assert!(steps.iter().any(|step| !step.remove.is_empty()));
    assert_eq!(steps[7].put, step(1, Blobs::Small, 0, 7).put, "the same seed, the same step");
    assert_ne!(steps[7].put, step(2, Blobs::Small, 0, 7).put);
}
