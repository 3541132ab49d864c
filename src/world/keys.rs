//! The keys of every map of a world's file, and the answers to keys that people bring from elsewhere.

use crate::document::Answer::{Means, NotBuilt, Refused, Write};
use crate::document::{Answer, Keys};

const CREDENTIALS: Answer =
    Refused("credentials never stand in a file: the server finds them where its machine has them");

pub(super) const WORLD: Keys = Keys {
    of: "a world",
    known: &[
        "world",
        "description",
        "labels",
        "capabilities",
        "repositories",
        "resources",
        "domain",
        "gates",
        "secrets",
        "pull",
        "stand_ins",
        "allow",
        "trust",
        "policy",
    ],
    answers: &[
        ("name", Means("world")),
        ("capability", Means("capabilities")),
        ("providers", Means("capabilities")),
        ("repository", Means("repositories")),
        ("inherits", Write("a world does not inherit: what worlds share stands in a repository")),
        ("standins", Means("stand_ins")),
        ("stand-ins", Means("stand_ins")),
        ("policies", Means("policy")),
        ("limits", Write("write policy: { limits: { deletes: 3 } }")),
        ("approve", Write("write policy: { approve: [delete, replace] }")),
        ("protect", Write("write policy: { protect: [aws/s3] }")),
        ("registries", Means("pull")),
        ("domains", Means("domain")),
        ("host", Means("domain")),
        ("definitions", Write("definitions stand in a repository: repositories/<name>/*.yaml")),
        ("services", Write("services are not listed here: a manifest says where it goes with `worlds`")),
        ("credentials", CREDENTIALS),
        ("notify", NotBuilt),
        ("previews", NotBuilt),
    ],
};

pub(super) const RESOURCE: Keys = Keys {
    of: "a resource of a world",
    known: &["use", "with"],
    answers: &[
        ("slug", Means("use")),
        ("kind", Means("use")),
        ("parameters", Means("with")),
        ("shared", Write("a world's resource may be used by all its services: leave it out")),
        ("of", Write("a world's resource is made of a slug: write { use: kafka-small }")),
    ],
};

pub(super) const SECRET: Keys = Keys {
    of: "a secret's source",
    known: &["env", "file", "aws", "kubernetes", "key", "for"],
    answers: &[
        ("value", Refused("secret values never stand in a file: `deployd secret set WORLD NAME` keeps one")),
        ("text", Refused("secret values never stand in a file: `deployd secret set WORLD NAME` keeps one")),
        ("store", Write("what is not said comes from the store: leave it out")),
        ("vault", NotBuilt),
        ("services", Means("for")),
    ],
};

pub(super) const PULL: Keys = Keys {
    of: "a registry's secret",
    known: &["secret"],
    answers: &[
        ("password", Refused("secret values never stand in a file: name a secret of the world")),
        ("username", Refused("the secret holds both, as {\"username\": ..., \"password\": ...}")),
    ],
};

pub(super) const POLICY: Keys = Keys {
    of: "a policy",
    known: &["approve", "protect", "limits"],
    answers: &[("approvals", Means("approve")), ("protected", Means("protect")), ("limit", Means("limits"))],
};

pub(super) const APPROVE: Keys = Keys {
    of: "a rule of `approve`",
    known: &["actions", "kinds"],
    answers: &[("action", Means("actions")), ("kind", Means("kinds"))],
};

pub(super) const LIMITS: Keys = Keys {
    of: "limits",
    known: &["deletes", "replicas", "memory"],
    answers: &[("delete", Means("deletes")), ("ram", Means("memory")), ("cpu", NotBuilt)],
};

pub(super) const LOCAL: Keys =
    Keys { of: "deploy:local", known: &["http"], answers: &[("port", Means("http")), ("https", NotBuilt)] };

pub(super) const DOCKER: Keys = Keys {
    of: "deploy:docker",
    known: &["host", "http", "registry"],
    answers: &[("socket", Means("host")), ("port", Means("http")), ("context", Means("host"))],
};

pub(super) const KUBERNETES: Keys = Keys {
    of: "deploy:kubernetes",
    known: &["context", "namespace", "registry", "kinds", "ingress_class", "storage_class"],
    answers: &[
        ("kubeconfig", CREDENTIALS),
        ("token", CREDENTIALS),
        ("cluster", Means("context")),
        ("crds", Means("kinds")),
    ],
};

pub(super) const AWS: Keys = Keys {
    of: "aws",
    known: &["region", "vpc", "subnets", "account", "role"],
    answers: &[
        ("access_key_id", CREDENTIALS),
        ("secret_access_key", CREDENTIALS),
        ("profile", CREDENTIALS),
        ("zone", Means("region")),
        ("subnet", Means("subnets")),
        ("role_arn", Means("role")),
    ],
};

pub(super) const SIMULATED: Keys = Keys {
    of: "deploy:simulated",
    known: &["plays", "seed"],
    answers: &[("play", Means("plays")), ("faults", NotBuilt)],
};
