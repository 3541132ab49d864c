//! One stack while it is resolved: what was made so far, and how a slug becomes components.

use super::choose::{Chosen, choose};
use super::environment;
use super::evaluate::{self, Names};
use super::fields::{self, Fields};
use super::names::{Answered, DefinitionNames, Required};
use super::origins::{About, Asked as AskedFor};
use super::substitute::substitute;
use super::why_not::Misfit;
use super::with::With;
use super::words::Words;
use super::{Offers, Others};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::{Entry, Map, Node, Spanned};
use crate::graph::{self, Component, Data, ExportedOutputs, Import};
use crate::manifest::{Manifest, Wants, is_word, read_words};
use crate::model::{Address, FieldPath, Kind, Name, SecretName, StackId, Value};
use crate::repository::Definition;
use std::collections::{BTreeMap, BTreeSet};

/// One stack while it is resolved.
pub(super) struct Building<'r> {
    pub offers: &'r Offers,
    pub others: &'r Others,
    pub stack: StackId,
    pub components: Vec<graph::Asked>,
    pub about: BTreeMap<Address, About>,
    pub imports: BTreeSet<Import>,
    /// Where each is required.
    pub import_places: BTreeMap<Address, Place>,
    pub generate: BTreeMap<SecretName, u32>,
    /// What could not be made.
    pub unmade: BTreeSet<Address>,
    /// Every slug that something was made of.
    pub slugs: BTreeSet<Name>,
    pub misfits: Vec<Misfit>,
    /// What other stacks do not offer yet.
    pub not_offered: BTreeSet<Address>,
    /// What was said before an overlay said otherwise.
    pub overridden: BTreeMap<Place, (Place, Value)>,
    pub found: Diagnostics,
    /// The slugs whose parts are being made: one that comes again is made of itself.
    going: Vec<Name>,
}

/// What is to be made of a slug.
pub(super) struct Make<'m> {
    /// Where.
    pub address: Address,
    /// What it is called by whoever requires it.
    pub requirement: &'m Name,
    /// The definition and choice.
    pub chosen: &'m Chosen,
    /// The slug, where it is required.
    pub slug: &'m Spanned<Name>,
    /// What is set of it.
    pub with: &'m Map,
    /// What references in that mean.
    pub names: &'m dyn Names,
    /// Whether other stacks may use it.
    pub shared: bool,
    /// Where it stood before.
    pub was: Option<Address>,
}

/// How many definitions may be parts of each other. People need two.
const PARTS_DEPTH_MAX: usize = 8;

impl<'r> Building<'r> {
    pub fn new(offers: &'r Offers, others: &'r Others, stack: Name) -> Building<'r> {
        Building {
            stack: StackId::new(offers.world.name.value.clone(), stack),
            offers,
            others,
            components: Vec::new(),
            about: BTreeMap::new(),
            imports: BTreeSet::new(),
            import_places: BTreeMap::new(),
            generate: BTreeMap::new(),
            unmade: BTreeSet::new(),
            slugs: BTreeSet::new(),
            misfits: Vec::new(),
            not_offered: BTreeSet::new(),
            overridden: BTreeMap::new(),
            found: Diagnostics::new(),
            going: Vec::new(),
        }
    }

    /// What a slug will be, before it is made: so that requirements can refer to each other in any order.
    pub fn choose(
        &mut self,
        requirement: &Name,
        slug: &Spanned<Name>,
        refers: &BTreeSet<Name>,
        address: &Address,
    ) -> (Option<Chosen>, Required) {
        let chosen = choose(self.offers, requirement, slug, refers, &mut self.misfits, &mut self.found);
        let outputs = match &chosen {
            Some(chosen) => Answered::Known(chosen.used.exports.keys().cloned().collect()),
            None => {
                self.unmade.insert(address.clone());
                Answered::Untold
            }
        };
        let required = Required { address: address.clone(), outputs, place: slug.place.clone(), is_service: false };
        (chosen, required)
    }

    /// Makes the component of a slug, and those of its parts.
    pub fn make(&mut self, make: &Make<'_>) {
        let used = &make.chosen.used;
        let asked = &make.chosen.asked;
        self.slugs.extend([&asked.slug, &used.slug].into_iter().chain(&asked.ancestors).cloned());
        let before = self.found.len();
        let set = With::read(asked, make.slug, make.with, make.names, &mut self.found);
        let with = if used.slug == asked.slug { set } else { set.for_stand_in(used) };
        let mut component = self.component(make);
        let parts = self.parts(make, &component, &with);
        component.after.extend(parts.values().map(|part| part.address.clone()));
        let made = Made { definition: used, with: &with, parts: &parts };
        let is_service = self.choice_kind(make).as_str() == "deploy/service";
        let (fields, arrived) = match is_service {
            true => self.words_fields(make, &component, &made),
            false => (self.kind_fields(make, &component, &made), BTreeSet::new()),
        };
        component.places.extend(fields.places);
        component.fields = fields.value;
        if is_service {
            component.health = graph::words::ServiceWords::read(&component).main().health.clone();
        }
        let mut exports = self.exports(&component, &made);
        let volume = Name::fixed("volume");
        let rules = self.offers.kinds.get(&component.kind);
        if !exports.contains_key(&volume)
            && self.choice_kind(make).as_str() == "deploy/volume"
            && rules.is_some_and(|rules| rules.output(&volume).is_some())
        {
            // What the room calls it is for the service's mounts alone: it arrives nowhere.
            exports.insert(volume.clone(), Value::output(component.address.clone(), volume));
        }
        for (key, generate) in &used.secrets {
            self.generate.insert(component.made_secret(key), generate.length);
        }
        if self.found.len() > before && self.found.has_errors() {
            self.unmade.insert(make.address.clone());
        }
        let about = About {
            kind: component.kind.clone(),
            asked: Some(AskedFor { slug: make.slug.clone(), requirement: make.requirement.clone() }),
            definition: Some(std::sync::Arc::clone(used)),
            choice: self.choice_kind(make),
            stands_in_for: (used.slug != asked.slug).then(|| asked.slug.clone()),
            asked_definition: Some(std::sync::Arc::clone(asked)),
            with,
            arrived,
        };
        self.about.insert(make.address.clone(), about);
        self.components.push(graph::Asked { component, exports: Some(exports), shared: make.shared });
    }

    fn choice_kind(&self, make: &Make<'_>) -> Kind {
        make.chosen.used.choices[make.chosen.fitting.choice].kind.value.clone()
    }

    fn component(&self, make: &Make<'_>) -> Component {
        let kind = make.chosen.fitting.kind.clone();
        let holds = self.offers.kinds.get(&kind).map_or(Data::Stateless, |rules| rules.data);
        let said = make.chosen.used.holds_data.as_ref().is_some_and(|said| said.value);
        Component {
            address: make.address.clone(),
            fields: Value::map(),
            places: BTreeMap::from([(FieldPath::root(), make.slug.place.clone())]),
            after: Vec::new(),
            health: None,
            update: None,
            content: None,
            data: if said { Data::HoldsData } else { holds },
            was: make.was.clone(),
            kind,
        }
    }

    /// The parts of a definition: `staging/docs/site.bucket`.
    fn parts(&mut self, make: &Make<'_>, component: &Component, with: &With) -> BTreeMap<Name, Required> {
        let used = &make.chosen.used;
        let requires = &used.choices[make.chosen.fitting.choice].requires;
        let mut parts = BTreeMap::new();
        if requires.is_empty() {
            return parts;
        }
        if let Some(from) = self.going.iter().position(|slug| *slug == used.slug) {
            let names: Vec<&str> = self.going[from..].iter().chain([&used.slug]).map(Name::as_str).collect();
            let detail = format!("these definitions are parts of each other: {}", names.join(" → "));
            self.found.push(Diagnostic::error("part-cycle", "parts in a circle", detail).at(&used.place));
            return parts;
        }
        if self.going.len() >= PARTS_DEPTH_MAX {
            let detail = format!("more than {PARTS_DEPTH_MAX} definitions are parts of each other");
            self.found.push(Diagnostic::error("too-deep", "too deep", detail).at(&used.place));
            return parts;
        }
        let mut chosen_parts = Vec::new();
        for part in requires {
            let name = &part.name.value;
            let address = component.part(name);
            match &part.wants {
                Wants::Slug { slug, with, .. } => {
                    let refers = used.refers(name);
                    let (chosen, required) = self.choose(name, slug, &refers, &address);
                    parts.insert(name.clone(), required);
                    chosen_parts.extend(chosen.map(|chosen| (part, address, slug, with, chosen)));
                }
                Wants::Of(of) => {
                    let required = self.import(&of.value, &of.place, true);
                    parts.insert(name.clone(), required);
                }
                Wants::Service(_) => {} // Told with its layer.
            }
        }
        self.going.push(used.slug.clone());
        for (part, address, slug, part_with, chosen) in chosen_parts {
            let world = &self.offers.world;
            let names = DefinitionNames { world, component, with, parts: &parts, of_process: false };
            let was = make
                .was
                .as_ref()
                .map(|was| Component { address: was.clone(), ..component.clone() }.part(&part.name.value));
            self.make(&Make {
                address,
                requirement: &part.name.value,
                chosen: &chosen,
                slug,
                with: part_with,
                names: &names,
                shared: false,
                was,
            });
        }
        self.going.pop();
        parts
    }

    /// What another stack offers, or the world has. What is not there yet is told.
    pub fn import(&mut self, of: &crate::manifest::Of, place: &Place, wait: bool) -> Required {
        let world = &self.offers.world;
        let name = of.requirement.as_ref().unwrap_or(&of.stack);
        let address = StackId::new(world.name.value.clone(), of.stack.clone()).address(name.clone());
        let required =
            |outputs| Required { address: address.clone(), outputs, place: place.clone(), is_service: false };
        if of.stack == self.stack.stack {
            let detail = format!("`{of}` is this stack's own: refer to it by its name");
            self.found.push(Diagnostic::error("of-itself", "of itself", detail).at(place));
            return required(Answered::Untold);
        }
        self.imports.insert(Import { of: address.clone(), wait });
        self.import_places.entry(address.clone()).or_insert_with(|| place.clone());
        if let Some(known) = self.others.outputs(&address) {
            return required(Answered::Known(known.clone()));
        }
        if of.requirement.is_none()
            && let Some(resource) = world.resources.get(&of.stack)
        {
            // What it answers is known from its definition, before it is made.
            let offered = self.offers.get(&resource.slug.value);
            let exports = offered.map(|offered| offered.definition.exports.keys().cloned().collect());
            return required(exports.map_or(Answered::Untold, Answered::Known));
        }
        self.not_offered.insert(address.clone());
        self.found.push(super::not_offered(of, self.offers, self.others, place));
        required(Answered::Untold)
    }

    /// Fields of a kind that a provider makes: the choice's, those beside it, and what the world says.
    fn kind_fields(&mut self, make: &Make<'_>, component: &Component, made: &Made<'_>) -> Fields {
        let choice = &made.definition.choices[make.chosen.fitting.choice];
        let names = made.names(self.offers, component, false);
        let Some(rules) = self.offers.rules(&choice.kind.value) else { return Fields::default() };
        if rules.answers_freely() && rules.fields.is_empty() {
            return anything(&choice.fields, &names, &mut self.found);
        }
        // What stands beside the choices and this kind lacks is left out: another choice has it.
        let mut fields = fields::of_kind(rules, &choice.fields, &names, &mut self.found);
        self.world_says(rules, &mut fields);
        self.template(rules, component, made, &mut fields);
        fields
    }

    /// What the world says of the capability stands where the definition says nothing.
    fn world_says(&mut self, rules: &graph::KindRules, fields: &mut Fields) {
        let world = &self.offers.world;
        let Some(capability) = world.capability(&rules.capability) else { return };
        for (key, value) in capability.settings.entries() {
            let path = FieldPath::root().join(key);
            if rules.fields.contains_key(&path)
                && !fields.has(&path)
                && let Some(place) = capability.places.get(&path)
            {
                fields.put(path, value.clone(), place);
            }
        }
        if capability.played_by.is_some() {
            return; // Nothing is made for real: what the real thing needs is not missed.
        }
        for key in crate::world::settings_of(&rules.capability) {
            let path = FieldPath::root().join(key);
            if rules.fields.get(&path).is_some_and(|field| field.required) && !fields.has(&path) {
                let detail = format!("{} needs `{key}`, and world {} says none", rules.kind, world.name.value);
                let mistake = Diagnostic::error("setting-missing", "setting missing", detail);
                let help = format!("write it under {} in {}", rules.capability, world.file);
                self.found.push(mistake.at(&capability.capability.place).help(help));
            }
        }
    }

    /// What a template is rendered with, and what its content is: a changed template is a changed field.
    fn template(&mut self, rules: &graph::KindRules, component: &Component, made: &Made<'_>, fields: &mut Fields) {
        let path = FieldPath::fixed("template");
        if !rules.fields.contains_key(&FieldPath::fixed("template_digest")) {
            return;
        }
        let Some(place) = fields.places.get(&path).cloned() else { return };
        let Some(name) = fields.value.get("template").and_then(Value::as_text).map(str::to_owned) else { return };
        let library = &self.offers.library;
        let repository = library.repository_of(&place.file).unwrap_or(&made.definition.repository);
        match library.template(repository, &name) {
            Some(digest) => fields.set("template_digest", Value::from(digest.to_string()), &place),
            None => {
                let detail = format!("repository {repository} has no file `{name}`");
                let mut mistake = Diagnostic::error("no-such-file", "no such file", detail).at(&place);
                mistake.help.extend(crate::diagnostic::did_you_mean(&name, library.templates(repository)));
                self.found.push(mistake);
            }
        }
        for (parameter, set) in &made.with.values {
            fields.put(FieldPath::fixed("values.with").join(parameter), set.value.clone(), &set.place);
        }
        for (key, generate) in &made.definition.secrets {
            let value = Value::Expr(vec![component.made_secret_piece(key, false)]);
            fields.put(FieldPath::fixed("values.secret").join(key), value, &generate.place);
        }
    }

    /// A manifest's own words, as a definition uses them.
    fn words_fields(&mut self, make: &Make<'_>, component: &Component, made: &Made<'_>) -> (Fields, BTreeSet<String>) {
        let choice = &made.definition.choices[make.chosen.fitting.choice];
        let others: Vec<&graph::KindRules> =
            made.definition.choices.iter().filter_map(|choice| self.offers.kinds.get(&choice.kind.value)).collect();
        let mut written = choice.fields.clone();
        written.entries.retain(|entry| {
            let path = FieldPath::root().join(&entry.key.value);
            is_word(&entry.key.value) || !others.iter().any(|rules| rules.field(&path).is_some())
        });
        let written = substitute(&written, made.with);
        let name = Spanned::new(component.address.name.clone(), &made.definition.place);
        let Some(manifest) = self.read_words(&name, &written, choice.parts.as_ref(), true) else {
            return (Fields::default(), BTreeSet::new());
        };
        let names = made.names(self.offers, component, true);
        let words = Words { manifest: &manifest, names: &names, files: None };
        let mut fields = words.fields(&mut self.found);
        let said = words.env(&mut self.found);
        let stack = &component.address.stack;
        let volumes: Vec<_> =
            choice.requires.iter().map(|part| (&part.name, component.part(&part.name.value))).collect();
        self.mounts(&volumes, &mut fields);
        let world = &self.offers.world;
        let arrived = environment::put(&mut fields, &manifest, world, stack, made.parts, said, &mut self.found);
        (fields, arrived)
    }

    /// Reads the words of a definition, and refuses those that only a manifest has. `parts`: what it requires. `whole`:
    /// nothing else is said of it.
    pub fn read_words(
        &mut self,
        name: &Spanned<Name>,
        written: &Map,
        parts: Option<&Node>,
        whole: bool,
    ) -> Option<Manifest> {
        for entry in written.entries.iter().filter(|entry| NOT_IN_DEFINITIONS.contains(&&*entry.key.value)) {
            let detail = format!("`{}` is a manifest's: a definition cannot say it", entry.key.value);
            self.found.push(Diagnostic::error("only-in-manifest", "only in a manifest", detail).at(&entry.key.place));
        }
        let mut written = written.clone();
        written.entries.retain(|entry| !NOT_IN_DEFINITIONS.contains(&&*entry.key.value));
        if let Some(parts) = parts {
            let key = Spanned::new("requires".into(), &parts.place);
            written.entries.push(Entry { key, value: parts.clone() });
        }
        read_words(name, &written, whole, &mut self.found)
    }

    fn exports(&mut self, component: &Component, made: &Made<'_>) -> ExportedOutputs {
        let names = made.names(self.offers, component, false);
        let mut exports = ExportedOutputs::new();
        for (name, export) in &made.definition.exports {
            let ty = graph::FieldType::Any;
            if let Some(value) = evaluate::field(&export.value, &ty, name, &names, &mut self.found) {
                exports.insert(name.clone(), value);
            }
        }
        exports
    }
}

/// Words that a definition cannot say: they are about a source's files, or about one manifest.
const NOT_IN_DEFINITIONS: [&str; 11] =
    ["worlds", "was", "in", "folder", "build", "prepare", "test", "site", "entrypoints", "tasks", "migrate"];

/// What the fields of a definition are made of.
struct Made<'m> {
    definition: &'m Definition,
    with: &'m With,
    parts: &'m BTreeMap<Name, Required>,
}

impl<'m> Made<'m> {
    fn names<'n>(&'n self, offers: &'n Offers, component: &'n Component, of_process: bool) -> DefinitionNames<'n>
    where
        'm: 'n,
    {
        DefinitionNames { world: &offers.world, component, with: self.with, parts: self.parts, of_process }
    }
}

/// What `existing` has: whatever is said.
fn anything(written: &Map, names: &dyn Names, found: &mut Diagnostics) -> Fields {
    let mut fields = Fields::default();
    for entry in &written.entries {
        let ty = graph::FieldType::Any;
        if let Some(value) = evaluate::field(&entry.value, &ty, &entry.key.value, names, found) {
            fields.set(&entry.key.value, value, &entry.value.place);
        }
    }
    fields
}
