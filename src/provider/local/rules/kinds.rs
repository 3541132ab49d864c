//! The rules, kind by kind.

use super::CAPABILITY;
use super::service::{expand_service, expand_task, of_port};
use crate::diagnostic::Diagnostics;
use crate::graph::words::{
    EntrypointWords, entrypoint_fields, refuse_each, service_fields, task_fields, volume_fields,
};
use crate::graph::{
    Component, Create, Data, Expanded, Field, FieldType, KindRules, Lifecycle, Need, Outputs, Replace, Role, Rollout,
    WorldFields,
};
use crate::model::{Address, FieldPath, Kind, Milliseconds, Name, Piece, Value};
use std::collections::BTreeMap;

/// How long a service's `stop` is at most, and how long prepare may take: an hour of downloads is a hanging one.
const PREPARE_WITHIN: Milliseconds = Milliseconds::seconds(3600);

/// How many copies are kept: the running one, the good one, and one to go back to.
const COPIES_KEPT: u32 = 3;

/// How long a generated password is: 190 bits of letters and digits.
const PASSWORD_LENGTH: u32 = 32;

/// The rules of every kind of this room.
#[must_use]
pub fn kinds() -> Vec<KindRules> {
    vec![service(), copy(), test(), task(), process(), address(), route(), entrypoint(), postgres(), folder(), volume()]
}

fn rules(kind: &'static str, description: &'static str) -> KindRules {
    KindRules {
        usually: Milliseconds::seconds(1),
        within: Milliseconds::seconds(60),
        ..KindRules::new(kind, CAPABILITY, description)
    }
}

fn fields(list: &[(&'static str, Field)]) -> BTreeMap<FieldPath, Field> {
    KindRules::paths(list)
}

fn words() -> FieldType {
    FieldType::List(Box::new(FieldType::Text))
}

fn commands() -> FieldType {
    FieldType::List(Box::new(words()))
}

/// What a process of a service is made of, composite or not.
fn process_fields() -> Vec<(&'static str, Field)> {
    vec![
        ("run", Field::in_place(words()).required()),
        ("env.*", Field::in_place(FieldType::Text)),
        ("ports.*.port", Field::in_place(FieldType::Whole(1, 65_535))),
        ("ports.*.protocol", Field::in_place(FieldType::OneOf(&["http", "grpc", "tcp"]))),
        ("first", Field::in_place(FieldType::Text)),
        ("files.*.at", Field::in_place(FieldType::Text)),
        ("files.*.text", Field::in_place(FieldType::Text)),
        ("entrypoints.*.host", Field::in_place(FieldType::Text)),
        ("entrypoints.*.path", Field::in_place(FieldType::Text)),
        ("stop", Field::in_place(FieldType::Duration)),
        ("user", Field::in_place(FieldType::Any)),
        ("cpu", Field::in_place(FieldType::Text)),
        ("memory", Field::in_place(FieldType::Size)),
    ]
}

fn service() -> KindRules {
    KindRules {
        fields: service_fields(),
        outputs: Outputs::after_create(&["host", "port", "address", "url"], &[]),
        role: Role::Workload,
        makes: &["local/address", "local/copy", "local/process", "local/route", "local/task", "local/test"],
        expand: expand_service,
        ..rules("local/service", "a service's processes on this machine, from its files")
    }
}

fn copy() -> KindRules {
    KindRules {
        fields: fields(&[
            ("content", Field::fixed(FieldType::Text).required()),
            ("prepare.run", Field::fixed(commands())),
            ("prepare.inputs", Field::fixed(words())),
        ]),
        outputs: Outputs::after_create(&["path"], &[]),
        lifecycle: Lifecycle::Kept(COPIES_KEPT),
        replace: Replace::CreateFirst,
        // Copying alone; how long `prepare` takes, nobody knows but its developer.
        usually: Milliseconds(500),
        within: PREPARE_WITHIN,
        ..rules("local/copy", "a service's files in a folder, with `prepare` run in it")
    }
}

fn once(kind: &'static str, description: &'static str) -> KindRules {
    KindRules {
        fields: fields(&[
            ("run", Field::fixed(commands()).required()),
            ("undo", Field::fixed(commands())),
            ("mode", Field::fixed(FieldType::OneOf(&["before", "downtime", "parallel", "after"]))),
            ("folder", Field::fixed(FieldType::Text)),
            ("content", Field::fixed(FieldType::Text)),
            ("env.*", Field::fixed(FieldType::Text)),
        ]),
        lifecycle: Lifecycle::Once,
        role: Role::Task,
        usually: Milliseconds::seconds(5),
        within: PREPARE_WITHIN,
        ..rules(kind, description)
    }
}

fn test() -> KindRules {
    once("local/test", "a service's own tests, run once for its files")
}

/// Migrations are nodes of it; the tasks of a manifest are components of it, which have the words of `deploy/task`.
fn task() -> KindRules {
    let mut rules = once("local/task", "a command of a service, run once");
    rules.fields.extend(task_fields().into_iter().filter(|(path, _)| *path != FieldPath::fixed("run")));
    KindRules { makes: &["local/copy"], expand: expand_task, ..rules }
}

fn process() -> KindRules {
    let mut all = process_fields();
    all.extend(["folder", "content", "health"].map(|field| (field, Field::in_place(FieldType::Text))));
    KindRules {
        fields: fields(&all),
        outputs: Outputs::after_create(&["address", "pid"], &[]),
        role: Role::Workload,
        rollout: Rollout::BySuccessor,
        replace: Replace::CreateFirst,
        ..rules("local/process", "one replica of a service")
    }
}

fn address() -> KindRules {
    KindRules {
        fields: fields(&[
            ("ports.*.protocol", Field::in_place(FieldType::OneOf(&["http", "grpc", "tcp"]))),
            ("first", Field::in_place(FieldType::Text)),
        ]),
        outputs: Outputs::after_create(&["host", "port", "address", "url"], &[]),
        usually: Milliseconds(10),
        ..rules("local/address", "a service's own address on this machine, which stays")
    }
}

fn route() -> KindRules {
    KindRules {
        fields: fields(&[("address.*", Field::in_place(FieldType::Text)), ("to.*", Field::in_place(words()))]),
        role: Role::Route,
        create: Create::Repeatable,
        usually: Milliseconds(10),
        ..rules("local/route", "who stands behind a service's address")
    }
}

fn entrypoint() -> KindRules {
    let mut all = entrypoint_fields();
    all.extend(fields(&[("service", Field::in_place(FieldType::Text))]));
    KindRules {
        fields: all,
        outputs: Outputs::after_create(&["url", "host", "port"], &[]),
        role: Role::Route,
        create: Create::Repeatable,
        usually: Milliseconds(10),
        expand: expand_entrypoint,
        ..rules("local/entrypoint", "a way in from outside, by name on this machine's proxy")
    }
}

/// It forwards to the backends of the route, and so is not touched by a roll.
fn expand_entrypoint(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let mut expanded = Expanded::one(component, &["url", "host", "port"]);
    let Some(words) = EntrypointWords::read(component) else { return (expanded, Diagnostics::new()) };
    let service = Component {
        address: Address { name: component.address.stack.clone(), part: None, ..component.address.clone() },
        ..component.clone()
    };
    let part = |part: &str| service.process_part(words.process.as_ref(), part);
    let output = of_port("address", &words.port);
    for node in &mut expanded.nodes {
        if let Value::Map(fields) = &mut node.fields {
            ["process", "port", "number"].iter().for_each(|key| {
                fields.remove(*key);
            });
            fields.insert("service".to_owned(), Value::output(part("address"), output.clone()));
        }
        node.needs.insert(Need::Ready(part("route")));
    }
    (expanded, Diagnostics::new())
}

fn postgres() -> KindRules {
    KindRules {
        fields: fields(&[
            ("version", Field::fixed(FieldType::Whole(9, 99))),
            ("database", Field::fixed(FieldType::Text)),
            ("username", Field::fixed(FieldType::Text)),
            ("password", Field::in_place(FieldType::Text).secret()),
            ("settings.*", Field::in_place(FieldType::Text)),
        ]),
        outputs: Outputs::after_create(
            &["url", "host", "port", "address", "database", "username", "password", "version"],
            &["url", "password"],
        ),
        data: Data::HoldsData,
        replace: Replace::Never,
        usually: Milliseconds::seconds(2),
        within: Milliseconds::seconds(120),
        expand: expand_postgres,
        ..rules("local/postgres", "a PostgreSQL server of this machine, with its own data folder")
    }
}

fn expand_postgres(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let address = &component.address;
    let named = |key: &str, default: &str| match component.fields.get(key) {
        Some(value) => value.clone(),
        None => Value::from(default.replace('-', "_")),
    };
    let stack = &component.made_as().stack;
    let (database, username) = (named("database", stack), named("username", stack));
    let secret = component.made_secret("password");
    let password = |encode| component.made_secret_piece("password", encode);

    let mut made = component.clone();
    let given = made.fields.get("password").cloned();
    let mut generate = BTreeMap::new();
    if given.is_none() {
        generate.insert(secret.clone(), PASSWORD_LENGTH);
    }
    let password_value = given.clone().unwrap_or_else(|| Value::Expr(vec![password(false)]));
    made.fields.put(&FieldPath::fixed("database"), database.clone());
    made.fields.put(&FieldPath::fixed("username"), username.clone());
    made.fields.put(&FieldPath::fixed("password"), password_value.clone());

    let mut expanded = Expanded::one(&made, &["host", "port", "address", "version"]);
    let output = |name| Piece::Output { of: address.clone(), name: Name::fixed(name), encode: false };
    let pieces = |value: &Value| match value {
        Value::Expr(pieces) => pieces.clone(),
        Value::Text(text) => vec![Piece::Text(text.clone())],
        other => vec![Piece::Text(other.to_text())],
    };
    let mut url = vec![Piece::Text("postgres://".into())];
    url.extend(pieces(&username));
    url.push(Piece::Text(":".into()));
    match given {
        None => url.push(password(true)),
        Some(given) => url.extend(pieces(&given)),
    }
    url.extend([Piece::Text("@".into()), output("address"), Piece::Text("/".into())]);
    url.extend(pieces(&database));
    let answers =
        [("database", database), ("username", username), ("password", password_value), ("url", Value::expr(url))];
    expanded.outputs.extend(answers.into_iter().map(|(name, value)| (Name::fixed(name), value)));
    expanded.generate = generate;
    (expanded, Diagnostics::new())
}

fn folder() -> KindRules {
    KindRules {
        fields: volume_fields(),
        outputs: Outputs::after_create(&["path"], &[]),
        data: Data::HoldsData,
        replace: Replace::Never,
        usually: Milliseconds(10),
        expand: |component, _| (Expanded::one(component, &["path"]), Diagnostics::new()),
        ..rules("local/folder", "a folder of this machine whose files last")
    }
}

fn volume() -> KindRules {
    KindRules {
        makes: &["local/folder"],
        expand: |component, _| {
            let made = Component { kind: Kind::fixed("local/folder"), ..component.clone() };
            (Expanded::one(&made, &["path"]), refuse_each(component))
        },
        ..KindRules { kind: Kind::fixed("local/volume"), ..folder() }
    }
}
