//! The log of `dev`: what happens to cases, and what becomes of edits, in words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::live::{self, Teller};
use super::super::style::{Tone, paint};
use super::{Failed, Stage, output};
use crate::model::Timestamp;
use crate::policy::diagnostic::Severity;
use crate::rollout::{PolicyState, PolicyStatus, Report};

/// Interval between looks at cases and policies.
pub const GLANCE: Duration = Duration::from_millis(200);

/// What was printed so far.
#[derive(Debug)]
pub struct Log {
    policies: PathBuf,
    teller: Teller,
    reloaded_at: Option<Timestamp>,
    /// The last line about each policy.
    known: BTreeMap<String, String>,
}

impl Log {
    pub fn new(policies: &Path) -> Self {
        Self {
            policies: policies.to_owned(),
            teller: Teller::default(),
            reloaded_at: None,
            known: BTreeMap::new(),
        }
    }

    /// Prints what happened since the last look.
    pub fn catch_up(&mut self, stage: &Stage) -> Result<(), Failed> {
        self.reloaded(stage);
        self.teller.catch_up(&stage.engine, &live::cases(&stage.engine)?);
        Ok(())
    }

    /// Prints what the last reload changed.
    pub fn reloaded(&mut self, stage: &Stage) {
        let active = stage.engine.active();
        let report = &active.report;
        if report.at == self.reloaded_at {
            return;
        }
        self.reloaded_at = report.at;
        for status in &report.policies {
            let line = line(status);
            if self.known.insert(status.name.clone(), line.clone()).as_ref() != Some(&line) {
                output::line(&format!("  {line}"));
            }
        }
        let now = |name: &String| report.policies.iter().any(|status| status.name == *name);
        for name in self.known.keys().filter(|name| !now(name)) {
            output::line(&format!("  policy {name}: gone from the tree; it opens no cases"));
        }
        self.known.retain(|name, _| now(name));
        self.mistakes(report);
    }

    fn mistakes(&self, report: &Report) {
        if let Some(problem) = &report.problem {
            output::line(&format!("  {}", paint(Tone::Bad, &format!("nothing was loaded: {problem}"))));
        }
        for found in report.diagnostics.iter().filter(|found| found.severity == Severity::Error) {
            let place = self.policies.join(&found.place.file);
            let (line, column) = (found.place.line, found.place.column);
            let text = format!("{}:{line}:{column}: {}", place.display(), found.message);
            output::line(&format!("  {}", paint(Tone::Bad, &text)));
            if let Some(help) = &found.help {
                output::line(&format!("    {help}"));
            }
        }
    }
}

/// What runs of a policy after a reload.
fn line(status: &PolicyStatus) -> String {
    let short = |revision: Option<&crate::policy::Revision>| {
        revision.map_or_else(|| "none".to_owned(), |revision| revision.short().to_string())
    };
    let (name, runs) = (&status.name, short(status.revision.as_ref()));
    let (tone, text) = match status.state {
        PolicyState::Active => (Tone::Good, format!("revision {runs} is active")),
        PolicyState::KeptLastGood => {
            (Tone::Bad, format!("the edit has errors; revision {runs} stays active"))
        }
        PolicyState::Refused => (Tone::Bad, "it has errors and does not run".to_owned()),
        PolicyState::KeptBack => {
            (Tone::Warning, format!("waits for the errors of another policy; revision {runs} stays active"))
        }
        PolicyState::NeedsRelease => {
            let parked = short(status.waiting.as_ref());
            let why = status.why.join("; ");
            let text = format!(
                "revision {parked} is parked: it {why}. Release it: proofd policy release {name} --reason TEXT"
            );
            (Tone::Warning, text)
        }
        PolicyState::Reverted => (Tone::Warning, format!("reverted to revision {runs}")),
    };
    format!("policy {name}: {}", paint(tone, &text))
}
