//! The cases.

use super::bed::{Bed, Read};
use crate::cases;
use deployd::diagnostic::{Diagnostics, render_text};
use deployd::graph::{DesiredGraph, Need};
use deployd::model::{Name, Value};
use deployd::resolve::{self, Explanation, Link, MadeAs, Offers, Others, Resolved};
use std::fmt::Write;

#[test]
fn what_is_asked_is_resolved_as_the_cases_say() {
    cases::each("resolve", |folder| {
        let bed = Bed::of(folder);
        let ask = std::fs::read_to_string(folder.join("ask.txt")).unwrap_or_else(|_| "graph laptop\n".to_owned());
        let mut shown = String::new();
        for line in ask.lines().filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.splitn(5, ' ').collect();
            writeln!(shown, "# {line}").unwrap();
            answer(&bed, &words, &mut shown);
            shown.push('\n');
        }
        shown
    });
}

fn answer(bed: &Bed, words: &[&str], shown: &mut String) {
    let (offers, of_world) = bed.offers(words[1]);
    let tell = |found: Diagnostics, shown: &mut String| shown.push_str(&render_text(&found.sorted(), &bed.sources));
    let wrong = of_world.has_errors();
    if words[0] == "mistakes" {
        let mut all = of_world;
        all.extend(offers.as_ref().map(Offers::mistakes).unwrap_or_default());
        tell(all, shown);
        return;
    }
    tell(of_world, shown);
    let Some(offers) = offers.filter(|_| !wrong) else { return };
    match words {
        ["graph", _] => every(bed, &offers, shown, &mut |graph, shown| show_graph(graph, shown)),
        ["digest", _] => every(bed, &offers, shown, &mut |graph, shown| {
            writeln!(shown, "{} {}", graph.stack, graph.digest()).unwrap();
        }),
        ["explain", _, path @ ..] => explain(bed, &offers, path.first().copied(), shown),
        ["why-not", _] => why_not(bed, &offers, shown),
        ["slugs", _] => slugs(&offers, shown),
        ["resource", _, name, of @ ..] => {
            let name = Name::new(name).unwrap();
            let resource = match of {
                [slug, json] => {
                    let with: Value = serde_json::from_str(json).unwrap();
                    resolve::Resource::of_body(&name, &Name::new(slug).unwrap(), &with)
                }
                _ => resolve::Resource::of_world(&offers, &name).unwrap(),
            };
            let (resolved, mut found) = resolve::resolve_resource(&resource, &offers, &Others::default());
            let (graph, of_graph) = resolve::compile(&resolved, &offers, &Others::default());
            found.extend(of_graph);
            let wrong = found.has_errors();
            tell(found, shown);
            if !wrong {
                show_graph(&graph, shown);
            }
        }
        other => panic!("{other:?} is no question"),
    }
}

/// Every service of the source, each seeing what those before it offer; all mistakes first.
fn every(bed: &Bed, offers: &Offers, shown: &mut String, show: &mut dyn FnMut(&DesiredGraph, &mut String)) {
    let (manifests, mut found) = bed.manifests();
    let mut graphs: Vec<DesiredGraph> = Vec::new();
    let mut others = Others::default();
    for read in &manifests {
        let (_, graph, of_this) = one(read, offers, &others);
        found.extend(of_this);
        others.set(graph.stack.clone(), resolve::Offering::of(&graph));
        graphs.push(graph);
    }
    let wrong = found.has_errors();
    shown.push_str(&render_text(&found.sorted(), &bed.sources));
    if !wrong {
        graphs.iter().for_each(|graph| show(graph, shown));
    }
}

fn one(read: &Read, offers: &Offers, others: &Others) -> (Resolved, DesiredGraph, Diagnostics) {
    let (resolved, mut found) = resolve::resolve(&read.service(), offers, others);
    let (graph, of_graph) = resolve::compile(&resolved, offers, others);
    found.extend(of_graph);
    (resolved, graph, found)
}

fn explain(bed: &Bed, offers: &Offers, path: Option<&str>, shown: &mut String) {
    let (manifests, _) = bed.manifests();
    let (resolved, _, _) = one(&manifests[0], offers, &Others::default());
    match path {
        None => resolve::explain_all(&resolved, offers, None).iter().for_each(|one| show_explanation(one, shown)),
        Some(path) => match resolve::explain(&resolved, offers, path) {
            Ok(one) => {
                show_explanation(&one, shown);
                let may_set: Vec<&str> = one.may_set.iter().map(|name| name.as_str()).collect();
                writeln!(shown, "  may set [{}], owner {:?}", may_set.join(", "), one.owner).unwrap();
            }
            Err(mistake) => match resolve::explain_below(&resolved, offers, path) {
                below if below.is_empty() => shown.push_str(&render_text(&(*mistake).into(), &bed.sources)),
                below => below.iter().for_each(|one| show_explanation(one, shown)),
            },
        },
    }
}

fn show_explanation(one: &Explanation, shown: &mut String) {
    writeln!(shown, "{} {}: {} = {}", one.address.short(), one.kind, one.path, one.value).unwrap();
    assert!(!one.chain.is_empty(), "{} {} comes from nowhere", one.address, one.path);
    one.chain.iter().for_each(|link| writeln!(shown, "  {}", show_link(link)).unwrap());
}

fn show_link(link: &Link) -> String {
    let place = link.place.as_ref().map_or("nowhere".to_owned(), ToString::to_string);
    let value = link.value.as_ref().map_or(String::new(), |value| format!(": {value}"));
    format!("{:<8}{place}  {}{value}", link.how.as_str(), link.who)
}

fn why_not(bed: &Bed, offers: &Offers, shown: &mut String) {
    let (manifests, found) = bed.manifests();
    assert!(!found.has_errors(), "why-not is asked of what can be read");
    for read in &manifests {
        let (resolved, _, _) = one(read, offers, &Others::default());
        for misfit in &resolved.misfits {
            writeln!(shown, "{}", misfit.sentence(&offers.world)).unwrap();
            let nearest = misfit.nearest.iter();
            nearest.for_each(|nearest| {
                writeln!(shown, "  nearest: {}", nearest.sentence(&misfit.slug, &offers.world)).unwrap()
            });
            writeln!(shown, "  {}", serde_json::to_string(misfit).unwrap()).unwrap();
        }
    }
}

fn slugs(offers: &Offers, shown: &mut String) {
    for line in resolve::slugs(offers) {
        let made = match &line.made {
            MadeAs::Kind(kind) => kind.to_string(),
            MadeAs::StandsIn(of, kind) => format!("stands in: {of}, {kind}"),
            MadeAs::Nothing(needs) => format!("needs {needs:?}"),
        };
        let may_set = line.may_set.iter().map(|set| {
            let range = set.range.as_ref().map_or(String::new(), |range| format!(" {range}"));
            format!("{}{range}", set.name)
        });
        let outputs: Vec<&str> = line.outputs.iter().map(|name| name.as_str()).collect();
        writeln!(
            shown,
            "{} | {} | {made} | {} | {} | {}",
            line.slug,
            line.what.as_deref().unwrap_or("-"),
            may_set.collect::<Vec<_>>().join(", "),
            outputs.join(" "),
            line.place,
        )
        .unwrap();
    }
}

/// A graph as a person checks it: nodes in order, their needs and fields.
fn show_graph(graph: &DesiredGraph, shown: &mut String) {
    writeln!(shown, "{} {}", graph.stack, graph.digest().short()).unwrap();
    for node in graph.nodes.values() {
        write!(shown, "  {} {}", node.address.short(), node.kind).unwrap();
        if node.data == deployd::graph::Data::HoldsData {
            shown.push_str(", holds data");
        }
        if let Some(was) = &node.was {
            write!(shown, ", was {was}").unwrap();
        }
        if let Some(once_for) = &node.once_for {
            write!(shown, ", once for {}", once_for.short()).unwrap();
        }
        shown.push('\n');
        for need in &node.needs {
            let (word, address) = match need {
                Need::Ready(address) => ("ready", address),
                Need::Name(address) => ("name", address),
            };
            let shown_address = if address.stack == graph.stack.stack { address.short() } else { address.to_string() };
            writeln!(shown, "    needs {word} {shown_address}").unwrap();
        }
        if let Some(health) = &node.health {
            writeln!(shown, "    health {}", serde_json::to_string(health).unwrap()).unwrap();
        }
        if let Some(update) = &node.update {
            writeln!(shown, "    update {}", serde_json::to_string(update).unwrap()).unwrap();
        }
        let mut last = None;
        node.fields.visit(&mut |path, value| {
            // A list is one leaf, and is visited again for what is inside it.
            if last.as_ref() != Some(path) {
                writeln!(shown, "    {path} = {}", show_value(value)).unwrap();
            }
            last = Some(path.clone());
        });
    }
    for (address, outputs) in &graph.exports {
        writeln!(shown, "  exports {}", address.short()).unwrap();
        outputs.iter().for_each(|(name, value)| writeln!(shown, "    {name} = {}", show_value(value)).unwrap());
    }
    for import in &graph.imports {
        writeln!(shown, "  imports {}{}", import.of, if import.wait { "" } else { ", without waiting" }).unwrap();
    }
    for (name, length) in &graph.generate {
        writeln!(shown, "  generates {} of {length}", name.0).unwrap();
    }
}

fn show_value(value: &Value) -> String {
    use deployd::model::Piece;
    match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Expr(pieces) => {
            let mark = |encode: &bool| if *encode { "%" } else { "" };
            let shown = pieces.iter().map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Output { of, name, encode } => format!("${{{}.{name}{}}}", of.short(), mark(encode)),
                Piece::Own(name) => format!("${{own {name}}}"),
                Piece::Secret { name, key, encode } => {
                    let key = key.as_ref().map_or(String::new(), |key| format!(" {key}"));
                    format!("${{secret {}{key}{}}}", name.0, mark(encode))
                }
            });
            shown.collect()
        }
        Value::List(items) => format!("[{}]", items.iter().map(show_value).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {}", show_value(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => serde_json::to_string(other).unwrap(),
    }
}

/// A folder that is moved away, or a loop that finds nothing, would pass in silence.
#[test]
fn the_mistakes_are_all_there() {
    let named = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("bad-");
    let count = cases::folders("resolve").iter().filter(|path| named(path)).count();
    assert!(count >= 60, "only {count} cases of mistakes");
}
