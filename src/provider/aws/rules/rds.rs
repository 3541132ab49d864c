//! `aws/rds`: a database with its subnet group and parameter group.

use super::{fields, kept, rules, text, texts};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::{
    Component, Data, Expanded, Field, FieldType, KindRules, Known, Need, Node, Output, Outputs, Replace, WorldFields,
};
use crate::model::{Address, FieldPath, Kind, Milliseconds, Name, Piece, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A generated password's length: RDS takes 8 to 41 for MySQL and up to 128 for PostgreSQL.
const PASSWORD_LENGTH: u32 = 32;
/// What RDS sells at least, in GiB, of general purpose storage.
const STORAGE_MIN: i64 = 20;
/// And at most.
const STORAGE_MAX: i64 = 65_536;

pub(super) fn kinds() -> Vec<KindRules> {
    vec![rds(), subnet_group(), parameter_group(), instance()]
}

/// What is said of a database, as one thing or as its instance.
fn instance_fields() -> Vec<(&'static str, Field)> {
    vec![
        ("engine", Field::fixed(FieldType::OneOf(&["postgres", "mysql", "mariadb"])).required()),
        ("engine_version", Field::in_place(text())),
        ("instance_class", Field::in_place(text()).required()),
        ("allocated_storage", Field::grow_only(FieldType::Whole(STORAGE_MIN, STORAGE_MAX)).required()),
        ("storage_type", Field::in_place(FieldType::OneOf(&["gp2", "gp3", "io1", "io2"]))),
        ("storage_encrypted", Field::fixed(FieldType::Flag)),
        ("kms_key", Field::fixed(text())),
        ("multi_az", Field::in_place(FieldType::Flag)),
        ("publicly_accessible", Field::in_place(FieldType::Flag)),
        ("backup_retention_period", Field::in_place(FieldType::Whole(0, 35))),
        ("backup_window", Field::in_place(text())),
        ("maintenance_window", Field::in_place(text())),
        ("auto_minor_version_upgrade", Field::in_place(FieldType::Flag)),
        ("security_groups", Field::in_place(texts())),
        ("database", Field::fixed(text())),
        ("username", Field::fixed(text())),
        ("password", Field::in_place(text()).secret()),
        ("port", Field::in_place(FieldType::Whole(1150, 65_535))),
    ]
}

fn rds() -> KindRules {
    let mut all = instance_fields();
    all.extend([("parameter_group.*", Field::in_place(text())), ("subnets", Field::in_place(texts()).required())]);
    KindRules {
        fields: fields(&all),
        outputs: Outputs::after_create(
            &["url", "host", "port", "address", "database", "username", "password"],
            &["url", "password"],
        )
        .whole(&["port"]),
        data: Data::HoldsData,
        replace: Replace::Never,
        usually: Milliseconds::seconds(360),
        within: Milliseconds::seconds(3600),
        makes: &["aws/rds-instance", "aws/rds-parameter-group", "aws/rds-subnet-group"],
        expand,
        ..rules("aws/rds", "a database of RDS, with its groups")
    }
}

/// `CreateDBInstance` has no client token: a second create of the same name is refused (DbInstanceAlreadyExists).
fn instance() -> KindRules {
    let mut all = instance_fields();
    all.extend([("subnet_group", Field::in_place(text()).required()), ("parameter_group", Field::in_place(text()))]);
    let output = |ty| Output { secret: false, ty, known: Known::AfterCreate };
    let outputs = [("host", output(FieldType::Text)), ("port", output(FieldType::Whole(1, 65_535)))];
    KindRules {
        fields: fields(&all),
        outputs: Outputs::Fixed(outputs.into_iter().map(|(name, output)| (Name::fixed(name), output)).collect()),
        data: Data::HoldsData,
        replace: Replace::Never,
        usually: Milliseconds::seconds(360),
        within: Milliseconds::seconds(3600),
        ..rules("aws/rds-instance", "a database instance")
    }
}

fn subnet_group() -> KindRules {
    KindRules {
        fields: fields(&[("subnets", Field::in_place(texts()).required())]),
        outputs: Outputs::from_identity(&["name"]),
        usually: Milliseconds::seconds(2),
        ..rules("aws/rds-subnet-group", "the subnets that a database lies in")
    }
}

/// Its family is fixed; a successor stands beside it until the instance has moved.
fn parameter_group() -> KindRules {
    KindRules {
        fields: fields(&[("family", Field::fixed(text()).required()), ("parameters.*", Field::in_place(text()))]),
        outputs: Outputs::from_identity(&["name"]),
        replace: Replace::CreateFirst,
        usually: Milliseconds::seconds(5),
        ..rules("aws/rds-parameter-group", "how a database engine is set")
    }
}

fn expand(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let mut found = Diagnostics::new();
    let mut making = Making { component, nodes: Vec::new() };
    let region = component.field("region").cloned();
    let subnet_group = making.node(
        "subnet-group",
        "aws/rds-subnet-group",
        kept([("subnets", component.field("subnets").cloned()), ("region", region.clone())]),
    );
    let parameters = component.field("parameter_group").filter(|group| group.entries().next().is_some());
    let parameter_group = parameters.and_then(|parameters| {
        let family = family(component, &mut found)?;
        let fields = kept([
            ("family", Some(Value::from(family))),
            ("parameters", Some(parameters.clone())),
            ("region", region.clone()),
        ]);
        Some(making.node("parameter-group", "aws/rds-parameter-group", fields))
    });
    let expanded = making.instance(&subnet_group, parameter_group.as_ref());
    (expanded, found)
}

/// The family that a parameter group is of: `postgres17`, `mysql8.0`.
fn family(component: &Component, found: &mut Diagnostics) -> Option<String> {
    let text = |key: &str| component.field(key).and_then(Value::as_text);
    let engine = text("engine")?;
    let Some(version) = text("engine_version") else {
        let detail = "a parameter group is of one major version: say engine_version";
        let mut mistake = Diagnostic::error("field-missing", "field missing", detail);
        mistake.place = component
            .places
            .iter()
            .find(|(path, _)| path.is_covered_by(&FieldPath::fixed("parameter_group")))
            .map(|(_, place)| place.clone());
        found.push(mistake);
        return None;
    };
    let parts = if engine == "postgres" { 1 } else { 2 };
    let major: Vec<&str> = version.split('.').take(parts).collect();
    Some(format!("{engine}{}", major.join(".")))
}

struct Making<'c> {
    component: &'c Component,
    nodes: Vec<Node>,
}

impl Making<'_> {
    fn node(&mut self, part: &str, kind: &'static str, fields: Value) -> Address {
        let address = self.component.part(part);
        let needs: BTreeSet<Need> = self.component.after.iter().cloned().map(Need::Ready).collect();
        self.nodes.push(Node {
            address: address.clone(),
            kind: Kind::fixed(kind),
            fields,
            needs,
            health: None,
            once_for: None,
            data: Data::Stateless,
            update: None,
            was: None,
        });
        address
    }

    fn instance(mut self, subnet_group: &Address, parameter_group: Option<&Address>) -> Expanded {
        let component = self.component;
        let text_or =
            |key: &str, default: String| component.field(key).cloned().unwrap_or_else(|| Value::from(default));
        let database = text_or("database", component.identifier());
        let username = text_or("username", component.identifier());
        let given = component.field("password").cloned();
        let mut generate = BTreeMap::new();
        if given.is_none() {
            generate.insert(component.made_secret("password"), PASSWORD_LENGTH);
        }
        let password = given.unwrap_or_else(|| Value::Expr(vec![component.made_secret_piece("password", false)]));
        let mut fields = component.fields.clone();
        if let Value::Map(fields) = &mut fields {
            fields.remove("subnets");
            fields.remove("parameter_group");
            let group = |address: &Address| Value::output(address.clone(), Name::fixed("name"));
            fields.insert("subnet_group".to_owned(), group(subnet_group));
            fields.extend(parameter_group.map(|address| ("parameter_group".to_owned(), group(address))));
            fields.insert("database".to_owned(), database.clone());
            fields.insert("username".to_owned(), username.clone());
            fields.insert("password".to_owned(), password.clone());
        }
        let needs =
            [Some(subnet_group), parameter_group].into_iter().flatten().cloned().map(Need::Ready).collect::<Vec<_>>();
        let address = self.node("instance", "aws/rds-instance", fields);
        let instance = self.nodes.last_mut().expect("it was just made");
        instance.data = component.data;
        instance.needs.extend(needs);
        let outputs = outputs(component, &address, [database, username, password]);
        Expanded { nodes: self.nodes, outputs, generate }
    }
}

fn outputs(component: &Component, instance: &Address, said: [Value; 3]) -> BTreeMap<Name, Value> {
    let [database, username, password] = said;
    let output = |name: &'static str| Piece::Output { of: instance.clone(), name: Name::fixed(name), encode: false };
    let scheme = match component.field("engine").and_then(Value::as_text) {
        Some("mysql" | "mariadb") => "mysql",
        _ => "postgres",
    };
    let text = |text: &str| Piece::Text(text.to_owned());
    let address = vec![output("host"), text(":"), output("port")];
    let mut url = vec![text(&format!("{scheme}://"))];
    url.extend(pieces(&username, true));
    url.push(text(":"));
    url.extend(pieces(&password, true));
    url.push(text("@"));
    url.extend(address.clone());
    url.push(text("/"));
    url.extend(pieces(&database, false));
    let outputs = [
        ("host", Value::Expr(vec![output("host")])),
        ("port", Value::Expr(vec![output("port")])),
        ("address", Value::expr(address)),
        ("url", Value::expr(url)),
        ("database", database),
        ("username", username),
        ("password", password),
    ];
    outputs.into_iter().map(|(name, value)| (Name::fixed(name), value)).collect()
}

/// A value as pieces of a URL.
fn pieces(value: &Value, encode: bool) -> Vec<Piece> {
    match value {
        Value::Expr(pieces) => pieces.iter().map(|piece| encoded(piece, encode)).collect(),
        known => vec![Piece::Text(known.to_text())],
    }
}

fn encoded(piece: &Piece, encode: bool) -> Piece {
    match piece.clone() {
        Piece::Output { of, name, .. } => Piece::Output { of, name, encode },
        Piece::Secret { name, key, .. } => Piece::Secret { name, key, encode },
        other => other,
    }
}
