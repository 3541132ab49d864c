//! `Asking`: what every command has at hand: the server, the world, and what the person means by a word.

use super::arguments::Common;
use super::client::Client;
use super::connect::{Connection, connect};
use super::exit::{Exit, Failure};
use super::folders::{self, Near};
use super::out::Out;
use super::screen::names::Files;
use super::screen::other_worlds::other_worlds;
use crate::diagnostic::did_you_mean;
use crate::model::Name;
use crate::server::api::answers::Stacks;
use crate::server::api::asks::{Check, Files as OfFiles};
use crate::server::api::paths;
use crate::server::api::question::Checked;
use crate::server::api::stack::{Stack, Wish};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The world of who names none.
pub(super) const WORLD: &str = "laptop";

/// What every command has at hand.
pub(super) struct Asking {
    pub common: Common,
    pub out: Out,
    pub connection: Connection,
}

/// What a person means by the word for a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Meant {
    /// A stack's name.
    Stack(Name),
    /// A folder of files, as a whole path.
    Folder(PathBuf),
}

impl Asking {
    /// With the server of this state folder; `near` says where worlds are looked for if one is started.
    ///
    /// # Errors
    /// There is no server and none can be started.
    pub async fn new(common: &Common, out: &Out, near: &Near) -> Result<Asking, Failure> {
        let connection = connect(common, near, out).await?;
        Ok(Asking { common: common.clone(), out: out.clone(), connection })
    }

    /// The same for a command that says something of files: it notes where these are read with other worlds and
    /// repositories than those beside them.
    ///
    /// # Errors
    /// As [`Asking::new`].
    pub async fn of_files(common: &Common, out: &Out, near: &Near) -> Result<Asking, Failure> {
        let asking = Asking::new(common, out, near).await?;
        let named = folders::named_config(common, near)?;
        if let (None, false, Some(named)) = (&common.server, asking.connection.is_ours, named)
            && asking.connection.config.as_ref() != Some(&named)
        {
            let state = folders::state(common)?;
            out.talk(&other_worlds(&named, asking.connection.config.as_deref(), &state, out.talk_look()));
        }
        Ok(asking)
    }

    /// The server.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.connection.client
    }

    /// The world that is named, or the usual one.
    #[must_use]
    pub fn world(&self) -> Name {
        self.common.world.clone().unwrap_or_else(|| Name::fixed(WORLD))
    }

    /// The stacks of one world, or of all.
    ///
    /// # Errors
    /// The server's.
    pub async fn stacks(&self, world: Option<&Name>) -> Result<Vec<Stack>, Failure> {
        let path = match world {
            Some(world) => paths::fill(paths::STACKS, &[world]),
            None => paths::ALL_STACKS.to_owned(),
        };
        Ok(self.client().all::<Stacks>(&path).await?.stacks)
    }

    /// A stack that there is.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn stack(&self, world: &Name, stack: &Name) -> Result<Stack, Failure> {
        self.client().get(&paths::fill(paths::STACK, &[world, stack])).await
    }

    /// What is meant by a word: a folder where it looks like one, else a stack's name, else a folder of that name.
    ///
    /// # Errors
    /// It is neither.
    pub async fn meant(&self, word: &str) -> Result<Meant, Failure> {
        if is_path(word) {
            return folders::existing(Path::new(word)).map(Meant::Folder);
        }
        let name = Name::new(word);
        if let Ok(name) = &name
            && self.stacks(None).await?.iter().any(|stack| stack.name == *name)
        {
            return Ok(Meant::Stack(name.clone()));
        }
        match (name, folders::existing(Path::new(word))) {
            (_, Ok(folder)) => Ok(Meant::Folder(folder)),
            (Ok(name), Err(_)) => Ok(Meant::Stack(name)),
            (Err(_), Err(failure)) => Err(failure),
        }
    }

    /// The stacks that are meant by a word, and their world: those of a folder are the services that it holds.
    ///
    /// # Errors
    /// There are none, or it is not clear in which world.
    pub async fn stacks_meant(&self, word: &str) -> Result<(Name, Vec<Name>), Failure> {
        match self.meant(word).await? {
            Meant::Stack(name) => {
                let world = self.world_of(&name).await?;
                self.known(&world, &name).await?;
                Ok((world, vec![name]))
            }
            Meant::Folder(folder) => {
                let known = self.stacks(self.common.world.as_ref()).await?;
                let of_folder: Vec<&Stack> = known.iter().filter(|stack| is_of(stack, &folder)).collect();
                let names = match of_folder.is_empty() {
                    false => of_folder.iter().map(|stack| stack.name.clone()).collect(),
                    true => self.services(&folder).await?,
                };
                let first = names
                    .first()
                    .cloned()
                    .ok_or_else(|| Failure::new(Exit::Usage, format!("{} holds no services", folder.display())))?;
                Ok((self.world_of(&first).await?, names))
            }
        }
    }

    /// Refuses the name of what never was there, with the one that was probably meant. One that is gone has its history.
    async fn known(&self, world: &Name, stack: &Name) -> Result<(), Failure> {
        match self.stack(world, stack).await {
            Err(failure) if failure.is_not_found() => {
                let all = self.stacks(Some(world)).await?;
                match did_you_mean(stack, all.iter().map(|one| one.name.as_str())) {
                    Some(near) => Err(Failure { ways_out: vec![near], ..failure }),
                    None => Err(failure),
                }
            }
            other => other.map(drop),
        }
    }

    /// The worlds for which the files of a folder are checked: the one that is named, else those that run them, else the
    /// usual one.
    ///
    /// # Errors
    /// The server's.
    pub async fn worlds_of(&self, folder: &Path) -> Result<BTreeSet<Name>, Failure> {
        if let Some(world) = &self.common.world {
            return Ok(BTreeSet::from([world.clone()]));
        }
        let all = self.stacks(None).await?;
        let worlds: BTreeSet<Name> =
            all.iter().filter(|stack| is_of(stack, folder)).map(|one| one.world.clone()).collect();
        Ok(if worlds.is_empty() { BTreeSet::from([Name::fixed(WORLD)]) } else { worlds })
    }

    /// The one stack that is meant by a word, and its world.
    ///
    /// # Errors
    /// As [`Asking::stacks_meant`], or there are several.
    pub async fn stack_meant(&self, word: &str) -> Result<(Name, Name), Failure> {
        let (world, mut names) = self.stacks_meant(word).await?;
        match names.as_slice() {
            [_] => Ok((world, names.remove(0))),
            names => {
                let names: Vec<&str> = names.iter().map(Name::as_str).collect();
                Err(Failure::new(Exit::Usage, format!("{word} holds several services: {}", names.join(", ")))
                    .way_out("name the one that you mean"))
            }
        }
    }

    /// The services whose manifests a folder holds.
    ///
    /// # Errors
    /// There is no manifest.
    pub async fn services(&self, folder: &Path) -> Result<Vec<Name>, Failure> {
        let of = OfFiles::Folder(folder.display().to_string());
        let check = Check { of, worlds: BTreeSet::from([self.world()]) };
        Ok(self.client().post::<Checked>(paths::CHECK, &check).await?.services)
    }

    /// The world of a stack: the one that is named, else the only one that the stack is in, else the usual one.
    ///
    /// # Errors
    /// It is in several.
    pub async fn world_of(&self, stack: &Name) -> Result<Name, Failure> {
        if let Some(world) = &self.common.world {
            return Ok(world.clone());
        }
        let all = self.stacks(None).await?;
        let mut worlds: Vec<Name> =
            all.into_iter().filter(|one| one.name == *stack && !is_gone(one)).map(|one| one.world).collect();
        match worlds.len() {
            0 => Ok(Name::fixed(WORLD)),
            1 => Ok(worlds.remove(0)),
            _ => {
                let worlds: Vec<&str> = worlds.iter().map(Name::as_str).collect();
                Err(Failure::new(Exit::Usage, format!("{stack} is in several worlds: {}", worlds.join(", ")))
                    .way_out("say which one with --world"))
            }
        }
    }

    /// Where the files of a folder are from where the person stands.
    ///
    /// # Errors
    /// The current folder was deleted.
    pub fn files(&self, folder: &Path) -> Result<Files, Failure> {
        let stand = folders::stand()?;
        let config = match &self.connection.config {
            Some(config) => Some(config.clone()),
            None => folders::named_config(&self.common, &Near::Files(folder.to_owned()))?,
        };
        let shown = |folder: &Path| match folders::shown(folder, &stand) {
            here if here == "." => String::new(),
            elsewhere => elsewhere,
        };
        Ok(Files { source: shown(folder), config: config.as_deref().map(shown).unwrap_or_default() })
    }
}

/// Whether a stack is gone, or nothing but its name is left.
fn is_gone(stack: &Stack) -> bool {
    stack.state == Some(crate::state::StackState::Deleted) && stack.live.is_empty()
}

/// The folder that a stack runs from.
pub(super) fn folder_of(stack: &Stack) -> Option<PathBuf> {
    match &stack.wish {
        Some(Wish::Run { source }) => source.strip_prefix("folder:").map(PathBuf::from),
        _ => None,
    }
}

fn is_of(stack: &Stack, folder: &Path) -> bool {
    folder_of(stack).is_some_and(|of| of == folder)
}

/// Whether a word is meant as a path: it has a `/`, or is `.` or `..`.
fn is_path(word: &str) -> bool {
    word.contains('/') || word == "." || word == ".." || word.starts_with('~')
}
