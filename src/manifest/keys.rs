//! The keys of every map of the format, and the answers to keys that people bring from elsewhere (FORMATS.md 5).

use crate::document::Answer::{Means, NotBuilt, NotBuiltAs, Refused, RefusedFor, Write};
use crate::document::{Answer, Keys};

pub(super) const CONTAINER: Answer =
    Refused("a service has one container: make it another service, or `processes:`; waiting is what `requires` does");
pub(super) const MOUNT: Answer = RefusedFor(
    "saving a file redeploys it; nothing of the machine is mounted",
    "files that last: requires: [ uploads: { use: volume, with: { size: 10Gi, mount: /data } } ]",
);
pub(super) const MACHINE: Answer = Refused("a systems engineer's definition can say this; a manifest cannot");
pub(super) const PORT_MAPPING: &str = "other services use ${frontend.address}; the outside uses an entrypoint: a port is only what the service listens on";
const FORWARDS: Answer = Refused("an entrypoint forwards what it gets");
const PROBES: Answer = Refused("an entrypoint forwards what it gets, and a probe asks as plainly: it sends no headers");
pub(super) const OTHER_WORLD: &str = "a service requires what is in its own world; of another, a systems engineer can offer it here as an `existing` slug";
const CONSENT: Answer = Refused("consent is given to one plan; a line that stays would disarm it for good");
const SCALE_INSIDE: Answer = Write("write scale: { replicas: 2, cpu: 500m, memory: 256Mi }");
const SHARED: Answer =
    Refused("all processes and tasks of a service share its environment, secrets, files and requirements");
const KUBERNETES: Answer = Write("this is written for Kubernetes; a deployd.yaml begins with `service: hello`");

pub(super) const SERVICE: Keys = Keys {
    of: "a service",
    known: &[
        "service",
        "description",
        "labels",
        "worlds",
        "folder",
        "build",
        "image",
        "prepare",
        "test",
        "run",
        "port",
        "ports",
        "env",
        "secrets",
        "files",
        "health",
        "scale",
        "stop",
        "user",
        "processes",
        "tasks",
        "requires",
        "entrypoints",
        "migrate",
        "update",
        "was",
        "site",
        "in",
    ],
    answers: &[
        ("name", Means("service")),
        ("command", Means("run")),
        ("cmd", Means("run")),
        ("start", Means("run")),
        ("environment", Means("env")),
        ("variables", Means("env")),
        ("depends_on", Means("requires")),
        ("dependencies", Means("requires")),
        ("needs", Means("requires")),
        ("healthcheck", Means("health")),
        ("health_check", Means("health")),
        ("livenessProbe", Means("health")),
        ("readinessProbe", Means("health")),
        ("ingress", Means("entrypoints")),
        ("routes", Means("entrypoints")),
        ("domains", Means("entrypoints")),
        ("expose", Means("port")),
        ("workers", Means("processes")),
        ("cron", Means("tasks")),
        ("jobs", Means("tasks")),
        ("migrations", Means("migrate")),
        ("strategy", Means("update")),
        ("rollout", Means("update")),
        ("stop_grace_period", Means("stop")),
        ("root", Means("folder")),
        ("entrypoint", Write("a way in from outside is `entrypoints:`; what the container starts is `run:`")),
        ("services", Write("one document is one service: put `---` between several")),
        ("version", Write("a deployd.yaml has no version: leave it out")),
        (
            "schedule",
            Write("what runs at its time is a task: tasks: { nightly: { run: ./x, schedule: \"0 3 * * *\" } }"),
        ),
        ("dockerfile", Write("write build: { dockerfile: path/to/Dockerfile }")),
        ("restart", Write("a process that ends is started again: leave it out")),
        ("replicas", SCALE_INSIDE),
        ("cpu", SCALE_INSIDE),
        ("memory", SCALE_INSIDE),
        (
            "resources",
            Write("what a service needs is `requires`; how large it is, scale: { cpu: 500m, memory: 256Mi }"),
        ),
        ("deploy", SCALE_INSIDE),
        ("apiVersion", KUBERNETES),
        ("kind", KUBERNETES),
        ("metadata", KUBERNETES),
        ("spec", KUBERNETES),
        ("containers", CONTAINER),
        ("sidecar", CONTAINER),
        ("sidecars", CONTAINER),
        ("init", CONTAINER),
        ("initContainers", CONTAINER),
        ("init_containers", CONTAINER),
        ("volumes", MOUNT),
        ("volume", MOUNT),
        ("mounts", MOUNT),
        ("bind", MOUNT),
        ("docker_socket", MOUNT),
        ("privileged", MACHINE),
        ("devices", MACHINE),
        ("ulimits", MACHINE),
        ("shm_size", MACHINE),
        ("cap_add", MACHINE),
        ("cap_drop", MACHINE),
        ("security_opt", MACHINE),
        ("sysctls", MACHINE),
        ("network_mode", MACHINE),
        ("pid", MACHINE),
        ("consent", CONSENT),
        ("confirm", CONSENT),
        ("force", CONSENT),
        ("allow_delete", CONSENT),
        ("delete", CONSENT),
        ("prevent_destroy", CONSENT),
        ("canary", NotBuilt),
    ],
};

pub(super) const PROCESS: Keys = Keys {
    of: "a process",
    known: &["run", "port", "ports", "health", "scale", "stop"],
    answers: &[
        ("command", Means("run")),
        ("env", SHARED),
        ("environment", SHARED),
        ("secrets", SHARED),
        ("files", SHARED),
        ("requires", SHARED),
        ("image", CONTAINER),
        ("build", CONTAINER),
        ("volumes", MOUNT),
        ("privileged", MACHINE),
        ("replicas", SCALE_INSIDE),
        ("cpu", SCALE_INSIDE),
        ("memory", SCALE_INSIDE),
        ("schedule", Write("what runs at its time is a task: put it under `tasks:`")),
    ],
};

pub(super) const TASK: Keys = Keys {
    of: "a task",
    known: &["run", "schedule", "scale"],
    answers: &[
        ("command", Means("run")),
        ("cron", Means("schedule")),
        ("every", Write("write a schedule of five fields, as in schedule: \"0 * * * *\"")),
        ("env", SHARED),
        ("environment", SHARED),
        ("secrets", SHARED),
        ("files", SHARED),
        ("requires", SHARED),
        ("image", CONTAINER),
        ("build", CONTAINER),
        ("cpu", Write("write scale: { cpu: 500m, memory: 256Mi }")),
        ("memory", Write("write scale: { cpu: 500m, memory: 256Mi }")),
        ("interactive", NotBuiltAs("an interactive task")),
        ("tty", NotBuiltAs("an interactive task")),
        ("stdin", NotBuiltAs("an interactive task")),
    ],
};

pub(super) const TASK_SCALE: Keys = Keys {
    of: "a task's scale",
    known: &["cpu", "memory"],
    answers: &[("replicas", Write("a task runs once at a time: leave `replicas` out"))],
};

pub(super) const SCALE: Keys = Keys {
    of: "scale",
    known: &["replicas", "cpu", "memory"],
    answers: &[
        ("instances", Means("replicas")),
        ("count", Means("replicas")),
        ("ram", Means("memory")),
        ("mem", Means("memory")),
        ("min", Write("write replicas: { min: 3, max: 12, cpu: 70% }")),
        ("max", Write("write replicas: { min: 3, max: 12, cpu: 70% }")),
        ("limits", Write("write cpu and memory beside replicas: they are both what is asked for and the limit")),
        ("requests", Write("write cpu and memory beside replicas: they are both what is asked for and the limit")),
    ],
};

pub(super) const REPLICAS: Keys = Keys {
    of: "a number of replicas",
    known: &["min", "max", "cpu"],
    answers: &[("memory", Write("replicas follow the processors only: write cpu: 70%"))],
};

pub(super) const HEALTH: Keys = Keys {
    of: "a health check",
    known: &["http", "tcp", "grpc", "command", "port", "within", "every", "restart_after"],
    answers: &[
        ("path", Means("http")),
        ("url", Means("http")),
        ("exec", Means("command")),
        ("test", Means("command")),
        ("interval", Means("every")),
        ("periodSeconds", Means("every")),
        ("start_period", Means("within")),
        ("initialDelaySeconds", Means("within")),
        ("timeout", Write("`within` says how long it may take to be well")),
        ("retries", Write("`within` says how long it may take to be well")),
        ("headers", PROBES),
    ],
};

pub(super) const PORT: Keys = Keys {
    of: "a port",
    known: &["port", "protocol"],
    answers: &[
        ("number", Means("port")),
        ("containerPort", Means("port")),
        ("target", Refused(PORT_MAPPING)),
        ("targetPort", Refused(PORT_MAPPING)),
        ("published", Refused(PORT_MAPPING)),
        ("host_port", Refused(PORT_MAPPING)),
        ("hostPort", Refused(PORT_MAPPING)),
    ],
};

pub(super) const ENTRYPOINT: Keys = Keys {
    of: "an entrypoint",
    known: &["host", "path", "gates", "port", "process", "timeout"],
    answers: &[
        ("hostname", Means("host")),
        ("domain", Means("host")),
        ("hosts", Write("one entrypoint has one host: write one for each")),
        ("firewall", Means("gates")),
        ("allow", Means("gates")),
        ("rewrite", FORWARDS),
        ("strip_prefix", FORWARDS),
        ("sticky", FORWARDS),
        ("affinity", FORWARDS),
        ("session", FORWARDS),
        ("auth", FORWARDS),
        ("login", FORWARDS),
        ("oauth", FORWARDS),
        ("headers", FORWARDS),
        ("cors", FORWARDS),
        ("tls", Write("https is used where the world can: leave it out")),
        ("https", Write("https is used where the world can: leave it out")),
        ("certificate", Write("https is used where the world can: leave it out")),
        ("protocol", Write("the port says what is spoken: ports: { mqtt: { port: 1883, protocol: tcp } }")),
        ("udp", NotBuiltAs("a UDP entrypoint")),
    ],
};

pub(super) const BUILD: Keys = Keys {
    of: "a build",
    known: &["context", "dockerfile", "target", "args", "secrets", "platform"],
    answers: &[
        ("file", Means("dockerfile")),
        ("folder", Means("context")),
        ("path", Means("context")),
        ("stage", Means("target")),
        ("platforms", Means("platform")),
    ],
};

pub(super) const PREPARE: Keys = Keys {
    of: "prepare",
    known: &["run", "inputs"],
    answers: &[("command", Means("run")), ("commands", Means("run")), ("cache", Means("inputs"))],
};

pub(super) const SITE: Keys = Keys {
    of: "a site",
    known: &["folder", "fallback"],
    answers: &[("path", Means("folder")), ("index", Means("fallback")), ("spa", Means("fallback"))],
};

pub(super) const FILE: Keys = Keys {
    of: "a file",
    known: &["from", "text", "at"],
    answers: &[
        ("source", Means("from")),
        ("src", Means("from")),
        ("content", Means("text")),
        ("to", Means("at")),
        ("target", Means("at")),
        ("path", Means("at")),
        ("mode", Write("the service can read it and nobody else can: leave it out")),
        ("owner", Write("the service can read it and nobody else can: leave it out")),
    ],
};

pub(super) const SECRET: Keys = Keys {
    of: "a secret",
    known: &["secret", "key"],
    answers: &[("name", Means("secret")), ("field", Means("key")), ("from", Means("secret"))],
};

pub(super) const REQUIREMENT: Keys = Keys {
    of: "a requirement",
    known: &["use", "with", "shared", "of", "service", "was", "wait"],
    answers: &[
        ("slug", Means("use")),
        ("type", Means("use")),
        ("kind", Means("use")),
        ("parameters", Means("with")),
        ("params", Means("with")),
        ("options", Means("with")),
        ("settings", Means("with")),
        ("world", Refused(OTHER_WORLD)),
        ("consent", CONSENT),
        ("force", CONSENT),
        ("allow_delete", CONSENT),
        ("deletion_protection", CONSENT),
        ("version", Write("what you set goes under `with`: { use: postgres, with: { ... } }")),
        ("size", Write("what you set goes under `with`: { use: volume, with: { size: 10Gi } }")),
        ("mount", Write("what you set goes under `with`: { use: volume, with: { mount: /data } }")),
    ],
};

pub(super) const MIGRATION: Keys = Keys {
    of: "a migration",
    known: &["for", "run", "mode", "when", "undo"],
    answers: &[
        ("command", Means("run")),
        ("up", Means("run")),
        ("down", Means("undo")),
        ("rollback", Means("undo")),
        ("of", Means("for")),
        ("files", Means("when")),
    ],
};

pub(super) const UPDATE: Keys = Keys {
    of: "an update",
    known: &["rolling", "blue-green", "append-only"],
    answers: &[
        ("canary", NotBuilt),
        ("blue_green", Means("blue-green")),
        ("strategy", Write("write update: rolling, or update: blue-green")),
        ("type", Write("write update: rolling, or update: blue-green")),
        ("recreate", Write("leave it out: an update never stops the service first")),
    ],
};

pub(super) const ROLLING: Keys = Keys {
    of: "a rolling update",
    known: &["at_once"],
    answers: &[("max_surge", Means("at_once")), ("maxSurge", Means("at_once")), ("parallelism", Means("at_once"))],
};

pub(super) const BLUE_GREEN: Keys = Keys { of: "a blue-green update", known: &["keep"], answers: &[] };

pub(super) const APPEND_ONLY: Keys = Keys { of: "an append-only update", known: &["keep"], answers: &[] };

/// Keys of a service that may not differ from world to world.
pub(super) const SAME_EVERYWHERE: [&str; 6] = ["service", "worlds", "was", "build", "image", "folder"];

/// Whether a key is one of a manifest's own words.
#[must_use]
pub fn is_word(key: &str) -> bool {
    SERVICE.known.contains(&key)
}
