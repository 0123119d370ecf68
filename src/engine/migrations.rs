//! Migrations move open cases to another revision of their policy. They show first where each case would be: one case,
//! or all cases that an edited tree affects.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::migrations::MigrationLine;
use crate::api::plan::{OpenCases, Plan, Progress};
use crate::case::{CannotMigrate, Case, Cause, Migration, Mover, Preview, Recorded};
use crate::model::{CaseId, Clock};
use crate::policy::{Files, Policy};
use crate::rollout::{NoRevision, OnProgress, Rollout, Wanted};
use crate::store::{self, Store, to_its_end};

use super::cases::{ApplyError, Cases};

/// Why a migration has no answer.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("{0}")]
    Case(#[from] ApplyError),
    #[error("{0}")]
    Revision(#[from] NoRevision),
}

/// A handle on migrations.
#[derive(Debug, Clone)]
pub struct Migrations {
    pub(super) cases: Cases,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rollout: Rollout,
}

impl Migrations {
    /// Moves a case, or shows the move if `by` (person and reason) is missing. `to`: the first digits of a revision
    /// that ran, or `running`.
    pub async fn migrate(
        &self,
        id: &CaseId,
        to: &str,
        by: Option<(String, String)>,
    ) -> Result<MigrationLine, MigrateError> {
        let mover = by.map(|(by, reason)| Mover { by, reason });
        let (migrations, id, to) = (self.clone(), id.clone(), to.to_owned());
        to_its_end(async move { migrations.migrate_here(&id, &to, mover).await }).await
    }

    async fn migrate_here(
        &self,
        id: &CaseId,
        to: &str,
        mover: Option<Mover>,
    ) -> Result<MigrationLine, MigrateError> {
        let _one_writer = self.cases.locks().case(id.as_str()).await;
        let case = self.store.case(id).map_err(ApplyError::from)?.ok_or(ApplyError::NoCase)?;
        let new = self.rollout.catalog.that_ran(&case.policy, to)?;
        // An unusable revision is a reason for moving a case.
        let old = match self.cases.policy_of(&case) {
            Ok(old) => old,
            Err(error) => self.rollout.revisions.readable(&case).ok_or(error)?,
        };
        let _one_person = self.cases.locks().person(&case.subject.person()).await;
        let known = self.cases.known_of(&case.subject, Some(&case))?;
        let facts = self.cases.facts(known, self.clock.now(), BTreeSet::new());
        let apply = mover.is_some();
        let no_mover = || Mover { by: String::new(), reason: String::new() };
        let recorded = Recorded { cause: Cause::Migration(mover.unwrap_or_else(no_mover)), facts };
        let here = self.cases.here(&recorded.facts);
        let decided = recorded.migrate(case.clone(), &old, &new, &here);
        let Migration { advance, preview } = match decided.unwrap_or(Err(CannotMigrate::OtherPolicy)) {
            Ok(migration) => migration,
            Err(why) => {
                let step = case.step().and_then(|at| old.step(at)).map(|step| step.path.clone());
                return Ok(MigrationLine {
                    step_now: step,
                    ..line(&case, Some(why.to_string()), None, false)
                });
            }
        };
        if apply {
            tracing::info!(case = %case.id, policy = case.policy, revision = new.revision.short(), "case moved");
            self.cases.keep(advance, recorded, &new).await?;
        }
        Ok(line(&case, None, Some(preview), apply))
    }

    /// Returns where a case would be in another revision, or `None` if it does not move. Changes nothing and locks
    /// nothing.
    fn would_move(&self, case: &Case, old: Option<&Policy>, new: Option<&Policy>) -> Option<MigrationLine> {
        let (old, new) = match (old, new) {
            (Some(old), Some(new)) => (old, new),
            (Some(_), None) => return None,
            (None, _) => {
                return Some(line(
                    case,
                    self.cases.policy_of(case).err().map(|error| error.to_string()),
                    None,
                    false,
                ));
            }
        };
        let known = match self.cases.known_of(&case.subject, Some(case)) {
            Ok(known) => known,
            Err(error) => return Some(line(case, Some(error.to_string()), None, false)),
        };
        let facts = self.cases.facts(known, self.clock.now(), BTreeSet::new());
        let mover = Mover { by: String::new(), reason: String::new() };
        let recorded = Recorded { cause: Cause::Migration(mover), facts };
        let here = self.cases.here(&recorded.facts);
        Some(match recorded.migrate(case.clone(), old, new, &here) {
            Some(Ok(migration)) => line(case, None, Some(migration.preview), false),
            Some(Err(why)) => line(case, Some(why.to_string()), None, false),
            None => line(case, Some(ApplyError::NoCase.to_string()), None, false),
        })
    }

    /// Returns where the open cases of a policy would be in another revision. Changes nothing.
    pub async fn table(&self, name: String, to: String) -> Result<OpenCases, NoRevision> {
        let new = self.rollout.catalog.at(&name, &to)?;
        let migrations = self.clone();
        let table = tokio::task::spawn_blocking(move || {
            let moved = |case: &Case, old: Option<&Policy>, new: Option<&Policy>| {
                migrations.would_move(case, old, new)
            };
            migrations.rollout.planner.open_cases(&name, Some(&new), &moved)
        });
        match table.await {
            Ok(table) => Ok(table?),
            Err(_) => Err(NoRevision::No("internal error; the daemon's log has the reason".to_owned())),
        }
    }

    /// Computes the effect of activating another tree, including on open cases. Takes a while and blocks.
    pub fn plan(
        &self,
        tree: &Files,
        on_progress: &OnProgress,
        wanted: &Wanted,
    ) -> Result<Plan, store::Error> {
        let moved = |case: &Case, old: Option<&Policy>, new: Option<&Policy>| self.would_move(case, old, new);
        self.rollout.planner.plan(tree, &moved, on_progress, wanted)
    }

    /// Computes a plan in the background and reports its progress.
    pub async fn plan_aside(
        &self,
        tree: Files,
        on_progress: impl Fn(Progress) + Send + Sync + 'static,
        wanted: impl Fn() -> bool + Send + Sync + 'static,
    ) -> anyhow::Result<Plan> {
        let migrations = self.clone();
        let moved = move |case: &Case, old: Option<&Policy>, new: Option<&Policy>| {
            migrations.would_move(case, old, new)
        };
        self.rollout.planner.plan_aside(tree, Box::new(moved), on_progress, wanted).await
    }
}

fn line(case: &Case, why_not: Option<String>, preview: Option<Preview>, done: bool) -> MigrationLine {
    let due_now = preview.as_ref().map_or_else(|| case.due_at(), |preview| preview.due_now);
    let line = MigrationLine {
        case: case.id.clone(),
        policy: case.policy.clone(),
        subject: (&case.subject).into(),
        state: case.standing(),
        can: why_not.is_none(),
        why_not,
        done,
        step_now: None,
        due_now,
        from: None,
        to: None,
        step_then: None,
        due_then: None,
        remind_then: None,
        escalate_then: None,
        overdue: Vec::new(),
        notes: Vec::new(),
    };
    let Some(preview) = preview else { return line };
    let Preview {
        from,
        to,
        step_now,
        step_then,
        due_now: _,
        due_then,
        remind_then,
        escalate_then,
        overdue,
        notes,
    } = preview;
    MigrationLine {
        step_now: Some(step_now),
        from: Some(from.0),
        to: Some(to.0),
        step_then: Some(step_then),
        due_then,
        remind_then,
        escalate_then,
        overdue: overdue.into_iter().map(str::to_owned).collect(),
        notes,
        ..line
    }
}
