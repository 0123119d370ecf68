//! Everything that the store has about one person. A registration and its account are one person.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Retention;
use crate::api::subjects::{Erasure, REPORT, SubjectReport};
use crate::case::{self, Case};
use crate::engine::sources::Whom;
use crate::model::{SubjectKind, SubjectRef, Timestamp, search};
use crate::store::{self, Asked, AskedAbout, CaseFilter, Redaction};

/// Cases read at once.
const PAGE: usize = 500;

/// A person in the store.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Keys: of the registration, and of the account.
    pub people: BTreeSet<String>,
    pub cases: Vec<Case>,
    /// References of people with the same mail address.
    pub others: BTreeSet<String>,
}

/// Returns the references that a key may stand for.
pub(super) fn references(person: &str) -> [SubjectRef; 3] {
    let (source, id) = person.split_once('/').unwrap_or(("", person));
    SubjectKind::ALL.map(|kind| SubjectRef { source: source.to_owned(), kind, id: id.to_owned() })
}

impl Retention {
    /// Finds the person and their cases.
    pub(super) fn find(&self, whom: &Whom) -> Result<Found, store::Error> {
        let mut found = Found { people: BTreeSet::from([whom.person()]), ..Found::default() };
        // A case may name another key of the person: then earlier ones are looked at again.
        loop {
            let known = found.people.len();
            found.cases.clear();
            for person in found.people.clone() {
                self.add_cases(&person, &mut found)?;
            }
            if found.people.len() == known {
                break;
            }
        }
        let mails: BTreeSet<String> =
            found.cases.iter().filter_map(|case| search::mailbox(&case.subject)).collect();
        for mail in mails {
            let same = self.store.people_of_mailbox(&mail)?.into_iter();
            let others = same.filter(|other| !found.people.contains(&other.person()));
            found.others.extend(others.map(|other| other.to_string()).collect::<Vec<_>>());
        }
        Ok(found)
    }

    /// Adds the cases of a person, and other keys under which these know the person.
    fn add_cases(&self, person: &str, found: &mut Found) -> Result<(), store::Error> {
        let id = person.split_once('/').map_or(person, |(_, id)| id);
        let filter = CaseFilter { text: Some(id.to_owned()), ..CaseFilter::default() };
        let mut cursor = None;
        loop {
            let (cases, next) = self.store.cases(&filter, cursor.as_deref(), PAGE)?;
            for case in cases {
                let keys: Vec<String> = keys(&case).collect();
                let new = !found.cases.iter().any(|known| known.id == case.id);
                if new && keys.iter().any(|key| key == person) {
                    found.people.extend(keys);
                    found.cases.push(case);
                }
            }
            cursor = next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// Returns everything about a person. The inner error is for the caller.
    pub async fn show(&self, text: &str) -> Result<Result<SubjectReport, String>, store::Error> {
        let whom = match self.sources.whom(text)? {
            Ok(whom) => whom,
            Err(why) => return Ok(Err(why)),
        };
        let (this, text) = (self.clone(), text.to_owned());
        // May read many cases.
        let report = tokio::task::spawn_blocking(move || {
            let found = this.find(&whom)?;
            this.report(&text, &found)
        });
        report.await.map_err(|_| store::Error::Closed)?.map(Ok)
    }

    pub(super) fn report(&self, subject: &str, found: &Found) -> Result<SubjectReport, store::Error> {
        let now = self.now();
        let mut report = SubjectReport {
            version: REPORT,
            subject: subject.to_owned(),
            at: now,
            names: found.people.iter().cloned().collect(),
            cases: Vec::new(),
            events: Vec::new(),
            verdicts: Vec::new(),
            enrolments: Vec::new(),
            documents: Vec::new(),
            erasures: Vec::new(),
            others: found.others.iter().cloned().collect(),
        };
        for case in &found.cases {
            let journal = self.store.entries(&case.id, 0, usize::MAX)?;
            report.cases.push(json!({ "case": case, "journal": journal }));
        }
        for person in &found.people {
            self.add_decisions(&mut report, person, now)?;
            self.add_enrolments(&mut report, person)?;
            report.erasures.extend(self.store.erasures_of(person)?.into_iter().map(Erasure::from));
        }
        report.erasures.sort_by_key(|erasure| erasure.entry);
        report.erasures.dedup();
        let waiting = self.store.inbox_after(Timestamp::UNIX_EPOCH, usize::MAX)?.into_iter();
        let theirs = waiting.filter(|waiting| found.people.contains(&waiting.event.subject.person()));
        report.events.extend(theirs.map(|waiting| json!(waiting.event)));
        let names: BTreeSet<String> = found.people.iter().flat_map(|person| names(person)).collect();
        report.documents.extend(self.store.documents_of(&names)?.iter().map(|shown| json!(shown)));
        Ok(report)
    }

    fn add_decisions(
        &self,
        report: &mut SubjectReport,
        person: &str,
        now: Timestamp,
    ) -> Result<(), store::Error> {
        let about = AskedAbout::person(person, now);
        report
            .verdicts
            .extend(self.store.asked(about, usize::MAX)?.iter().map(|found| verdict(&found.asked)));
        report.events.extend(self.store.events_of(about, usize::MAX)?.iter().map(|event| json!(event)));
        Ok(())
    }

    fn add_enrolments(&self, report: &mut SubjectReport, person: &str) -> Result<(), store::Error> {
        for provider in self.connectors.verification.keys() {
            for reference in references(person) {
                let enrolment = self.store.enrolment(provider, &case::person(&reference))?;
                report.enrolments.extend(
                    enrolment.map(|enrolment| json!({ "provider": provider, "enrolment": enrolment })),
                );
            }
        }
        Ok(())
    }
}

/// Returns the keys of the person of a case.
fn keys(case: &Case) -> impl Iterator<Item = String> + '_ {
    std::iter::once(case.subject.person()).chain(case.subject.account())
}

/// Returns the names under which documents know a person.
pub(super) fn names(person: &str) -> Vec<String> {
    let references = references(person).map(|reference| reference.to_string());
    std::iter::once(person.to_owned()).chain(references).collect()
}

fn verdict(asked: &Asked) -> Value {
    json!({
        "at": asked.at,
        "policy": asked.said.policy,
        "revision": asked.said.revision,
        "subject": asked.subject,
        "verdict": asked.said.verdict.word(),
        "detail": asked.said.detail,
        "event": asked.event,
        "type": asked.kind,
        "time": asked.time,
        "trace": asked.said.trace,
    })
}

impl From<Redaction> for Erasure {
    fn from(Redaction { entry, order, records }: Redaction) -> Self {
        Self {
            entry,
            class: order.class,
            at: order.at,
            by: order.by,
            reason: order.reason,
            counts: order.counts,
            digest: order.digest,
            salt: order.salt,
            records,
        }
    }
}
