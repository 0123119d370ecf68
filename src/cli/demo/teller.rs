//! Prints journal entries of cases as they happen, in plain words and with the person's name.

use std::collections::BTreeMap;

use crate::api::holds::HoldTarget;
use crate::api::journal::Note;
use crate::case::Case;
use crate::model::{CaseId, Timestamp};

use super::{Stage, output};

/// The position in each case's journal, which prevents an entry from being printed twice.
#[derive(Debug, Default)]
pub struct Teller {
    printed: BTreeMap<CaseId, u64>,
}

impl Teller {
    /// Prints the new entries of every case.
    pub fn catch_up(&mut self, stage: &Stage, cases: &[Case]) {
        let mut lines: Vec<(Timestamp, u64, String)> = Vec::new();
        for case in cases {
            let from = self.printed.get(&case.id).copied().unwrap_or(0);
            let Ok(entries) = stage.engine.operators().journal(&case.id, from, 1_000) else { continue };
            let name = case.subject.display_name();
            for entry in &entries {
                if let Some(text) = plain(&entry.note, entry.step.as_deref()) {
                    lines.push((entry.at, entry.number, format!("{name:<16} {text}")));
                }
            }
            if let Some(last) = entries.last() {
                self.printed.insert(case.id.clone(), last.number + 1);
            }
        }
        lines.sort();
        for (at, _, text) in lines {
            output::line(&format!("  {}  {text}", at.format("%d %b %H:%M")));
        }
    }
}

/// An entry in plain words; none for an entry that the demo omits.
fn plain(note: &Note, step: Option<&str>) -> Option<String> {
    Some(match note {
        Note::Opened { by } => format!("a case opens: {}", by.trim_start_matches("event ")),
        Note::CallDone { detail, .. } if detail.starts_with("read") || detail == "started" => return None,
        Note::CallDone { detail, .. } => match detail.as_str() {
            "set" => "attributes are written in OneLogin".to_owned(),
            "suspend" => "the account is suspended".to_owned(),
            "reinstate" => "the account is reinstated".to_owned(),
            "remove_role" => "the role is removed".to_owned(),
            "assign_role" => "the role is assigned".to_owned(),
            "created" => "the account is created in the HR system".to_owned(),
            "emitted" => "an event is sent to the event sinks".to_owned(),
            other => other.to_owned(),
        },
        Note::SessionStarted { attempt, .. } => {
            format!("pressed the button; Jumio session {attempt} is ready")
        }
        Note::SessionEnded { .. } => {
            "left Jumio's page; the session expired, the link still works".to_owned()
        }
        Note::StepEnded { outcome, reasons } if reasons.is_empty() => {
            format!("{}: {outcome}", step.unwrap_or("step"))
        }
        Note::StepEnded { outcome, reasons } => {
            format!("{}: {outcome} ({})", step.unwrap_or("step"), reasons.join(", "))
        }
        Note::Decided { decision, .. } => {
            let reason = decision.reason.as_deref().unwrap_or("no reason given");
            format!("{} decides: {} ({reason})", decision.by.name, decision.decision)
        }
        Note::OverLimit { action } => format!("{} is over its limit; a person decides", action.word()),
        Note::Stuck { reason } => format!("stuck: {reason}"),
        Note::GraceBegan { until } => {
            format!("will be deleted on {}, unless somebody objects", until.format("%d %b"))
        }
        Note::HoldPlaced { held: HoldTarget::Account } => "hold placed: the account".to_owned(),
        Note::HoldPlaced { held: HoldTarget::Role(role) } => format!("hold placed: the role {role}"),
        Note::HoldLifted { stays: false, .. } => "hold lifted".to_owned(),
        Note::FellBack { verification } => format!("no face is enrolled; {verification} is used instead"),
        Note::Reused { .. } => "a recent pass is reused".to_owned(),
        Note::Destroyed { .. } => "is deleted in OneLogin".to_owned(),
        Note::Closed { result } => format!("case closed: {result}"),
        _ => return None,
    })
}

/// Prints the addresses to visit while the demo runs.
pub fn where_to_look(stage: &Stage, sign_in: &str) {
    let Stage { town, url, .. } = stage;
    output::line("");
    output::line("The demo runs until Ctrl-C. Open the console; the link signs you in once:");
    output::line(&format!("  console           {sign_in}"));
    output::line("Play an applicant yourself:");
    output::line(&format!("  register          {}", town.onelogin_served.url));
    output::line(&format!("  read the mail     {}", town.mailbox_served.web.url));
    output::line(&format!("  Jumio's pages     {}", town.jumio_served.url));
    output::line(&format!("  HR, tickets       {}", town.office_served.url));
    output::line(&format!(
        "  cases             PROOFD_TOKEN={} proofd case list --url {url}",
        stage.token.expose()
    ));
    output::line(&format!("  metrics           {url}/metrics"));
}
