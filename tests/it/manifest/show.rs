//! A manifest as stable text: a line for everything that it says, with the place where it says so.

use deployd::diagnostic::Place;
use deployd::document::{Map, Node, Shape, Spanned};
use deployd::manifest::{
    Artifact, FileContent, Health, Manifest, Port, Probe, Process, Replicas, Scale, Text, TextPart, Update, Wants,
};
use std::fmt::Display;

/// Everything that a manifest says.
pub fn manifest(manifest: &Manifest) -> String {
    let mut lines = Lines(Vec::new());
    lines.add("service", &manifest.service);
    lines.maybe("description", manifest.description.as_ref());
    for (key, value) in &manifest.labels {
        lines.add(&format!("labels.{key}"), value);
    }
    for world in manifest.worlds.iter().flatten() {
        lines.add("worlds", world);
    }
    lines.maybe("was", manifest.was.as_ref());
    lines.maybe("folder", manifest.folder.as_ref());
    artifact(manifest.artifact.as_ref(), &mut lines);
    if let Some(prepare) = &manifest.prepare {
        prepare.run.iter().for_each(|command| lines.add_debug("prepare", command));
        prepare.inputs.iter().for_each(|path| lines.add("prepare.inputs", path));
    }
    if let Some(test) = &manifest.test {
        lines.add_debug("test", test);
    }
    process("", &manifest.main, &mut lines);
    lines.maybe("user", manifest.user.as_ref());
    given(manifest, &mut lines);
    for (name, other) in &manifest.processes {
        process(&format!("processes.{name}."), other, &mut lines);
    }
    for (name, task) in &manifest.tasks {
        lines.add_debug(&format!("tasks.{name}.run"), &task.run);
        lines.maybe(&format!("tasks.{name}.schedule"), task.schedule.as_ref());
        scale(&format!("tasks.{name}."), &task.scale, &mut lines);
    }
    requirements(manifest, &mut lines);
    entrypoints(manifest, &mut lines);
    migrations(manifest, &mut lines);
    if let Some(update) = &manifest.update {
        lines.add("update", &Spanned::new(show_update(update), &update.place));
    }
    for overlay in &manifest.overlays {
        lines.at(&format!("in.{}", overlay.when), "", &overlay.place);
    }
    lines.0.concat()
}

struct Lines(Vec<String>);

impl Lines {
    fn at(&mut self, key: &str, value: &str, place: &Place) {
        let start = format!("{key} {value}").trim_end().to_owned();
        self.0.push(format!("{start:<68} {}:{}+{}\n", place.line, place.column, place.length));
    }
    fn add<T: Display>(&mut self, key: &str, value: &Spanned<T>) {
        self.at(key, &format!("= {}", value.value), &value.place);
    }
    fn add_debug<T: std::fmt::Debug>(&mut self, key: &str, value: &Spanned<T>) {
        self.at(key, &format!("= {:?}", value.value), &value.place);
    }
    fn maybe<T: Display>(&mut self, key: &str, value: Option<&Spanned<T>>) {
        if let Some(value) = value {
            self.add(key, value);
        }
    }
}

fn artifact(artifact: Option<&Artifact>, lines: &mut Lines) {
    match artifact {
        None => {}
        Some(Artifact::Image(image)) => lines.add("image", image),
        Some(Artifact::Site(site)) => {
            lines.add("site.folder", &site.folder);
            lines.maybe("site.fallback", site.fallback.as_ref());
        }
        Some(Artifact::Build(build)) => {
            lines.add("build.context", &build.context);
            lines.maybe("build.dockerfile", build.dockerfile.as_ref());
            lines.maybe("build.target", build.target.as_ref());
            lines.maybe("build.platform", build.platform.as_ref());
            for (key, value) in &build.args {
                lines.add(&format!("build.args.{key}"), value);
            }
            build.secrets.iter().for_each(|secret| lines.add("build.secrets", secret));
        }
    }
}

fn process(prefix: &str, process: &Process, lines: &mut Lines) {
    if let Some(run) = &process.run {
        lines.add_debug(&format!("{prefix}run"), run);
    }
    for Port { name, number, protocol } in &process.ports {
        lines.at(
            &format!("{prefix}ports.{}", name.value),
            &format!("= {} {}", number.value, protocol.as_str()),
            &number.place,
        );
    }
    match process.health.as_ref().map(|health| (&health.value, &health.place)) {
        None => {}
        Some((Health::None, place)) => lines.at(&format!("{prefix}health"), "= none", place),
        Some((Health::Check(check), _)) => {
            let probe = match &check.probe.value {
                Probe::Http(path) => format!("http {path}"),
                Probe::Tcp => "tcp".to_owned(),
                Probe::Grpc(service) => format!("grpc {service:?}"),
                Probe::Command(command) => format!("command {command:?}"),
            };
            lines.at(&format!("{prefix}health"), &format!("= {probe}"), &check.probe.place);
            lines.maybe(&format!("{prefix}health.port"), check.port.as_ref());
            lines.maybe(&format!("{prefix}health.within"), check.within.as_ref());
            lines.maybe(&format!("{prefix}health.every"), check.every.as_ref());
            lines.maybe(&format!("{prefix}health.restart_after"), check.restart_after.as_ref());
        }
    }
    scale(prefix, &process.scale, lines);
    lines.maybe(&format!("{prefix}stop"), process.stop.as_ref());
}

fn scale(prefix: &str, scale: &Scale, lines: &mut Lines) {
    match scale.replicas.as_ref().map(|replicas| (&replicas.value, &replicas.place)) {
        None => {}
        Some((Replicas::Fixed(count), place)) => {
            lines.at(&format!("{prefix}scale.replicas"), &format!("= {count}"), place)
        }
        Some((Replicas::Between { min, max, cpu }, _)) => {
            lines.add(&format!("{prefix}scale.replicas.min"), min);
            lines.add(&format!("{prefix}scale.replicas.max"), max);
            lines.add(&format!("{prefix}scale.replicas.cpu"), cpu);
        }
    }
    lines.maybe(&format!("{prefix}scale.cpu"), scale.cpu.as_ref());
    lines.maybe(&format!("{prefix}scale.memory"), scale.memory.as_ref());
}

/// Variables, secrets and files.
fn given(manifest: &Manifest, lines: &mut Lines) {
    for (name, variable) in &manifest.env {
        let value = variable.value.value.as_ref().map_or("null".to_owned(), show_text);
        lines.at(&format!("env.{name}"), &format!("= {value}"), &variable.value.place);
    }
    for (variable, secret) in &manifest.secrets {
        lines.add(&format!("secrets.{variable}"), &secret.secret);
        lines.maybe(&format!("secrets.{variable}.key"), secret.key.as_ref());
    }
    for (name, file) in &manifest.files {
        match &file.content {
            FileContent::From(path) => lines.add(&format!("files.{name}.from"), path),
            FileContent::Text(text) => {
                lines.at(&format!("files.{name}.text"), &format!("= {}", show_text(text)), &text.place)
            }
        }
        lines.maybe(&format!("files.{name}.at"), file.at.as_ref());
    }
}

fn show_text(text: &Text) -> String {
    let parts = text.parts.iter().map(|part| match part {
        TextPart::Plain(plain) => format!("{plain:?}"),
        TextPart::Named(named) => {
            format!("${{{}}}@{}:{}+{}", named.value, named.place.line, named.place.column, named.place.length)
        }
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { "\"\"".to_owned() } else { parts.join(" ") }
}

fn requirements(manifest: &Manifest, lines: &mut Lines) {
    for requirement in &manifest.requires {
        let prefix = format!("requires.{}", requirement.name.value);
        match &requirement.wants {
            Wants::Of(of) => lines.add(&format!("{prefix}.of"), of),
            Wants::Service(service) => lines.add(&format!("{prefix}.service"), service),
            Wants::Slug { slug, with, shared } => {
                lines.add(&format!("{prefix}.use"), slug);
                show_map(&format!("{prefix}.with"), with, lines);
                lines.maybe(&format!("{prefix}.shared"), shared.as_ref());
            }
        }
        lines.maybe(&format!("{prefix}.was"), requirement.was.as_ref());
        lines.maybe(&format!("{prefix}.wait"), requirement.wait.as_ref());
    }
}

fn show_map(prefix: &str, map: &Map, lines: &mut Lines) {
    for entry in &map.entries {
        show_node(&format!("{prefix}.{}", entry.key.value), &entry.value, lines);
    }
}

fn show_node(key: &str, node: &Node, lines: &mut Lines) {
    match &node.shape {
        Shape::Scalar(scalar) => lines.at(key, &format!("= {:?} {:?}", scalar.text, scalar.style), &node.place),
        Shape::List(items) => items.iter().for_each(|item| show_node(&format!("{key}[]"), item, lines)),
        Shape::Map(map) => show_map(key, map, lines),
    }
}

fn entrypoints(manifest: &Manifest, lines: &mut Lines) {
    for (name, entrypoint) in &manifest.entrypoints {
        let prefix = format!("entrypoints.{name}");
        lines.at(&prefix, "", &entrypoint.name.place);
        lines.maybe(&format!("{prefix}.host"), entrypoint.host.as_ref());
        lines.maybe(&format!("{prefix}.path"), entrypoint.path.as_ref());
        entrypoint.gates.iter().flatten().for_each(|gate| lines.add(&format!("{prefix}.gates"), gate));
        lines.maybe(&format!("{prefix}.port"), entrypoint.port.as_ref());
        lines.maybe(&format!("{prefix}.process"), entrypoint.process.as_ref());
        lines.maybe(&format!("{prefix}.timeout"), entrypoint.timeout.as_ref());
    }
}

fn migrations(manifest: &Manifest, lines: &mut Lines) {
    for migration in &manifest.migrate {
        lines.add_debug("migrate.run", &migration.run);
        lines.maybe("migrate.for", migration.of.as_ref());
        if let Some(mode) = &migration.mode {
            lines.add("migrate.mode", &Spanned::new(mode.value.as_str(), &mode.place));
        }
        migration.when.iter().for_each(|glob| lines.add("migrate.when", glob));
        if let Some(undo) = &migration.undo {
            lines.add_debug("migrate.undo", undo);
        }
    }
}

fn show_update(update: &Update) -> String {
    match update {
        Update::Rolling { at_once } => format!("rolling {:?}", at_once.as_ref().map(|count| count.value)),
        Update::BlueGreen { keep } => format!("blue-green {:?}", keep.as_ref().map(|keep| keep.value.to_string())),
        Update::AppendOnly { keep } => format!("append-only {:?}", keep.as_ref().map(|count| count.value)),
    }
}
