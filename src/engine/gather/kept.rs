//! What a revision keeps of a manifest: all that compiling it again needs, whatever became of its source.

use super::super::catalogue::{ManifestFile, ManifestFound};
use crate::contract::FilePath;
use crate::model::{Digest, Name, Value};
use serde::{Deserialize, Serialize};

/// What a revision was made of. A blob, which the revision names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// A service's manifest.
    Manifest(Box<KeptManifest>),
    /// A resource without a service.
    Resource {
        /// The slug.
        slug: Name,
        /// What is set of it.
        with: Value,
    },
}

/// A manifest as it was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptManifest {
    /// The service.
    pub service: Name,
    /// The file that it stands in.
    pub path: FilePath,
    /// Which document of it.
    pub document: u32,
    /// The file.
    pub text: String,
    /// Where the service's files are.
    pub folder: String,
    /// What else names its content.
    pub adds: String,
    /// Digest of the document as it was written.
    pub written: Digest,
    /// The content that holds the files its graph is made of.
    pub reads: Option<Digest>,
}

impl KeptManifest {
    /// The manifest, as it was found once.
    #[must_use]
    pub fn found(&self) -> ManifestFound {
        ManifestFound {
            service: self.service.clone(),
            path: self.path.clone(),
            document: self.document,
            file: ManifestFile::of(self.text.as_bytes()),
            folder: self.folder.clone(),
            // Its files were there when it was kept.
            folder_said: None,
            inputs_said: Vec::new(),
            files_said: Vec::new(),
            adds: self.adds.clone(),
            worlds: None,
            written: self.written,
        }
    }
}
