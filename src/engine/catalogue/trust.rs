//! Whose files a world runs (THREATS.md T38): what a manifest says is run as it is on this machine, by the server's own
//! user. Whoever may push to a project would have that machine, so such a world takes nothing from outside that its file
//! does not name.

use crate::model::Name;
use crate::state::{SourceId, Why, WhyCode};
use std::collections::BTreeSet;

/// What a source's name begins with that is of this machine or of the world itself: folders (whose owner the folder
/// source checks), resources by REST, the world's own resources.
const OWN: [&str; 3] = ["folder:", "rest", "world:"];

/// Whose files a world runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Everybody's who may deploy at all: what runs there does not run as the server's own user.
    Everybody,
    /// Folders of this machine, and these projects.
    Named(BTreeSet<String>),
}

impl Trust {
    /// Why a world does not run what a source holds, if it does not. A source from outside is `git:PROJECT` and the like;
    /// its project must be named letter by letter.
    #[must_use]
    pub fn refusal(&self, world: &Name, source: &SourceId) -> Option<Why> {
        let Trust::Named(projects) = self else { return None };
        let is_own = OWN.iter().any(|own| match own.ends_with(':') {
            true => source.0.starts_with(own),
            false => source.0 == *own,
        });
        let project = source.0.split_once(':').map_or(source.0.as_str(), |(_, project)| project);
        if is_own || projects.contains(project) {
            return None;
        }
        let text = format!("{world} runs programs as the server's own user, and does not trust {project}");
        let way_out =
            format!("if whoever may push there may run anything here: trust: [{project}] in worlds/{world}.yaml");
        Some(Why::new(WhyCode::Refused, text).way_out(way_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t38_only_folders_and_named_projects_run_as_the_servers_user() {
        let laptop = Name::fixed("laptop");
        let trust = Trust::Named(["git.example.com/acme/shop".to_owned()].into());
        let refused = |source: &str| trust.refusal(&laptop, &SourceId(source.to_owned()));
        for own in ["folder:/home/ann/shop", "rest", "world:laptop", "git:git.example.com/acme/shop"] {
            assert_eq!(refused(own), None, "{own}");
        }
        let outside = [
            "git:git.example.com/acme/shop2",
            "git:git.example.com/acme",
            "git:git.example.com/acme/shop/",
            "git:GIT.example.com/acme/shop",
            "archive:shop",
            "rest:git.example.com",
            "",
        ];
        for source in outside {
            assert!(refused(source).is_some(), "{source}");
        }
        let why = refused("git:git.example.com/mallory/shop").unwrap();
        assert!(why.way_out.unwrap().contains("trust: [git.example.com/mallory/shop] in worlds/laptop.yaml"));
        assert_eq!(Trust::Everybody.refusal(&laptop, &SourceId("git:anybody".to_owned())), None);
    }
}
