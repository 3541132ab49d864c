//! What a world's own file asks for, beside what people deploy: one name has one owner, and who is second is told.

use super::person::{Person, until};

const WORLD: &str = "world: sim\ncapabilities:\n  deploy:simulated: { plays: [deploy:local] }\n";

#[test]
fn a_worlds_file_and_people_do_not_own_one_name() {
    let person = Person::new();
    person.service("store", "");
    let mut server = person.begins(&["serve"]);
    assert!(until(|| person.server().is_some()));
    let status = || {
        let said = person.asks(&["status", "--world", "sim"]);
        said.out.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(person.asks(&["apply", "store", "--world", "sim"]).exit, 0);

    // The file is second: what runs stays, and it is told where one looks.
    person.write("project/worlds/sim.yaml", &format!("{WORLD}resources: {{ store: volume, other: volume }}\n"));
    assert!(until(|| status().contains("the file of sim asks for a volume of this name")), "{}", status());
    assert!(status().contains("deployd down store --keep-data"), "{}", status());
    assert!(until(|| status().contains("other ready local/folder")), "{}", status());

    // What the file asks for is not taken away beside it.
    let refused = person.asks(&["down", "other", "--world", "sim", "--keep-data"]);
    assert_eq!(refused.exit, 4, "{}{}", refused.out, refused.talk);
    assert!(refused.talk.contains("take it out of `resources` there"), "{}", refused.talk);

    // The first one lets go: the name is the file's.
    let down = person.asks(&["down", "store", "--world", "sim"]);
    assert_eq!(down.exit, 0, "{}{}", down.out, down.talk);
    assert!(until(|| status().contains("store ready local/folder")), "{}", status());
    assert!(!status().contains("asks for"), "{}", status());

    person.write("project/worlds/sim.yaml", WORLD);
    assert!(until(|| status().contains("names no resource `other` any more")), "{}", status());
    let down = person.asks(&["down", "other", "--world", "sim", "--delete", "other"]);
    assert_eq!(down.exit, 0, "{}{}", down.out, down.talk);
    person.ends_server();
    server.wait().unwrap();
}
