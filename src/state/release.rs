//! `Revision` and `Release`: what a service is, and what it is in one world.

use crate::model::{Digest, SecretName, SecretVersion};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names a revision: a digest over content and the manifest as written.
pub type RevisionId = Digest;

/// Names a release: a digest over the desired graph and the versions of the secrets that it uses.
pub type ReleaseId = Digest;

/// Content plus the manifest as written (references stay references): the same in every world, so it can be promoted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revision {
    /// Digest of the service's files with `build`, `prepare` and `test`; none for a resource made without a service.
    pub content: Option<Digest>,
    /// The manifest as written: a blob.
    pub manifest: Digest,
    /// What the source called that state: a commit, or a digest of a folder's listing. Not part of the revision's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

/// A revision in one world.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Release {
    /// The revision that it was made of.
    pub revision: RevisionId,
    /// The desired graph: a blob.
    pub graph: Digest,
    /// The secrets that it uses, by version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<SecretName, SecretVersion>,
}

impl Revision {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> RevisionId {
        Digest::of_json("revision", &(self.content, self.manifest))
    }
}

impl Release {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> ReleaseId {
        Digest::of_json("release", &(self.graph, &self.secrets))
    }
}
