//! What is waited for, while nothing else happens: never silent for long, and never what the screen shows already.

use super::Follow;
use super::stuck::held_up;
use crate::cli::screen::names::called;
use crate::cli::screen::plan::line as line_screen;
use crate::cli::screen::progress::Progress;
use crate::cli::screen::waiting::{Wait, idle, waits};
use crate::model::Name;
use crate::server::api::plan::Line;
use std::collections::BTreeSet;
use std::time::Duration;

/// How often it is looked at whether nothing happens.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When no line came for so long, it is said what is waited for: most steps are over by then.
const QUIET: Duration = Duration::from_secs(10);
/// Each time after that it takes twice as long, up to this.
const QUIET_MAX: Duration = Duration::from_secs(300);
/// What is held is said earlier: waiting does not help.
const HELD: Duration = Duration::from_secs(2);

/// When it is said what is waited for, and what was said already.
pub(super) struct Patience {
    quiet: Duration,
    held_told: BTreeSet<(String, String)>,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { quiet: QUIET, held_told: BTreeSet::new() }
    }
}

impl Patience {
    /// Another deployment is under way.
    pub(super) fn begins_anew(&mut self) {
        *self = Patience::default();
    }

    /// What is held was told with the plan.
    pub(super) fn told(&mut self, held: &[Line]) {
        self.held_told.extend(held.iter().map(key));
    }

    fn is_over(&self, quiet_for: Duration) -> bool {
        quiet_for >= self.quiet
    }

    fn told_waits(&mut self) {
        self.quiet = (self.quiet * 2).min(QUIET_MAX);
    }

    /// Whether it is news that this is held.
    fn is_news(&mut self, line: &Line) -> bool {
        self.held_told.insert(key(line))
    }
}

fn key(line: &Line) -> (String, String) {
    // Of several replicas it is said once.
    (called(&line.at), line.why.text.clone())
}

impl Follow<'_> {
    /// What each line that moves waits for now.
    pub(super) async fn look_at_moving(&mut self) {
        let going: Vec<(Name, u64)> = self
            .stacks
            .iter()
            .filter_map(|(name, one)| {
                let going = one.going.as_ref()?;
                let moves = going.progress.as_ref().is_some_and(|progress| !progress.going().is_empty());
                moves.then_some((name.clone(), going.number))
            })
            .collect();
        let look = self.out.talk_look();
        for (stack, number) in going {
            // Only for show: what cannot be had now is shown at the next look.
            let Ok(deployment) = self.deployment(&stack, number).await else { continue };
            let Some(progress) = self.progress(&stack) else { continue };
            progress.looked(&deployment);
            let lines: Vec<(usize, String)> =
                progress.going().into_iter().map(|row| (row, progress.moving(row, look))).collect();
            lines.iter().for_each(|(row, line)| self.moving.update(&(stack.clone(), *row), line));
        }
    }

    /// Why nothing happens, where a line does not say it already.
    pub(super) async fn look_at_waiting(&mut self) {
        let quiet_for = self.moving.quiet_for();
        if quiet_for < HELD {
            return;
        }
        let going: Vec<Name> =
            self.stacks.iter().filter(|(_, one)| one.going.is_some()).map(|(name, _)| name.clone()).collect();
        let mut stuck: Vec<(Name, Vec<Line>)> = Vec::new();
        for name in &going {
            let Ok(Some(stack)) = self.stack(name).await else { continue };
            if self.stops_when_held
                && let Some(lines) = self.stuck_by(&stack.report, quiet_for >= QUIET).await
            {
                stuck.push((name.clone(), lines));
                continue;
            }
            for line in &stack.report.held {
                if self.patience.is_news(line) {
                    self.moving.say(&line_screen("held", line, self.out.talk_look()));
                }
            }
            if !self.patience.is_over(quiet_for) {
                continue;
            }
            let told = self.waits_of(name, waits(&stack.report), idle(&stack.report));
            told.iter().for_each(|wait| self.moving.say(&wait.line(self.out.talk_look())));
            if !told.is_empty() {
                self.patience.told_waits();
            }
        }
        // One that moves may yet be what another is held for.
        if !stuck.is_empty() && stuck.len() == going.len() {
            self.leave = Some(held_up(&stuck));
        }
    }

    /// What everything under way waits for now, for whoever does not wait any longer.
    pub async fn tell_waits(&mut self) {
        let going: Vec<Name> =
            self.stacks.iter().filter(|(_, one)| one.going.is_some()).map(|(name, _)| name.clone()).collect();
        let look = self.out.talk_look();
        for name in going {
            let Ok(Some(stack)) = self.stack(&name).await else { continue };
            for line in stack.report.held.iter().filter(|line| self.patience.is_news(line)) {
                self.moving.say(&line_screen("held", line, look));
            }
            let mut told = waits(&stack.report);
            if told.is_empty() {
                told.extend(idle(&stack.report));
            }
            told.iter().for_each(|wait| self.moving.say(&wait.line(look)));
        }
    }

    /// What is to be said of waits. A line that moves says itself what it waits for.
    fn waits_of(&self, stack: &Name, waits: Vec<Wait>, idle: Option<Wait>) -> Vec<Wait> {
        let progress = self.progress_of(stack);
        let is_shown =
            |wait: &Wait| self.moving.moves() && progress.is_some_and(|progress| progress.is_going(&wait.at));
        if !waits.is_empty() {
            return waits.into_iter().filter(|wait| !is_shown(wait)).collect();
        }
        let goes = progress.is_some_and(|progress| !progress.going().is_empty());
        idle.into_iter().filter(|_| !goes).collect()
    }

    fn progress_of(&self, stack: &Name) -> Option<&Progress> {
        self.stacks.get(stack)?.going.as_ref()?.progress.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::api::words::Why;

    #[test]
    fn patience_grows_with_each_word() {
        let mut patience = Patience::default();
        assert!(!patience.is_over(Duration::from_secs(9)));
        assert!(patience.is_over(QUIET));
        patience.told_waits();
        assert!(!patience.is_over(QUIET));
        assert!(patience.is_over(QUIET * 2));
        (0..20).for_each(|_| patience.told_waits());
        assert!(patience.is_over(QUIET_MAX));
        patience.begins_anew();
        assert!(patience.is_over(QUIET));
    }

    #[test]
    fn what_is_held_is_said_once() {
        let why = Why::from(crate::state::Why::new(crate::state::WhyCode::Refused, "storage cannot shrink"));
        let at = crate::model::Address::parse("laptop/guestbook/users").unwrap();
        let line = Line { at, code: "refused".to_owned(), why, since: None, usually: None, on: None };
        let mut patience = Patience::default();
        assert!(patience.is_news(&line));
        assert!(!patience.is_news(&line));
    }
}
