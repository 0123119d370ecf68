//! The erasure of a person: refused while something of theirs continues; then one record, after which nothing of the
//! state, and soon nothing of any file, holds their data.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::nightly::is_at_rest;
use super::subject::Found;
use super::{Retention, order};
use crate::api::subjects::{DeletionLine, Erased, Erasure, SubjectReport};
use crate::case::{Case, Input, Operator, Order};
use crate::engine::cases::ApplyError;
use crate::model::{Actor, CaseId, Forgotten};
use crate::store::{self, VendorAccount};

/// How long an erasure waits until the calls of closed cases have ended.
const CALLS_END: TimeDelta = TimeDelta::seconds(30);

/// Why a person is not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseRefused {
    #[error("{0}")]
    Wrong(String),
    #[error("nothing is known about {0}")]
    Unknown(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Apply(#[from] ApplyError),
}

impl From<store::Error> for EraseRefused {
    fn from(error: store::Error) -> Self {
        Self::Apply(error.into())
    }
}

impl Retention {
    /// Erases a person. With `close_cases`, open cases are cancelled and holds lifted first.
    pub async fn erase(
        &self,
        text: &str,
        by: &Actor,
        reason: &str,
        close_cases: bool,
    ) -> Result<Erased, EraseRefused> {
        let whom = self.sources.whom(text)?.map_err(EraseRefused::Wrong)?;
        self.refuse_leftovers()?;
        let mut found = self.look(&whom).await?;
        if found.cases.iter().any(|case| !is_at_rest(case)) {
            if !close_cases {
                return Err(EraseRefused::Conflict(unfinished(&found)));
            }
            self.close(&found.cases, by, reason).await?;
            found = self.look(&whom).await?;
            if found.cases.iter().any(|case| !is_at_rest(case)) {
                return Err(EraseRefused::Conflict(unfinished(&found)));
            }
        }
        let report = self.report(text, &found)?;
        if is_empty(&report) {
            return self.nothing_left(text, report);
        }
        self.refuse_waiting(&found)?;
        let deletions = self.accounts(&found, &report);
        let exported = serde_json::to_string(&report)
            .map_err(|error| EraseRefused::Conflict(format!("while hashing the data: {error}")))?;
        let people: Vec<String> = found.people.iter().cloned().collect();
        let cases: Vec<CaseId> = found.cases.iter().map(|case| case.id.clone()).collect();
        let mut order = order(Forgotten::Person, self.now(), &by.name, reason, cases.clone())
            .naming(&people)?
            .proving(&exported);
        order.counts = counts(&report);
        order.deletions = deletions.clone();
        {
            let _no_writers = self.cases.locks().cases(cases.iter().map(CaseId::as_str)).await;
            for id in &cases {
                if self.store.case(id)?.is_some_and(|case| !is_at_rest(&case)) {
                    return Err(EraseRefused::Conflict(format!("case {id} changed meanwhile; try again")));
                }
            }
            self.store.redact(order).await?;
        }
        self.metrics.retained(Forgotten::Person, cases.len());
        tracing::info!(by = by.name, cases = cases.len(), "erased a person");
        self.erased(text, &people, cases, &deletions, report.others).await
    }

    /// Removes the data from the files and at the providers, and reports what is still pending.
    async fn erased(
        &self,
        text: &str,
        people: &[String],
        cases: Vec<CaseId>,
        deletions: &[VendorAccount],
        others: Vec<String>,
    ) -> Result<Erased, EraseRefused> {
        let mut pending = Vec::new();
        if let Err(error) = self.store.remove_leftovers() {
            pending.push(format!("{error}; remove these files by hand, they hold personal data"));
        }
        if let Err(error) = self.finish().await {
            tracing::error!(%error, "removing data from the store's files failed; it is tried again");
            pending.push(format!("the store's files still hold the data; this is tried again: {error}"));
        }
        self.delete_accounts().await?;
        let mut lines = Vec::new();
        for deletion in self.store.deletions()? {
            if deletions.contains(&deletion.account) {
                lines.push(DeletionLine::from(deletion));
            }
        }
        for line in lines.iter().filter(|line| !line.done) {
            let why = line.failure.as_deref().unwrap_or("it was not tried yet");
            pending.push(match line.due_at {
                Some(_) => {
                    format!("{} has not deleted the account yet; it is tried again: {why}", line.provider)
                }
                None => format!("{} did not delete the account: {why}", line.provider),
            });
        }
        let mut certificate = None;
        for person in people {
            certificate = certificate.max_by_entry(self.store.erasures_of(person)?.pop().map(Erasure::from));
        }
        let subject = text.to_owned();
        Ok(Erased { subject, erased: true, cases, certificate, deletions: lines, pending, others })
    }

    async fn look(&self, whom: &crate::engine::sources::Whom) -> Result<Found, EraseRefused> {
        let (this, whom) = (self.clone(), whom.clone());
        let found = tokio::task::spawn_blocking(move || this.find(&whom)).await;
        Ok(found.map_err(|_| store::Error::Closed)??)
    }

    /// A damaged journal that was set aside is the only copy of its records, and cannot be rewritten.
    fn refuse_leftovers(&self) -> Result<(), EraseRefused> {
        let journals = self.store.leftovers()?.journals;
        let Some(first) = journals.first() else { return Ok(()) };
        Err(EraseRefused::Conflict(format!(
            "{} holds personal data and cannot be rewritten; decide the quarantined cases, delete it, and try \
                again",
            first.display()
        )))
    }

    fn refuse_waiting(&self, found: &Found) -> Result<(), EraseRefused> {
        let waiting = self.store.inbox_after(crate::model::Timestamp::UNIX_EPOCH, usize::MAX)?;
        let theirs = |waiting: &&store::Waiting| found.people.contains(&waiting.event.subject.person());
        match waiting.iter().filter(theirs).count() {
            0 => Ok(()),
            count => Err(EraseRefused::Conflict(format!(
                "{count} events of the person wait to be processed; try again when they are"
            ))),
        }
    }

    fn nothing_left(&self, text: &str, report: SubjectReport) -> Result<Erased, EraseRefused> {
        let Some(last) = report.erasures.last().cloned() else {
            return Err(EraseRefused::Unknown(text.to_owned()));
        };
        Ok(Erased {
            subject: text.to_owned(),
            erased: false,
            cases: Vec::new(),
            certificate: Some(last),
            deletions: Vec::new(),
            pending: Vec::new(),
            others: report.others,
        })
    }

    /// Cancels open cases, lifts what they hold, and waits until their calls have ended.
    async fn close(&self, cases: &[Case], by: &Actor, reason: &str) -> Result<(), EraseRefused> {
        let give = |order| Input::Operator(Operator { order, by: by.clone(), reason: reason.to_owned() });
        for case in cases {
            let mut now = case.clone();
            if !now.is_closed() {
                now = self.cases.apply(&case.id, give(Order::Cancel)).await?;
            }
            if now.is_closed() && !now.holds.is_empty() {
                match self.cases.apply(&case.id, give(Order::Lift)).await {
                    // A lifting may be in progress already.
                    Ok(_) | Err(ApplyError::Refused(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let ends = self.now() + CALLS_END;
        let mut applied = self.store.cases_applied();
        while self.now() < ends {
            applied.mark_unchanged();
            let mut rest = true;
            for case in cases {
                rest &= self.store.case(&case.id)?.is_none_or(|case| is_at_rest(&case));
            }
            if rest {
                return Ok(());
            }
            tokio::select! {
                _ = applied.changed() => {}
                () = self.clock.sleep_until(ends) => {}
            }
        }
        Ok(())
    }

    /// Returns the accounts at providers that delete on request.
    fn accounts(&self, found: &Found, report: &SubjectReport) -> Vec<VendorAccount> {
        let deleting: Vec<&String> = self
            .connectors
            .verification
            .iter()
            .filter(|(_, provider)| provider.deletes())
            .map(|(name, _)| name)
            .collect();
        let mut accounts = BTreeSet::new();
        for enrolment in &report.enrolments {
            let provider = enrolment["provider"].as_str().unwrap_or_default();
            let account = enrolment["enrolment"]["account"].as_str().unwrap_or_default();
            if !account.is_empty() && deleting.iter().any(|name| *name == provider) {
                let (provider, account) = (provider.to_owned(), account.to_owned());
                accounts.insert(VendorAccount { provider, account });
            }
        }
        // A session names its account and not its provider: with one provider, it is that one's.
        if let ([provider], 1) = (deleting.as_slice(), self.connectors.verification.len()) {
            let sessions = found.cases.iter().flat_map(|case| case.sessions.values());
            accounts.extend(
                sessions
                    .map(|account| VendorAccount { provider: (*provider).clone(), account: account.clone() }),
            );
        }
        accounts.into_iter().collect()
    }
}

trait MaxByEntry {
    fn max_by_entry(self, other: Self) -> Self;
}

impl MaxByEntry for Option<Erasure> {
    /// Returns the later one.
    fn max_by_entry(self, other: Self) -> Self {
        self.into_iter().chain(other).max_by_key(|erasure| erasure.entry)
    }
}

fn is_empty(report: &SubjectReport) -> bool {
    report.cases.is_empty()
        && report.events.is_empty()
        && report.verdicts.is_empty()
        && report.enrolments.is_empty()
        && report.documents.is_empty()
}

fn counts(report: &SubjectReport) -> BTreeMap<String, u64> {
    [
        ("cases", report.cases.len()),
        ("events", report.events.len()),
        ("verdicts", report.verdicts.len()),
        ("enrolments", report.enrolments.len()),
        ("documents", report.documents.len()),
    ]
    .map(|(name, count)| (name.to_owned(), count as u64))
    .into()
}

/// Names what still continues, and what to do.
fn unfinished(found: &Found) -> String {
    let ids = |pick: &dyn Fn(&Case) -> bool| {
        let ids: Vec<&str> =
            found.cases.iter().filter(|case| pick(case)).map(|case| case.id.as_str()).collect();
        ids.join(", ")
    };
    let open = ids(&|case| !case.is_closed());
    if !open.is_empty() {
        return format!(
            "the person has open cases: {open}; wait until they close, or use --close-cases, which cancels them \
                and lifts what they hold"
        );
    }
    let held = ids(&|case| case.is_closed() && !case.holds.is_empty());
    if !held.is_empty() {
        return format!(
            "closed cases hold something of the person: {held}; lift it (`proofd hold lift CASE`), or use \
                --close-cases"
        );
    }
    format!("calls of closed cases have not ended: {}; try again", ids(&|case| !case.calls.is_empty()))
}
