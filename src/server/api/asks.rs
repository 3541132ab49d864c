//! What is sent in: the bodies of requests. Unknown fields are refused.

use super::schema;
use crate::model::{Digest, Identity, Name};
use crate::state::{ConsentAct, Mode};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The header that makes a request safe to repeat: the same key gives the same answer, and nothing twice.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The header that a browser which is signed in by a cookie sends with what changes something. Its value came once, in
/// the fragment of the address that the sign-in link led to (`/#csrf=...`): what only has the cookie, since browsers
/// send cookies to other ports of the same host, does not have it.
pub const CSRF_HEADER: &str = "x-deployd-csrf";

/// Run what a source holds: from now on, or once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// A folder of the server's machine that belongs to the server's user: an absolute path.
    #[schema(min_length = 1, max_length = 4096)]
    pub folder: String,
    /// Only these of its services; all of them when empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<schema::Name>, max_items = 1000)]
    pub services: BTreeSet<Name>,
    /// Whether later changes of the folder are deployed too, as `up` has it; `apply` deploys once. A folder that is
    /// watched already stays so.
    #[serde(default = "yes")]
    #[schema(default = true, required = false)]
    pub watch: bool,
    /// How it is run.
    #[serde(default)]
    #[schema(value_type = schema::Mode, required = false)]
    pub mode: Mode,
    /// Why, as history shows it: `up`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub because: Option<String>,
}

fn yes() -> bool {
    true
}

/// Deploy once what a known stack's source holds now.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// Only if the plan of now is this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Digest>)]
    pub plan: Option<Digest>,
    /// How it is run.
    #[serde(default)]
    #[schema(value_type = schema::Mode, required = false)]
    pub mode: Mode,
    /// Why, as history shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub because: Option<String>,
}

/// Make a plan without running it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakePlan {
    /// Of what.
    pub of: PlanOf,
    /// How it would be run.
    #[serde(default)]
    #[schema(value_type = schema::Mode, required = false)]
    pub mode: Mode,
}

/// Of what a plan is made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlanOf {
    /// What a folder holds now: of all its services when none is named. Nothing of it needs to be known yet.
    Folder {
        /// A folder of the server's machine: an absolute path.
        #[schema(min_length = 1, max_length = 4096)]
        folder: String,
        /// Only these of its services.
        #[serde(default)]
        #[schema(value_type = Vec<schema::Name>, max_items = 1000)]
        services: BTreeSet<Name>,
    },
    /// What a known stack's source holds now.
    Stack {
        /// Which.
        #[schema(value_type = schema::Name)]
        stack: Name,
    },
    /// A known stack, were it brought to a release that is kept.
    Release {
        /// Which stack.
        #[schema(value_type = schema::Name)]
        stack: Name,
        /// Which release.
        #[schema(value_type = schema::Digest)]
        release: Digest,
    },
    /// A known stack, were it to be gone.
    Gone {
        /// Which.
        #[schema(value_type = schema::Name)]
        stack: Name,
    },
    /// A known stack, were it to be stopped.
    Stopped {
        /// Which.
        #[schema(value_type = schema::Name)]
        stack: Name,
    },
    /// A resource of a slug, without a service.
    Resource {
        /// Its name.
        #[schema(value_type = schema::Name)]
        name: Name,
        /// The slug.
        #[schema(value_type = schema::Name)]
        slug: Name,
        /// What may be set of it.
        #[serde(default)]
        #[schema(value_type = schema::Fields, required = false)]
        with: serde_json::Value,
    },
}

/// Take a stack away.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeDown {
    /// What holds data stays. Without this and without `delete`, a stack that holds data is refused.
    #[serde(default)]
    pub keep_data: bool,
    /// What holds data and is to be deleted too, by the names that the manifest gives, after a backup.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<schema::Name>, max_items = 1000)]
    pub delete: BTreeSet<Name>,
}

/// Return to a release that is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// To which release: its digest, or what people call it (`81d0b77`, `81d0b77.2`). Without it, the last good one
    /// before the one that serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 4, max_length = 64)]
    pub to: Option<String>,
}

/// Approve the plan of a deployment that waits for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The plan that was looked at.
    #[schema(value_type = schema::Digest)]
    pub plan: Digest,
}

/// Give leave for acts of the plan of now. Each is used once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveConsent {
    /// The plan in which they were shown.
    #[schema(value_type = schema::Digest)]
    pub plan: Digest,
    /// Which acts on which lives.
    #[schema(min_items = 1, max_items = 1000)]
    pub acts: Vec<ConsentTo>,
}

/// One act on one life of one address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentTo {
    /// On what.
    #[schema(value_type = schema::Identity)]
    pub identity: Identity,
    /// What.
    #[schema(value_type = schema::ConsentAct)]
    pub act: ConsentAct,
}

/// Take over what is there and is not ours.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Adopt {
    /// What is to own it, within the stack: `users` or `users.instance`.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// What its provider calls it, as the plan shows it: nothing else is adopted.
    #[schema(min_length = 1, max_length = 2048)]
    pub handle: String,
}

/// Make a resource of a slug, or change it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutResource {
    /// The slug.
    #[schema(value_type = schema::Name)]
    pub slug: Name,
    /// What may be set of it.
    #[serde(default = "nothing_set")]
    #[schema(value_type = schema::Fields, required = false)]
    pub with: serde_json::Value,
}

/// Make a resource of a slug.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewResource {
    /// Its name: its stack's too.
    #[schema(value_type = schema::Name)]
    pub name: Name,
    /// The slug.
    #[schema(value_type = schema::Name)]
    pub slug: Name,
    /// What may be set of it.
    #[serde(default = "nothing_set")]
    #[schema(value_type = schema::Fields, required = false)]
    pub with: serde_json::Value,
}

/// Files that a question is asked about: a folder of the server's machine, or the files themselves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "FilesSent")]
pub enum Files {
    /// A folder of the server's machine that belongs to the server's user: an absolute path.
    Folder(String),
    /// The files by path, relative, with `/`; text.
    Files(BTreeMap<String, String>),
}

/// Files that a question is asked about: either a folder of the server's machine, or the files themselves.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FilesSent {
    /// A folder of the server's machine that belongs to the server's user: an absolute path.
    #[schema(value_type = String, required = false, min_length = 1, max_length = 4096)]
    folder: Option<String>,
    /// The files by path, relative, with `/`; text.
    #[schema(value_type = schema::Texts, required = false)]
    files: Option<BTreeMap<String, String>>,
}

/// Described as it is sent, one object with one of two fields, so that both or neither is refused in words.
impl PartialSchema for Files {
    fn schema() -> RefOr<Schema> {
        FilesSent::schema()
    }
}

impl ToSchema for Files {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        FilesSent::schemas(schemas);
    }
}

impl TryFrom<FilesSent> for Files {
    type Error = &'static str;

    fn try_from(sent: FilesSent) -> Result<Files, &'static str> {
        match (sent.folder, sent.files) {
            (Some(folder), None) => Ok(Files::Folder(folder)),
            (None, Some(files)) => Ok(Files::Files(files)),
            (Some(_), Some(_)) => Err("either `folder` or `files`, not both"),
            (None, None) => Err("either `folder` or `files` is needed"),
        }
    }
}

/// Whether files have mistakes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Which files.
    pub of: Files,
    /// In which worlds; in all that the manifest may go to when empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<schema::Name>, max_items = 1000)]
    pub worlds: BTreeSet<Name>,
}

/// Who set a value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// Which files.
    pub of: Files,
    /// Which of their services; not needed where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub service: Option<Name>,
    /// Which value: `users.instance_class`, `env.LOG_LEVEL`; all values of one thing: `users`; all when nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 512)]
    pub value: Option<String>,
}

/// Why a service cannot go to a world.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskWhyNot {
    /// Which files.
    pub of: Files,
    /// Only these of their services.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<schema::Name>, max_items = 1000)]
    pub services: BTreeSet<Name>,
}

fn nothing_set() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

/// Everything that the store holds, as one file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeBackup {
    /// With the instance's keys, protected by this passphrase. Without it there are no keys in it, and what is secret in
    /// it opens only where the keys are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<super::secret::SecretValue>,
}
