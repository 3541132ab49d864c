//! The words everything else is said in: names, addresses, identities, kinds, values and digests.
//!
//! Plain data with total functions. This module knows nothing else of ours, does no IO, reads no clock and draws
//! no random numbers.

mod address;
mod canonical;
mod digest;
mod duration;
mod kind;
mod name;
mod path;
mod sealed;
mod size;
mod time;
mod value;

pub use address::{Address, Identity, IncarnationOverflow, NotAnAddress, PartName, StackId};
pub use canonical::canonical_json;
pub use digest::{Digest, DigestKey, NotADigest};
pub use duration::{Milliseconds, NotADuration};
pub use kind::{Capability, Kind, NotACapability, NotAKind};
pub use name::{NAME_LENGTH_MAX, Name, NotAName, RESERVED_NAMES};
pub use path::{FieldPath, NotAPath};
pub use sealed::{KeyId, NotSealed, SEALED_FORMAT, Sealed};
pub use size::{Bytes, MilliCpu, NotASize};
pub use time::{BootId, Now, Steady, Wall};
pub use value::{Piece, SecretName, SecretVersion, Value};
