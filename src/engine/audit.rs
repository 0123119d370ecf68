//! Search over the journals of all cases.

use crate::api::Page;
use crate::api::audit::{AuditLine, AuditQuery};
use crate::api::bounds::CaseLimit;
use crate::api::journal::{Entry, Note};
use crate::case::Case;
use crate::store::{self, CaseFilter};

use super::operators::Operators;

/// Entries of a page if the query sets no limit.
const ENTRIES: usize = 200;
/// Cases that are read at once, and how often for one page: a rare match must not hold a request.
const AT_ONCE: usize = 25;
const READS: usize = 20;
/// Most entries of one case.
const MOST_OF_CASE: usize = 1_000;

impl Operators {
    /// Returns journal entries of all cases, newest cases first.
    pub fn audit(&self, query: &AuditQuery) -> Result<Page<AuditLine>, store::Error> {
        let limit = query.limit.map_or(ENTRIES, CaseLimit::get);
        let filter = CaseFilter {
            policy: query.policy.clone(),
            subject: query.subject.clone(),
            ..CaseFilter::default()
        };
        let mut items = Vec::new();
        let mut cursor = query.cursor.clone().map(String::from);
        for _ in 0..READS {
            let (cases, next) = self.store.cases(&filter, cursor.as_deref(), AT_ONCE)?;
            for case in &cases {
                self.entries_of(case, query, &mut items)?;
            }
            cursor = next;
            if cursor.is_none() || items.len() >= limit {
                break;
            }
        }
        Ok(Page { items, next: cursor })
    }

    fn entries_of(
        &self,
        case: &Case,
        query: &AuditQuery,
        items: &mut Vec<AuditLine>,
    ) -> Result<(), store::Error> {
        let after = |at: &crate::api::bounds::Moment| case.opened_at > at.0;
        if query.revision.as_ref().is_some_and(|start| !case.revision.0.starts_with(start.as_str()))
            || query.until.as_ref().is_some_and(after)
        {
            return Ok(());
        }
        for entry in self.journal(&case.id, 0, MOST_OF_CASE)? {
            let by = actor(&entry.note);
            if !matches(&entry, by.as_deref(), query) {
                continue;
            }
            items.push(AuditLine {
                case: case.id.clone(),
                policy: case.policy.clone(),
                revision: case.revision.0.clone(),
                subject: (&case.subject).into(),
                entry,
                by,
                opened_at: case.opened_at,
            });
        }
        Ok(())
    }
}

fn matches(entry: &Entry, by: Option<&str>, query: &AuditQuery) -> bool {
    let given = |text: &Option<String>| {
        text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_lowercase)
    };
    let person = person(&entry.note).map(str::to_lowercase);
    query.since.as_ref().is_none_or(|since| entry.at >= since.0)
        && query.until.as_ref().is_none_or(|until| entry.at <= until.0)
        && given(&query.by).is_none_or(|wanted| {
            by.is_some_and(|by| by.to_lowercase() == wanted) || person.is_some_and(|person| person == wanted)
        })
        && given(&query.what).is_none_or(|wanted| word(&entry.note).is_some_and(|word| word == wanted))
        && given(&query.effect).is_none_or(|wanted| effect(&entry.note).is_some_and(|word| word == wanted))
}

/// The kind of an entry, as its JSON has it.
fn word(note: &Note) -> Option<String> {
    let shown = serde_json::to_value(note).ok()?;
    Some(shown.get("what")?.as_str()?.to_owned())
}

fn effect(note: &Note) -> Option<String> {
    match note {
        Note::CallAsked { action, .. } => action.split_whitespace().next().map(str::to_owned),
        Note::OverLimit { action } | Note::Skipped { action } => Some(action.word().to_owned()),
        _ => None,
    }
}

/// The person who caused an entry, by the name of the token or login.
fn actor(note: &Note) -> Option<String> {
    match note {
        Note::Decided { decision, .. } | Note::LateDecision { decision } => Some(decision.by.name.clone()),
        Note::DecisionRefused { refused } => Some(refused.by.name.clone()),
        Note::Ordered { operator } => Some(operator.by.name.clone()),
        Note::Migrated { by, .. } => Some(by.clone()),
        _ => None,
    }
}

fn person(note: &Note) -> Option<&str> {
    match note {
        Note::Decided { decision, .. } | Note::LateDecision { decision } => decision.by.person.as_deref(),
        Note::DecisionRefused { refused } => refused.by.person.as_deref(),
        Note::Ordered { operator } => operator.by.person.as_deref(),
        _ => None,
    }
}
