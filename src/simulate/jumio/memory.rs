//! The vendor's data about accounts: the holder, the face and document on file, the execution that put them
//! there, and how long they are kept. This module must not know HTTP.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::json;

use super::execution::{Execution, Faces, Order, Outcome, Script};
use super::knobs::{Enrolment, Knobs};
use super::plan::Needs;
use super::result;
use super::world::World;
use crate::model::Timestamp;

/// An account as `/_sim/accounts` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub account: String,
    /// The person the account was created for. Known only to the simulator, so it is never wiped.
    pub holder: String,
    /// The face on file, by name.
    pub face: Option<String>,
    /// The execution that enrolled it.
    pub enrolled_by: Option<String>,
    /// The reusable document credential on file.
    pub document: Option<String>,
    /// When its data is wiped, if nothing happens before.
    pub kept_until: Option<Timestamp>,
    pub wiped: bool,
}

/// Whether an execution puts its face on file.
pub(super) fn enrols(one: &Execution, knobs: &Knobs) -> bool {
    let passed = || result::decision(one, knobs.expired).kind == "PASSED";
    one.remembered() && result::face_enrolled(one) && (knobs.enrolment == Enrolment::Liveness || passed())
}

impl World {
    /// The latest execution of an account that put a face on file.
    fn enrolment(&self, account: &str) -> Option<&Execution> {
        self.executions.iter().rev().find(|one| one.account == account && enrols(one, &self.knobs))
    }

    /// Whether a start that needs a face is possible.
    pub fn has_face(&self, account: Option<&str>) -> bool {
        account.is_some_and(|account| self.enrolment(account).is_some())
    }

    /// The execution and the id of the usable document on file: the named one, or the latest.
    fn document(&self, account: &str, named: Option<&str>) -> Option<(&Execution, &str)> {
        self.executions
            .iter()
            .rev()
            .filter(|one| one.account == account && one.remembered() && result::id_usable(one))
            .filter_map(|one| Some((one, one.credential("ID")?.id.as_str())))
            .find(|(_, id)| named.is_none_or(|named| *id == named))
    }

    /// The id of the usable document that a start may reuse.
    pub fn owned_id(&self, account: Option<&str>, needs: Needs, named: Option<&str>) -> Option<String> {
        let named_if_needed = match needs {
            Needs::NamedId => named.is_some(),
            Needs::AnyId => true,
            Needs::Nothing | Needs::Face => false,
        };
        let (_, id) = self.document(account.filter(|_| named_if_needed)?, named)?;
        Some(id.to_owned())
    }

    /// Creates an account for the person that the first start names, otherwise for a person of its own.
    pub fn open_account(&mut self, account: &str, order: &Order) {
        let holder = order.user_reference.clone().unwrap_or_else(|| account.to_owned());
        self.accounts.entry(account.to_owned()).or_insert(holder);
    }

    /// The faces in an execution's pictures, compared with the face on file now.
    pub fn look(&self, index: usize, script: &Script) -> Faces {
        let one = &self.executions[index];
        let holder = self.accounts.get(&one.account).unwrap_or(&one.account);
        let stranger = script.outcome == Outcome::FaceMismatch;
        let shown = script.face.clone().unwrap_or_else(|| match stranger {
            true => format!("stranger of {}", one.execution),
            false => holder.clone(),
        });
        let (wanted, from) = if one.plan.authenticates() {
            let by = self.enrolment(&one.account);
            (by.and_then(|by| by.faces.shown.clone()), by.map(|by| by.execution.clone()))
        } else if let Some(id) = one.credential("ID").filter(|id| id.existing) {
            let by = self.document(&one.account, Some(&id.id)).map(|(by, _)| by);
            (by.and_then(|by| by.faces.wanted.clone()), by.map(|by| by.execution.clone()))
        } else if stranger && shown == *holder {
            (Some(format!("stranger of {}", one.execution)), None)
        } else {
            (Some(if stranger { holder.clone() } else { shown.clone() }), None)
        };
        let mut found: Vec<String> = Vec::new();
        if self.knobs.repeated_face && one.plan.runs("imageChecks") && script.outcome != Outcome::PoorImage {
            let same = self.executions.iter().filter(|other| {
                other.faces.shown.as_ref() == Some(&shown)
                    && other.remembered()
                    && result::face_enrolled(other)
            });
            found = same.map(|other| other.execution.clone()).collect();
        }
        let many = |least: u32| usize::try_from(least).is_ok_and(|least| found.len() >= least);
        let too_many = !found.is_empty() && self.knobs.repeated_face_rejects_after.is_some_and(many);
        if !many(self.knobs.repeated_face_after) && !too_many {
            found.clear();
        }
        Faces { shown: Some(shown), wanted, from, found, too_many }
    }

    /// When the data of each account is wiped: counted from its last event, never during an execution.
    fn kept_until(&self) -> BTreeMap<&str, Timestamp> {
        let Some(retention) = self.knobs.retention_seconds else { return BTreeMap::new() };
        let retention = TimeDelta::seconds(i64::from(retention));
        let mut last: BTreeMap<&str, (Option<Timestamp>, bool)> = BTreeMap::new();
        for one in self.executions.iter().filter(|one| !one.deleted) {
            let (ended, has_data) = last.entry(&one.account).or_insert((Some(one.created_at), false));
            *ended = (*ended).zip(one.completed_at).map(|(other, this)| other.max(this));
            *has_data |= one.wiped_out_at.is_none();
        }
        let due = last.into_iter().filter(|(_, (_, has_data))| *has_data);
        due.filter_map(|(account, (ended, _))| Some((account, ended? + retention))).collect()
    }

    /// The next time at which data is wiped.
    pub fn next_wipe(&self) -> Option<Timestamp> {
        self.kept_until().into_values().min()
    }

    /// Wipes data whose retention has ended at `at`.
    pub fn retain(&mut self, at: Timestamp) {
        let due = self.kept_until().into_iter().filter(|(_, until)| *until <= at);
        let due: Vec<_> = due.map(|(account, until)| (account.to_owned(), until)).collect();
        for (account, until) in due {
            self.wipe(&account, until);
        }
    }

    /// Removes images and data of an account; decisions stay.
    pub fn wipe(&mut self, account: &str, at: Timestamp) {
        let mut wiped = Vec::new();
        for one in &mut self.executions {
            let has_data = one.status.is_final() && one.wiped_out_at.is_none() && !one.deleted;
            if one.account == account && has_data {
                one.wiped_out_at = Some(at);
                wiped.push(one.execution.clone());
            }
        }
        self.note(at, "wipe", account, !wiped.is_empty(), json!({"account": account, "executions": wiped}));
    }

    /// Deletes an account and everything on it; false if there is none.
    pub fn forget(&mut self, account: &str, at: Timestamp) -> bool {
        let known = self.accounts.remove(account).is_some();
        self.note(at, "delete", account, known, json!({"account": account}));
        for one in self.executions.iter_mut().filter(|one| known && one.account == account) {
            one.deleted = true;
        }
        known
    }

    fn is_wiped(&self, account: &str) -> bool {
        let mut mine = self.executions.iter().filter(|one| one.account == account && !one.deleted).peekable();
        mine.peek().is_some() && mine.all(|one| one.wiped_out_at.is_some())
    }

    /// Whether a start may name the account.
    pub fn knows(&self, account: &str) -> bool {
        self.accounts.contains_key(account) && !(self.knobs.wiped_account_unknown && self.is_wiped(account))
    }

    pub fn account(&self, account: &str) -> Option<Account> {
        let holder = self.accounts.get(account)?.clone();
        let by = self.enrolment(account);
        Some(Account {
            account: account.to_owned(),
            holder,
            face: by.and_then(|by| by.faces.shown.clone()),
            enrolled_by: by.map(|by| by.execution.clone()),
            document: self.document(account, None).map(|(_, id)| id.to_owned()),
            kept_until: self.kept_until().get(account).copied(),
            wiped: self.is_wiped(account),
        })
    }
}
