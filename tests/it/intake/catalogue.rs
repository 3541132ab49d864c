//! Catalogues of files: what is read, what stands when files break or go, and whom a change concerns.

use deployd::contract::{File, FilePath, Whole};
use deployd::diagnostic::{Diagnostics, Severity};
use deployd::engine::{
    Catalogue, CatalogueReader, CompileAsk, Compiled, ConfigFiles, FileCatalogue, FolderRead, ManifestFile,
    ManifestFound,
};
use deployd::model::{Digest, Name, Value};
use deployd::resolve::Others;
use deployd::wiring;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

type Files = BTreeMap<FilePath, Arc<[u8]>>;

fn path(text: &str) -> FilePath {
    FilePath::new(text).unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn folder(files: &[(&str, &str)]) -> FolderRead {
    let files: Files = files.iter().map(|(at, text)| (path(at), Arc::from(text.as_bytes()))).collect();
    FolderRead::of(&Whole::Whole, files)
}

/// The files of a folder of the project.
fn of_project(of: &str) -> FolderRead {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(of);
    let mut files = Files::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let inside = entry.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.insert(path(&inside), Arc::from(std::fs::read(&entry).unwrap()));
            }
        }
    }
    FolderRead::of(&Whole::Whole, files)
}

fn reader() -> CatalogueReader {
    CatalogueReader::new(Arc::new(wiring::kinds()))
}

fn read(reader: &mut CatalogueReader, worlds: FolderRead, repositories: FolderRead) -> Arc<FileCatalogue> {
    reader.read(ConfigFiles { worlds, repositories }, &BTreeSet::new()).catalogue
}

fn codes(found: &Diagnostics) -> Vec<&'static str> {
    found.iter().filter(|one| one.severity == Severity::Error).map(|one| one.code.0).collect()
}

/// The manifests of a source with one file, by service.
fn manifests(catalogue: &FileCatalogue, at: &str, text: &str) -> BTreeMap<Name, Arc<ManifestFound>> {
    catalogue.manifests(&[(path(at), ManifestFile::of(text.as_bytes()))].into()).found
}

fn compile(catalogue: &FileCatalogue, world: &str, text: &str) -> Compiled {
    let found = manifests(catalogue, "deployd.yaml", text).into_values().next().unwrap();
    compile_found(catalogue, world, &found)
}

fn compile_found(catalogue: &FileCatalogue, world: &str, found: &ManifestFound) -> Compiled {
    let (files, others) = (BTreeMap::new(), Others::default());
    let ask = CompileAsk { manifest: found, content: Digest::of("content"), files: &files, others: &others };
    catalogue.compile(&name(world), &ask)
}

const EDGE: &str = "world: edge\ncapabilities: { deploy:local: {} }\nrepositories: [team]\n";
const TEAM: &str = "repository: team\ninherits: [builtin]\ndefinitions:\n  db: { inherits: postgres }\n";
const ASKS: &str =
    "service: shop\nrun: ./shop\nport: 8080\nrequires: [{ store: db }]\nenv: { URL: \"${store.url}\" }\n";

#[test]
fn without_files_there_is_the_laptop() {
    let catalogue = read(&mut reader(), FolderRead::Nothing, FolderRead::Nothing);
    assert_eq!(catalogue.worlds().keys().map(Name::as_str).collect::<Vec<_>>(), ["laptop"]);
    assert!(catalogue.mistakes().is_empty(), "{:?}", catalogue.mistakes());
    let hello = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello/deployd.yaml"));
    let compiled = compile(&catalogue, "laptop", &hello.unwrap().replace("[this-machine]", "[]"));
    assert_eq!(codes(&compiled.said), [""; 0], "{:?}", compiled.said);
    let graph = compiled.graph.unwrap();
    assert!(graph.nodes.values().any(|node| node.kind.as_str() == "local/process"));
    assert_eq!(codes(&compile(&catalogue, "lapptop", ASKS).said), ["no-such-world"]);
}

#[test]
fn the_projects_own_worlds_have_no_mistakes_and_take_the_guestbook() {
    let catalogue = read(&mut reader(), of_project("worlds"), of_project("repositories"));
    assert!(catalogue.mistakes().is_empty(), "{:?}", catalogue.mistakes());
    let guestbook =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guestbook/deployd.yaml"));
    let guestbook = guestbook.unwrap();
    let compiled = compile(&catalogue, "laptop", &guestbook);
    assert_eq!(codes(&compiled.said), [""; 0], "{:?}", compiled.said);
    assert!(compiled.slugs.contains("postgres-rds-highmem"), "{:?}", compiled.slugs);
    assert!(compiled.resolved.is_some() && compiled.graph.is_some());
    assert!(catalogue.offers(&name("staging")).is_some());
    let text = catalogue.text("repositories/acme/postgres.yaml").unwrap();
    assert!(text.contains("repository: acme"));
}

#[test]
fn what_did_not_change_is_the_same() {
    let mut reader = reader();
    let first = read(&mut reader, folder(&[("edge.yaml", EDGE)]), folder(&[("team/a.yaml", TEAM)]));
    let files = ConfigFiles { worlds: folder(&[("edge.yaml", EDGE)]), repositories: folder(&[("team/a.yaml", TEAM)]) };
    let same = reader.read(files, &BTreeSet::new());
    assert!(!same.changed && Arc::ptr_eq(&first, &same.catalogue));

    // A comment is another file and the same world: nobody is concerned.
    let commented = format!("# ours\n{EDGE}");
    let second = read(&mut reader, folder(&[("edge.yaml", &commented)]), folder(&[("team/a.yaml", TEAM)]));
    let slugs: BTreeSet<Name> = [name("db")].into();
    let inputs = |catalogue: &FileCatalogue, world: &str| catalogue.inputs(&name(world), &slugs);
    assert_eq!(inputs(&first, "edge"), inputs(&second, "edge"));
    assert_eq!(first.worlds()[&name("edge")].digest, second.worlds()[&name("edge")].digest);

    // A definition concerns the worlds that see its repository, and no other.
    let other = TEAM.replace("{ inherits: postgres }", "{ inherits: postgres, description: ours }");
    let third = read(&mut reader, folder(&[("edge.yaml", EDGE)]), folder(&[("team/a.yaml", &other)]));
    assert_ne!(inputs(&second, "edge"), inputs(&third, "edge"));
    assert_eq!(inputs(&second, "laptop"), inputs(&third, "laptop"));
    assert!(Arc::ptr_eq(&second.offers(&name("laptop")).unwrap(), &third.offers(&name("laptop")).unwrap()));
}

#[test]
fn a_broken_repository_keeps_the_last_good_one_and_tells_all_mistakes() {
    let mut reader = reader();
    let worlds = || folder(&[("edge.yaml", EDGE)]);
    let good = read(&mut reader, worlds(), folder(&[("team/a.yaml", TEAM)]));
    let graph = compile(&good, "edge", ASKS).graph.unwrap();

    let broken = folder(&[("team/a.yaml", TEAM), ("team/b.yaml", "repository: teem\ndefinitons: {}\n")]);
    let after = read(&mut reader, worlds(), broken);
    assert_eq!(codes(&after.mistakes()), ["other-name", "unknown-key"], "{:?}", after.mistakes());
    let still = compile(&after, "edge", ASKS);
    assert_eq!(still.graph.as_deref(), Some(&*graph), "{:?}", still.said);

    // A mistake inside one definition is nobody's but its users'.
    let one = format!("{TEAM}  cache: {{ inherits: rediss }}\n");
    let after = read(&mut reader, worlds(), folder(&[("team/a.yaml", &one)]));
    assert_eq!(codes(&after.mistakes()), ["unknown-parent"]);
    assert!(compile(&after, "edge", ASKS).graph.is_some());
    let asks = ASKS.replace("store: db", "store: cache").replace("${store.url}", "x");
    assert!(compile(&after, "edge", &asks).graph.is_none());

    let mended = read(&mut reader, worlds(), folder(&[("team/a.yaml", TEAM)]));
    assert!(mended.mistakes().is_empty());
}

#[test]
fn a_broken_world_is_the_only_one_that_stands_still() {
    let mut reader = reader();
    let repositories = || folder(&[("team/a.yaml", TEAM)]);
    let other = EDGE.replace("world: edge", "world: shop");
    let good = read(&mut reader, folder(&[("edge.yaml", EDGE), ("shop.yaml", &other)]), repositories());
    let domain = |catalogue: &FileCatalogue, world: &str| {
        catalogue.offers(&name(world)).unwrap().world.domain().map(str::to_owned)
    };
    assert_eq!(domain(&good, "shop").as_deref(), Some("localhost"));
    for broken in ["world: edge\n  capabilities: [", "world: edge\ncapabilities: { deploy:lokal: {} }\n", ""] {
        let moved = format!("{other}domain: shop.example.com\n");
        let after = read(&mut reader, folder(&[("edge.yaml", broken), ("shop.yaml", &moved)]), repositories());
        assert!(after.mistakes().has_errors(), "{broken}");
        assert_eq!(domain(&after, "edge").as_deref(), Some("localhost"), "{broken}");
        assert_eq!(domain(&after, "shop").as_deref(), Some("shop.example.com"), "{broken}");
        assert!(compile(&after, "edge", ASKS).graph.is_some(), "{broken}");
    }
    // At a start there is no last good one: the world is told broken, and nothing is made in it.
    let fresh = read(&mut self::reader(), folder(&[("edge.yaml", "world: edge\n")]), repositories());
    assert!(fresh.mistakes().has_errors() && fresh.offers(&name("edge")).is_none());
    let fresh = read(&mut self::reader(), folder(&[("edge.yaml", EDGE)]), FolderRead::Nothing);
    assert!(fresh.mistakes().has_errors());
    assert!(compile(&fresh, "edge", ASKS).graph.is_none());
}

/// THREATS.md T20: what is emptied or cannot be read deletes nothing.
#[test]
fn folders_that_are_emptied_or_torn_say_what_they_said_last() {
    let mut reader = reader();
    let good = read(&mut reader, folder(&[("edge.yaml", EDGE)]), folder(&[("team/a.yaml", TEAM)]));
    let torn = || FolderRead::of(&Whole::Torn("team/a.yaml changed".to_owned()), BTreeMap::new());
    for (worlds, repositories) in [
        (FolderRead::Nothing, folder(&[("team/a.yaml", TEAM)])),
        (FolderRead::Nothing, FolderRead::Nothing),
        (folder(&[("edge.yaml", EDGE)]), torn()),
        (FolderRead::Trouble("permission denied".to_owned()), FolderRead::Nothing),
    ] {
        let after = reader.read(ConfigFiles { worlds, repositories }, &BTreeSet::new());
        assert!(!after.trouble.is_empty() && after.catalogue.trouble() == after.trouble);
        assert!(after.catalogue.mistakes().has_errors(), "whoever asks hears that it is not what is there");
        assert_eq!(after.catalogue.worlds().keys().collect::<Vec<_>>(), good.worlds().keys().collect::<Vec<_>>());
        assert!(compile(&after.catalogue, "edge", ASKS).graph.is_some());
    }
    let files = ConfigFiles { worlds: folder(&[("edge.yaml", EDGE)]), repositories: folder(&[("team/a.yaml", TEAM)]) };
    let back = reader.read(files, &BTreeSet::new());
    assert!(back.changed && back.trouble.is_empty(), "it says that it is over");
}

#[test]
fn every_service_of_every_file_is_found_once() {
    let catalogue = read(&mut reader(), FolderRead::Nothing, FolderRead::Nothing);
    let files = [
        ("deployd.yaml", "service: shop\nrun: ./shop\nport: 8080\n---\nservice: mail\nrun: ./mail\nfolder: post\n"),
        ("api/deployd.yaml", "service: api\nrun: ./api\nport: 80800\nworlds: [laptop, stagin]\n"),
        ("api/old/deployd.yaml", "service: shop\nrun: ./old\n"),
        ("web/deployd.yml", "service: web\nrun: ./web\n"),
    ];
    let found = catalogue.manifests(&files.map(|(at, text)| (path(at), ManifestFile::of(text.as_bytes()))).into());
    assert_eq!(codes(&found.mistakes), ["out-of-range", "duplicate-name", "other-name"], "{:?}", found.mistakes);
    assert!(found.mistakes.iter().any(|one| one.code.0 == "unknown-world" && one.severity == Severity::Note));
    let shown: Vec<_> = found
        .found
        .values()
        .map(|one| format!("{} {}#{} in {:?}", one.service, one.path, one.document, one.folder))
        .collect();
    assert_eq!(
        shown,
        ["api api/deployd.yaml#0 in \"api\"", "mail deployd.yaml#1 in \"post\"", "web web/deployd.yml#0 in \"web\"",]
    );
    // One service's mistake stops that service alone.
    let compile = |service: &str| compile_found(&catalogue, "laptop", &found.found[&name(service)]);
    assert!(compile("mail").graph.is_some(), "{:?}", compile("mail").said);
    assert_eq!(codes(&compile("api").said), ["out-of-range"]);
    assert_eq!(codes(&compile("web").said), ["other-name"]);
}

#[test]
fn what_a_graph_is_made_of_beyond_its_manifest_is_named() {
    let catalogue = read(&mut reader(), FolderRead::Nothing, FolderRead::Nothing);
    let text = "service: api\nrun: ./api\nfiles: { settings: { from: settings.yml } }\n";
    let found = manifests(&catalogue, "api/deployd.yaml", text).into_values().next().unwrap();
    let file = |at| (path(at), File::Regular { digest: Digest::of(at), size: 1, executable: false });
    let all = ["api/settings.yml", "settings.yml", "api/Dockerfile", "api/app.py"].map(file);
    let reads = catalogue.reads(&found, &all.into());
    assert_eq!(reads, ["api/Dockerfile", "api/settings.yml"].map(str::to_owned).into());
}

#[test]
fn resources_are_compiled_with_the_places_of_their_world() {
    let with = "resources: { main: { use: db, with: { allocated: 5 } } }\n";
    let worlds = folder(&[("edge.yaml", &format!("{EDGE}{with}"))]);
    let catalogue = read(&mut reader(), worlds, folder(&[("team/a.yaml", TEAM)]));
    let facts = catalogue.worlds()[&name("edge")].clone();
    let (slug, with) = &facts.resources[&name("main")];
    let stack = deployd::model::StackId::new(name("edge"), name("main"));
    let own = catalogue.compile_resource(&stack, slug, with, &Others::default());
    let mistake = own.said.iter().next().unwrap();
    assert_eq!(mistake.place.as_ref().map(|place| (&*place.file, place.line)), Some(("worlds/edge.yaml", 4)));
    let asked = catalogue.compile_resource(&stack, slug, &Value::map(), &Others::default());
    assert!(asked.graph.is_some(), "{:?}", asked.said);
}

/// A world whose gates and policy come from a file: that they fall with it, or with a file beside it that cannot be read,
/// would open what was closed.
#[test]
fn t20_a_world_that_is_used_outlives_its_file_and_a_restart() {
    const HELLO: &str = "service: hello\nrun: ./hello\nport: 8080\n";
    const LAPTOP: &str = "world: laptop\ncapabilities: { deploy:local: {} }\npolicy: { approve: [deploy] }\n";
    let used = BTreeSet::from([name("laptop")]);
    let files = |worlds| ConfigFiles { worlds, repositories: FolderRead::Nothing };
    let approves = |catalogue: &FileCatalogue| !catalogue.worlds()[&name("laptop")].policy.approve.is_empty();
    let mut first = reader();
    let whole = || files(folder(&[("laptop.yaml", LAPTOP)]));
    assert!(approves(&first.read(whole(), &used).catalogue));
    let kept = first.remembered().clone();
    let later = || reader().remembering(kept.clone());

    let others = || folder(&[("edge.yaml", EDGE)]);
    for mut reader in [first, later()] {
        let gone = reader.read(files(others()), &used);
        assert!(approves(&gone.catalogue) && gone.trouble[0].contains("laptop.yaml is gone"), "{:?}", gone.trouble);
        let back = reader.read(whole(), &used);
        assert!(approves(&back.catalogue) && back.trouble.is_empty());
        let free = reader.read(files(others()), &BTreeSet::new());
        assert!(!approves(&free.catalogue), "nobody uses it: the one in the binary counts");
        assert!(free.trouble.is_empty() && !reader.remembered().contains_key(&name("laptop")));
    }
    let unread = later().read(files(FolderRead::Trouble("a link that leads out".to_owned())), &used);
    assert!(approves(&unread.catalogue) && !unread.trouble.is_empty());
    let never = reader().read(files(FolderRead::Trouble("a link that leads out".to_owned())), &used);
    assert!(never.catalogue.worlds().is_empty(), "what is in the binary is not what is there");

    // A mistake: what it said last stands for what runs, if that is known; else nothing is compiled by the half of it.
    let broken = || files(folder(&[("laptop.yaml", &LAPTOP.replace("approve", "aprove"))]));
    let known = later().read(broken(), &used).catalogue;
    assert!(approves(&known) && known.mistakes_in_file(&name("laptop")).is_some());
    assert!(compile(&known, "laptop", HELLO).graph.is_some());
    let unknown = reader().read(broken(), &used).catalogue;
    let compiled = compile(&unknown, "laptop", HELLO);
    assert!(compiled.graph.is_none() && codes(&compiled.said) == ["unknown-key"], "{:?}", compiled.said);
    assert!(approves(&unknown), "what may have been protected asks a person");
}
