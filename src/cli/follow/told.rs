//! What is said beside a deployment's steps: how it ended, which mistakes keep it from beginning, whose leave it needs.

use super::{Follow, Shows};
use crate::cli::client::with_query;
use crate::cli::exit::{Exit, Failure};
use crate::cli::out::as_json;
use crate::cli::screen::{found, story};
use crate::model::{Identity, Name, Wall};
use crate::server::api::asks::{Check, Files as OfFiles};
use crate::server::api::deployment::{Condition, Deployment};
use crate::server::api::event::LogLine;
use crate::server::api::paths;
use crate::server::api::plan::{Plan, Verdict};
use crate::server::api::problem::Diagnostic;
use crate::server::api::question::Checked;
use crate::server::api::stack::{Resource, Stack};
use crate::server::api::words::Moment;
use crate::state::{DeploymentState, StackCondition};
use reqwest::Method;
use std::collections::{BTreeMap, BTreeSet};

impl Follow<'_> {
    /// What is said of a deployment's end beside its steps.
    pub(super) async fn told_end(&mut self, deployment: &Deployment, stack: &Stack) -> Result<(), Failure> {
        let look = self.out.talk_look();
        if deployment.state == DeploymentState::Done {
            return Ok(());
        }
        if deployment.state == DeploymentState::Superseded {
            // It did not fail: what came of it is what the newer one tells.
            self.moving.say(&story::fell(deployment, stack, look));
            return Ok(());
        }
        let mistaken = stack.conditions.contains_key("mistaken");
        let has_failed = self.progress(&stack.name).is_some_and(|progress| progress.has_failed());
        match &deployment.why {
            Some(_) if mistaken => {
                self.told_mistakes(&stack.name).await?;
                self.mistaken.insert(stack.name.clone());
            }
            Some(why) if !has_failed => {
                self.moving.say(&story::reason(&stack.name, deployment.label.as_deref(), why, look));
                self.last_words(deployment, stack, !why.details.is_empty()).await;
            }
            Some(_) => {
                let told = self.progress(&stack.name).is_some_and(|progress| progress.has_told_last_lines());
                self.last_words(deployment, stack, told).await;
            }
            None => {}
        }
        self.moving.say(&story::fell(deployment, stack, look));
        Ok(())
    }

    /// What the processes of a release said last, unless its last lines are `told` already. An answer without them is
    /// better than none.
    async fn last_words(&mut self, deployment: &Deployment, stack: &Stack, told: bool) {
        let Some(label) = &deployment.label else { return };
        let query = [("tail", "60".to_owned()), ("follow", "false".to_owned()), ("release", label.clone())];
        let path = with_query(&paths::fill(paths::LOGS, &[&self.world, &stack.name]), &query);
        let nothing: Option<&()> = None;
        let Ok(answer) = self.client.stream(Method::GET, &path, nothing).await else { return };
        let Ok(text) = answer.text().await else { return };
        // What is well, or ended well, says nothing of why something else failed.
        let well = stack.resources.iter().filter(|one| matches!(one.condition, Condition::Ready | Condition::Done));
        let well: BTreeSet<&Identity> = well.map(|resource| &resource.identity).collect();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<LogLine>(line).ok());
        let lines: Vec<LogLine> = lines.filter(|line| !well.contains(&line.identity)).collect();
        let environment = |resource: &Resource| {
            let env = resource.fields.get("env").and_then(|env| env.as_object());
            env.into_iter().flat_map(|env| env.keys().cloned()).collect::<Vec<String>>()
        };
        let environment: BTreeSet<String> = stack.resources.iter().flat_map(environment).collect();
        let all = format!("deployd logs {} --revision {label}", stack.name);
        if !lines.is_empty() {
            self.moving.say(&story::last_words(&lines, told, &environment, &all, self.out.talk_look()));
        }
    }

    /// Mistakes that were saved while a deployment was under way: it has ended well, and they are still there.
    pub(super) async fn told_late(&mut self, stacks: Vec<Name>) -> Result<(), Failure> {
        for stack in stacks.into_iter().filter(|stack| !self.mistaken.contains(stack)).collect::<Vec<_>>() {
            let now = self.stack(&stack).await?;
            if now.is_some_and(|now| now.conditions.contains_key("mistaken")) {
                self.conditions(&stack, &[StackCondition::Mistaken]).await?;
            }
        }
        Ok(())
    }

    /// The stack's conditions have changed.
    pub(super) async fn conditions(&mut self, stack: &Name, conditions: &[StackCondition]) -> Result<(), Failure> {
        // A deployment under way says at its end what it came to.
        if self.stacks[stack].going.is_some() || self.shows != Shows::Changes {
            return Ok(());
        }
        let Some(now) = self.stack(stack).await? else { return Ok(()) };
        let look = self.out.talk_look();
        if conditions.contains(&StackCondition::Mistaken) {
            let found = self.mistakes().await?;
            // What is told is where the mistakes are: what was saved may be another file, one of a repository, say.
            let mistaken = found::mistaken_files(&found, &self.files);
            let mistaken = mistaken.unwrap_or_else(|| "its files have mistakes".to_owned());
            self.moving.say(&story::changed(Moment(wall()), &mistaken, &self.zone, look));
            self.tell_mistakes(stack, found)?;
            self.moving.say(&format!("{}\n", story::keeps(&now)));
            self.mistaken.insert(stack.clone());
        } else if self.mistaken.remove(stack) && now.live.is_empty() {
            let text = format!("no mistakes any more, and nothing to do: {}", story::keeps(&now));
            self.moving.say(&story::changed(Moment(wall()), &text, &self.zone, look));
        } else if let Some(why) = now.conditions.get("source_missing") {
            self.moving.say(&story::changed(Moment(wall()), "its files cannot be read", &self.zone, look));
            self.moving.say(&format!("{}{}\n", story::reason(stack, None, why, look), story::keeps(&now)));
            self.missing.insert(stack.clone());
        } else if self.missing.remove(stack) && now.live.is_empty() {
            let text = format!("its files can be read again, and nothing to do: {}", story::keeps(&now));
            self.moving.say(&story::changed(Moment(wall()), &text, &self.zone, look));
        }
        Ok(())
    }

    /// All mistakes of the folder's files, with their lines.
    async fn told_mistakes(&mut self, stack: &Name) -> Result<(), Failure> {
        let found = self.mistakes().await?;
        self.tell_mistakes(stack, found)
    }

    async fn mistakes(&self) -> Result<Vec<Diagnostic>, Failure> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let of = OfFiles::Folder(folder.display().to_string());
        let check = Check { of, worlds: BTreeSet::from([self.world.clone()]) };
        Ok(self.client.post::<Checked>(paths::CHECK, &check).await?.diagnostics)
    }

    fn tell_mistakes(&mut self, stack: &Name, found: Vec<Diagnostic>) -> Result<(), Failure> {
        if self.streams {
            let data = as_json(&BTreeMap::from([("stack", stack)]));
            return self.out.object_with("mistakes", Some(&self.world), &data, &found);
        }
        self.moving.say(&found::some(&found, &self.files, self.out.talk_look()));
        self.found = found;
        Ok(())
    }

    /// Why a person must approve a deployment first, and how.
    pub(super) async fn leave_needed(&self, stack: &Name, number: u64) -> Result<Option<Failure>, Failure> {
        let deployment = self.deployment(stack, number).await?;
        let Some(digest) = deployment.plan else { return Ok(None) };
        let path = paths::fill(paths::PLAN, &[&self.world, stack, &digest.to_string()]);
        let plan: Plan = self.client.get(&path).await?;
        let why = match &plan.verdict {
            Verdict::AwaitApproval { why, .. } => format!(": {}", why.text),
            _ => String::new(),
        };
        let failure = Failure::new(Exit::Refused, format!("{stack} needs approval{why}"));
        Ok(Some(failure.way_out(format!("look at it and approve it: deployd approve {stack}"))))
    }
}

/// What time it is, for lines that no event has a time for.
fn wall() -> Wall {
    Wall(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0))
}
