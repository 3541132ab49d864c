//! What somebody meets first, with the real binary on this machine: what is missing is said before anything is made, a
//! project is checked as people mean it, a plan says where one will be reached.

use super::person::{Person, Said};
use std::net::TcpListener;
use std::path::Path;

/// A world of this machine whose PostgreSQL nobody has.
fn here(http: u16) -> Person {
    let person = Person::new();
    person.write(
        "project/worlds/here.yaml",
        &format!("world: here\ncapabilities:\n  deploy:local: {{ http: {http} }}\nrepositories: [old]\n"),
    );
    person.write(
        "project/repositories/old/postgres.yaml",
        "repository: old\ninherits: [builtin]\ndefinitions:\n  ancient:\n    choose: [ { kind: local/postgres, fields: { version: 99 } } ]\n",
    );
    person
}

/// The text of a screen without its folds and frames.
fn words(said: &Said) -> String {
    format!("{} {}", said.out, said.talk).split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

#[test]
fn a_program_that_is_missing_is_told_before_anything_is_made() {
    let person = here(8080);
    person.service("shop", "requires: [ users: ancient ]\n");
    let missing = "PostgreSQL 99 is not on this machine";
    for (asked, exit) in [(&["plan", "shop"][..], 0), (&["check", "shop"], 0), (&["why-not", "shop"], 1)] {
        let said = person.asks(&[asked, &["--world", "here"]].concat());
        assert_eq!(said.exit, exit, "{asked:?}: {}{}", said.out, said.talk);
        let text = words(&said);
        assert!(text.contains(missing) && text.contains("apt-get install postgresql-99"), "{asked:?}: {text}");
        assert!(!text.contains("by itself"), "nothing waits for it: {text}");
    }
    for command in [&["up", "--detach", "shop"][..], &["apply", "shop"]] {
        let said = person.asks(&[command, &["--world", "here"]].concat());
        assert_eq!(said.exit, 1, "{}", said.talk);
        let text = words(&said);
        assert!(text.contains("error: users cannot be made in here: PostgreSQL 99"), "{text}");
        assert!(text.contains("apt-get install postgresql-99"), "{text}");
    }
    let status = person.asks(&["status", "--world", "here"]);
    assert_eq!(status.out.lines().next(), Some("world here · no stacks"));
}

#[test]
fn what_is_not_built_yet_is_planned_and_never_begun() {
    let person = Person::new();
    person.write(
        "project/worlds/there.yaml",
        "world: there\ncapabilities: { deploy:kubernetes: { context: there } }\nrepositories: [builtin]\ndomain: example.com\n",
    );
    person.write("project/web/deployd.yaml", "service: web\nimage: registry.example.com/web:1\nport: 8080\n");
    let plan = person.asks(&["plan", "web", "--world", "there"]);
    assert_eq!(plan.exit, 0, "{}", plan.talk);
    assert!(words(&plan).contains("is not looked at"), "{}", plan.out);
    assert!(plan.out.contains("nothing would be done yet") && !plan.out.contains("deployd apply"), "{}", plan.out);
    let plan = person.asks(&["plan", "web", "--world", "there", "--json"]);
    assert!(plan.out.contains(r#""code":"not_looked_at""#) && !plan.out.contains("not_there"), "{}", plan.out);
    let why = person.asks(&["why-not", "web", "--world", "there"]);
    assert_eq!(why.exit, 1, "{}", why.talk);
    assert!(words(&why).contains("web cannot go to there"), "{}", why.out);
    assert!(words(&why).contains("deploy:kubernetes is not built yet"), "{}", why.out);
    for command in [&["up", "--detach", "web"][..], &["apply", "web"]] {
        let said = person.asks(&[command, &["--world", "there"]].concat());
        assert_eq!(said.exit, 1, "{}", said.talk);
        assert!(words(&said).contains("cannot be made in there: deploy:kubernetes is not built yet"), "{}", said.talk);
    }
    let status = person.asks(&["status", "--world", "there"]);
    assert_eq!(status.out.lines().next(), Some("world there · no stacks"));
}

#[test]
fn a_secret_that_is_not_where_the_world_says_is_told_so() {
    let person = Person::new();
    person.write(
        "project/worlds/there.yaml",
        "world: there\ncapabilities: { deploy:simulated: { plays: [deploy:local] } }\nrepositories: [builtin]\n\
         secrets: { API_KEY: { env: NOBODY_SET_IT }, TOKEN: { aws: guestbook/token } }\n",
    );
    person.service("shop", "secrets: [API_KEY, TOKEN]\n");
    for command in [&["plan", "shop"][..], &["up", "--detach", "shop"]] {
        let said = person.asks(&[command, &["--world", "there"]].concat());
        let text = words(&said);
        assert!(text.contains("the environment of the server has no variable NOBODY_SET_IT"), "{text}");
        assert!(text.contains("secrets from `aws:` are not built yet"), "{text}");
        assert!(text.contains("`secrets:` of worlds/there.yaml says where it comes from"), "{text}");
        assert!(!text.contains("deployd secret set"), "{text}");
    }
}

#[test]
fn what_is_noted_of_the_files_is_part_of_their_plan() {
    let person = Person::new();
    person.service("shop", "scale: { cpu: 500m }\n");
    let plan = person.asks(&["plan", "shop"]);
    assert!(words(&plan).contains("`cpu` has no effect there"), "{}", plan.out);
}

#[test]
fn mistakes_in_a_worlds_own_resources_are_told_with_their_place() {
    let person = Person::new();
    person.write(
        "project/worlds/there.yaml",
        "world: there\ncapabilities: { deploy:simulated: { plays: [deploy:local] } }\nrepositories: [builtin]\n\
         resources:\n  cache: { use: rediss }\n  files: { use: volume, with: { size: much } }\n",
    );
    person.service("shop", "");
    let said = person.asks(&["check", "shop", "--world", "there"]);
    assert_eq!(said.exit, 3, "{}{}", said.out, said.talk);
    let text = words(&said);
    assert!(text.contains("worlds/there.yaml:5:17") && text.contains("did you mean `redis`?"), "{text}");
    assert!(text.contains("worlds/there.yaml:6:"), "{text}");
    assert!(text.contains("the systems engineer of world there can fix this"), "{text}");
}

#[test]
fn a_missing_secret_is_named_and_ends_what_waits_for_nobody() {
    let person = Person::new();
    person.service("shop", "secrets: [API_KEY]\nscale: { replicas: 3 }\n");
    for command in [&["up", "--detach", "shop"][..], &["apply", "shop"]] {
        let said = person.asks(&[command, &["--world", "sim"]].concat());
        assert_eq!(said.exit, 1, "{}", said.talk);
        assert_eq!(said.talk.matches("the secret API_KEY is not set in sim").count(), 1, "{}", said.talk);
        assert!(said.talk.contains("deployd secret set sim API_KEY"), "{}", said.talk);
    }
    // What would be made is not shown as if it were there, and why it is held is said once.
    let plan = person.asks(&["plan", "shop", "--world", "sim"]);
    assert!(plan.out.contains("+ shop") && !plan.out.contains("= shop"), "{}", plan.out);
    assert_eq!(plan.out.matches("the secret API_KEY is not set in sim").count(), 1, "{}", plan.out);
    let status = person.asks(&["status", "--world", "sim"]);
    assert_eq!(status.out.matches("the secret API_KEY").count(), 1, "{}", status.out);
    // It was recorded, and goes on once the secret is there.
    assert_eq!(person.asks_with(&["secret", "set", "sim", "API_KEY"], "hunter2hunter2").exit, 0);
    let said = person.asks(&["apply", "shop", "--world", "sim"]);
    assert_eq!((said.exit, said.out.as_str()), (0, "shop is up\n"), "{}", said.talk);
}

#[test]
fn what_another_needs_is_not_waited_for() {
    let person = Person::new();
    person.service("shop", "requires: [ users: { use: postgres, shared: true } ]\n");
    person.service("cart", "requires: [ users: { of: shop.users } ]\n");
    assert_eq!(person.asks(&["apply", "shop", "--world", "sim"]).exit, 0);
    assert_eq!(person.asks(&["apply", "cart", "--world", "sim"]).exit, 0);
    let said = person.asks(&["down", "shop", "--delete", "users"]);
    assert_eq!(said.exit, 4, "{}{}", said.out, said.talk);
    assert!(said.talk.contains("error: shop: users: needed by cart"), "{}", said.talk);
    assert!(said.talk.contains("take cart down first"), "{}", said.talk);
    let status = person.asks(&["status", "cart", "--world", "sim"]);
    assert!(status.out.contains("available"), "{}", status.out);
    // Then it goes by itself; who asks again is told.
    assert_eq!(person.asks(&["down", "cart"]).exit, 0);
    let said = person.asks(&["down", "shop", "--world", "sim"]);
    assert_eq!(said.exit, 0, "{}{}", said.out, said.talk);
    assert!(said.out.contains("nothing of shop is left in sim"), "{}", said.out);
}

#[test]
fn services_that_need_each_other_go_together() {
    let person = Person::new();
    person.write(
        "project/both/deployd.yaml",
        "service: shop\nrun: ./serve\nrequires: [ users: { use: postgres, shared: true } ]\n---\n\
         service: cart\nrun: ./serve\nrequires: [ users: { of: shop.users } ]\n",
    );
    let up = person.asks(&["apply", "both/", "--world", "sim"]);
    assert_eq!(up.exit, 0, "{}", up.talk);
    let said = person.asks(&["down", "both/", "--keep-data", "--world", "sim"]);
    assert_eq!(said.exit, 0, "{}{}", said.out, said.talk);
    assert_eq!(said.out.matches("verified: nothing of").count(), 2, "{}", said.out);
}

#[test]
fn a_project_is_its_worlds_and_the_services_that_people_deploy() {
    let person = Person::new();
    person.service("shop", "");
    person.service("cart", "");
    let broken = "service: [nothing]\n";
    // What is hidden, ignored or left out is nobody's.
    for folder in [".cache/old", "vendored/x", "tests/cases/one"] {
        person.write(&format!("project/{folder}/deployd.yaml"), broken);
    }
    person.write("project/.gitignore", "vendored/\n");
    person.write("project/.deploydignore", "tests/\n");
    let (exit, objects) = person.asks_json(&["check", ".", "--world", "sim"]);
    assert_eq!((exit, objects[0]["data"]["services"].to_string().as_str()), (0, r#"["cart","shop"]"#), "{objects:?}");

    // Of very many mistakes the first are shown; a machine gets all.
    person.write("project/.deploydignore", "");
    for number in 0..30 {
        person.write(&format!("project/tests/cases/{number}/deployd.yaml"), broken);
    }
    let said = person.asks(&["check", ".", "--world", "sim"]);
    assert_eq!(said.exit, 3);
    assert_eq!(said.out.matches("tests/cases/").count(), 20, "{}", said.out);
    assert!(said.out.contains("and 11 more"), "{}", said.out);
    let (_, objects) = person.asks_json(&["check", ".", "--world", "sim"]);
    assert_eq!(objects[0]["diagnostics"].as_array().unwrap().len(), 31);
}

#[test]
fn a_question_right_after_a_save_is_answered_by_what_was_saved() {
    let person = Person::new();
    person.service("shop", "requires: [ users: mine ]\n");
    let offers = |slug: &str| {
        let text = format!("repository: own\ninherits: [builtin]\ndefinitions:\n  {slug}: {{ inherits: postgres }}\n");
        person.write("project/repositories/own/own.yaml", &text);
    };
    offers("other");
    person.write(
        "project/worlds/sim.yaml",
        "world: sim\ncapabilities:\n  deploy:simulated: { plays: [deploy:local] }\nrepositories: [own]\n",
    );
    assert_eq!(person.asks(&["status", "--world", "sim"]).exit, 0);
    for _ in 0..4 {
        offers("mine");
        assert_eq!(person.asks(&["check", "shop", "--world", "sim"]).exit, 0);
        offers("other");
        let said = person.asks(&["plan", "shop", "--world", "sim"]);
        assert_eq!(said.exit, 3, "{}{}", said.out, said.talk);
    }
}

#[test]
fn a_plan_says_the_port_that_one_gets_when_the_usual_one_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let person = here(port);
    person.write(
        "project/hello/deployd.yaml",
        "service: hello\nrun: python3 -m http.server --bind 127.0.0.1 $PORT\nport: 8080\nentrypoints: { web: {} }\n",
    );
    person.write("project/hello/index.html", "hello\n");
    let url = |text: &str| {
        let at = text.find("http://hello.localhost").unwrap_or_else(|| panic!("no URL: {text}"));
        text[at..].split_whitespace().next().unwrap().to_owned()
    };
    let plan = person.asks(&["plan", "hello", "--world", "here"]);
    let planned = url(&plan.out);
    let given: u16 = planned.rsplit(':').next().unwrap().parse().unwrap_or_else(|_| panic!("no port: {}", plan.out));
    assert!(given > port, "{planned}");
    let up = person.asks(&["up", "--detach", "hello", "--world", "here"]);
    assert_eq!(up.exit, 0, "{}", up.talk);
    assert_eq!(url(&up.out), planned);
    // It keeps its address although the usual port is free by now.
    drop(taken);
    assert_eq!(person.asks(&["down", "hello"]).exit, 0);
    assert_eq!(url(&person.asks(&["plan", "hello", "--world", "here"]).out), planned);
}

#[test]
fn files_that_a_manifest_names_and_that_are_not_there_are_mistakes() {
    let person = Person::new();
    person.service("shop", "prepare: { run: make, inputs: [Makefile, lock.txt, '*.lock'] }\n");
    person.write("project/shop/Makefile", "all:\n");
    person.write("project/shop/.gitignore", "lock.txt\n");
    person.write("project/shop/lock.txt", "");
    person.write("project/cart/deployd.yaml", "service: cart\nrun: ./serve\nfolder: dist\n");
    let check = person.asks(&["check", ".", "--world", "sim"]);
    let text = words(&check);
    assert_eq!(check.exit, 3, "{text}");
    for (place, missing) in [
        ("shop/deployd.yaml:3:42", "no file that counts is at lock.txt"),
        ("shop/deployd.yaml:3:52", "no file that counts is at *.lock"),
        ("cart/deployd.yaml:3:9", "no file that counts is in cart/dist"),
    ] {
        assert!(text.contains(place) && text.contains(missing), "{place}: {text}");
    }
    assert!(!text.contains("at Makefile") && text.contains("what .gitignore leaves out does not count"), "{text}");
    let apply = person.asks(&["apply", "shop", "--world", "sim"]);
    assert_eq!(apply.exit, 3, "{}", apply.talk);
    assert!(words(&apply).contains("no file that counts is at lock.txt"), "{}", apply.talk);
}

#[test]
fn worlds_without_services_are_checked() {
    let person = Person::new();
    assert_eq!(person.asks(&["check"]).exit, 0);
    person.write("project/worlds/there.yaml", "world: there\ncapabilites: {}\n");
    let said = person.asks(&["check"]);
    assert_eq!(said.exit, 3, "{}{}", said.out, said.talk);
    assert!(words(&said).contains("did you mean `capabilities`?"), "{}", said.out);
}

#[test]
fn the_guestbook_fits_every_world_of_the_project() {
    let person = Person::new();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let asks = |words: &[&str]| person.asks_from(project, words);
    let check = asks(&["check", "examples/guestbook", "--all-worlds"]);
    assert_eq!(check.exit, 0, "{}{}", check.out, check.talk);
    assert!(check.talk.contains("laptop, staging"), "{}", check.talk);
    let plan = asks(&["plan", "examples/guestbook", "--world", "staging"]);
    assert_eq!(plan.exit, 0, "{}{}", plan.out, plan.talk);
    assert!(plan.out.contains("kubernetes/service") && plan.out.contains("aws/rds"), "{}", plan.out);
    let why = asks(&["explain", "examples/guestbook", "users.instance_class", "--world", "staging"]);
    assert!(why.out.starts_with("instance_class = db.r6g.2xlarge"), "{}{}", why.out, why.talk);
}

#[test]
fn what_a_command_names_and_gitignore_leaves_out_is_told() {
    let person = Person::new();
    let manifest = |rest: &str| {
        person.write(
            "project/web/deployd.yaml",
            &format!("service: web\nrun: ./bin/serve --config conf/own.yaml\nport: 8080\n{rest}"),
        );
    };
    manifest("");
    person.write("project/web/.gitignore", "bin/\n");
    person.write("project/web/bin/serve", "");
    for command in [&["check", "web"][..], &["plan", "web"]] {
        let said = person.asks(&[command, &["--world", "sim"]].concat());
        assert_eq!(said.exit, 0, "{}{}", said.out, said.talk);
        let text = words(&said);
        assert!(text.contains("bin/serve is there, and is left out: by .gitignore"), "{command:?}: {text}");
        assert!(text.contains("a line of .deploydignore, `!bin`;"), "{command:?}: {text}");
        assert!(!text.contains("conf/own.yaml is there"), "it may be anywhere: {text}");
    }
    // The way out that is told.
    person.write("project/web/.deploydignore", "!bin\n");
    let check = person.asks(&["check", "web", "--world", "sim"]);
    assert!(!words(&check).contains("is left out"), "{}", check.out);
    // What is made before it runs need not be there.
    person.write("project/web/.deploydignore", "");
    manifest("prepare: make\n");
    let check = person.asks(&["check", "web", "--world", "sim"]);
    assert!(!words(&check).contains("is left out"), "{}", check.out);
}
