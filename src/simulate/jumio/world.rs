//! The vendor's state: accounts, executions, the token, and what becomes due. This module must not know HTTP.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::callback::{self, Delivery};
use super::execution::{Credential, Directory, Execution, Faces, Holder, Order, Script, Status};
use super::knobs::{Callbacks, Knobs};
use super::plan::{self, Needs};
use super::token::{self, Limits, Token};
use crate::model::Timestamp;
use crate::simulate::ledger::{Ledger, Record, System};

/// A refusal: the code and the message.
pub(super) type Refusal = (u16, String);

/// Why a start was refused, with a special body if a knob sets one.
pub(super) struct Denied {
    pub code: u16,
    pub message: String,
    pub body: Option<Value>,
}

impl From<Refusal> for Denied {
    fn from((code, message): Refusal) -> Self {
        Self { code, message, body: None }
    }
}

#[derive(Debug)]
pub(super) struct World {
    pub knobs: Knobs,
    pub base: String,
    pub token: Option<Token>,
    pub limits: Limits,
    /// Maps an account to the person it was created for.
    pub accounts: BTreeMap<String, String>,
    pub executions: Vec<Execution>,
    pub outbox: Vec<Delivery>,
    pub directory: Directory,
    seed: u64,
    made: u64,
    ledger: Ledger,
}

impl World {
    pub fn new(seed: u64, ledger: Ledger) -> Self {
        Self {
            knobs: Knobs::default(),
            base: String::new(),
            token: None,
            limits: Limits::default(),
            accounts: BTreeMap::new(),
            executions: Vec::new(),
            outbox: Vec::new(),
            directory: Directory::default(),
            seed,
            made: 0,
            ledger,
        }
    }

    pub fn note(&self, at: Timestamp, what: &str, subject: &str, applied: bool, detail: Value) {
        let (what, subject) = (what.to_owned(), subject.to_owned());
        self.ledger.append(Record { at, system: System::Jumio, what, subject, applied, detail });
    }

    /// A new UUID; the same seed gives the same sequence.
    pub fn uuid(&mut self) -> String {
        self.made += 1;
        let hash = Sha256::digest(format!("{}:{}", self.seed, self.made));
        let hex = HEXLOWER.encode(&hash);
        format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
    }

    pub fn find(&self, execution: &str) -> Option<usize> {
        self.executions.iter().position(|one| one.execution == execution && !one.deleted)
    }

    pub fn by_link(&self, link_token: &str) -> Option<usize> {
        self.executions.iter().position(|one| one.link_token == link_token && !one.deleted)
    }

    /// Starts an execution, on a new account if none is named.
    pub fn start(&mut self, account: Option<&str>, body: &[u8], at: Timestamp) -> Result<usize, Denied> {
        match super::order::read(body, &self.knobs) {
            Ok(order) => self.begin(account, order, at),
            Err(message) => {
                self.note_denied(account, "", 400, &message, at);
                Err((400, message).into())
            }
        }
    }

    /// Starts an execution from parsed parameters.
    pub fn begin(&mut self, account: Option<&str>, order: Order, at: Timestamp) -> Result<usize, Denied> {
        let subject = order.customer_internal_reference.clone();
        match self.place(account, order, at) {
            Ok(index) => {
                let one = &self.executions[index];
                let detail =
                    json!({"account": one.account, "execution": one.execution, "key": one.order.key});
                self.note(at, asked(account), &subject, true, detail);
                Ok(index)
            }
            Err(denied) => {
                self.note_denied(account, &subject, denied.code, &denied.message, at);
                Err(denied)
            }
        }
    }

    fn note_denied(&self, account: Option<&str>, subject: &str, code: u16, message: &str, at: Timestamp) {
        let detail = json!({"account": account, "status": code, "reason": message});
        self.note(at, asked(account), subject, false, detail);
    }

    fn not_enrolled(&self, message: &str) -> Denied {
        Denied {
            code: self.knobs.not_enrolled_status,
            message: message.to_owned(),
            body: self.knobs.not_enrolled_body.clone(),
        }
    }

    fn place(&mut self, account: Option<&str>, order: Order, at: Timestamp) -> Result<usize, Denied> {
        let plan = plan::plan(order.key, &self.knobs)
            .ok_or_else(|| (400, "workflowDefinition.key is unknown".to_owned()))?;
        if let Some(account) = account
            && !self.knows(account)
        {
            return Err((404, "Account not found".to_owned()).into());
        }
        let owned = self.owned_id(account, plan.needs, order.existing.as_deref());
        match plan.needs {
            Needs::Face if !self.has_face(account) => {
                return Err(self.not_enrolled("No enrolled face data found for the account"));
            }
            Needs::NamedId if order.existing.is_none() => {
                return Err((400, "workflowDefinition.credentials must name an ID".to_owned()).into());
            }
            Needs::NamedId | Needs::AnyId if owned.is_none() => {
                return Err(self.not_enrolled("No usable ID credential found on the account"));
            }
            Needs::Nothing | Needs::Face | Needs::NamedId | Needs::AnyId => {}
        }
        let account = account.map_or_else(|| self.uuid(), str::to_owned);
        self.open_account(&account, &order);
        let credentials = plan
            .credentials
            .iter()
            .map(|category| match &owned {
                Some(id) if *category == "ID" => {
                    Credential { id: id.clone(), category, existing: true, captured: true }
                }
                _ => Credential { id: self.uuid(), category, existing: false, captured: false },
            })
            .collect();
        let execution = self.uuid();
        let link_token = token::link(&order, &account, &execution, at);
        let api_token = self.uuid();
        let href = plan.web.then(|| token::href(&self.base, &link_token, &order.locale));
        let expires_at = at + TimeDelta::seconds(order.lifetime_seconds);
        self.executions.push(Execution {
            execution,
            account,
            order,
            status: Status::Initiated,
            href,
            created_at: at,
            expires_at,
            started_at: None,
            last_action_at: None,
            acquired_at: None,
            completed_at: None,
            wiped_out_at: None,
            credentials,
            result: None,
            plan,
            link_token,
            api_token,
            due: None,
            hidden_reads: 0,
            faces: Faces::default(),
            deleted: false,
        });
        Ok(self.executions.len() - 1)
    }

    /// The applicant opens the link or acts in the started session.
    pub fn touch(&mut self, index: usize, at: Timestamp) -> Result<(), Refusal> {
        let one = &mut self.executions[index];
        match one.status {
            Status::Initiated => {
                one.status = Status::AcquisitionStarted;
                one.started_at = Some(at);
                one.last_action_at = Some(at);
                if self.knobs.callbacks == Callbacks::Intermediate {
                    self.call_back(index, Status::AcquisitionStarted.name(), at, at);
                }
                Ok(())
            }
            Status::AcquisitionStarted => {
                one.last_action_at = Some(at);
                Ok(())
            }
            Status::Acquired | Status::Processed => Err((409, "Transaction already finished.".into())),
            Status::SessionExpired => Err((412, "Acquisition expired.".into())),
            Status::TokenExpired => Err((412, "JWT expired.".into())),
        }
    }

    pub fn capture(&mut self, index: usize, at: Timestamp) -> Result<(), Refusal> {
        self.touch(index, at)?;
        let one = &mut self.executions[index];
        if let Some(next) = one.credentials.iter_mut().find(|credential| !credential.captured) {
            next.captured = true;
        }
        Ok(())
    }

    /// Ends the capture; without a script, the mock dialect's is used, or a pass.
    pub fn finish(&mut self, index: usize, script: Option<Script>, at: Timestamp) -> Result<(), Refusal> {
        self.touch(index, at)?;
        let mut script = script.or_else(|| self.executions[index].order.mock.clone()).unwrap_or_default();
        if let Some(holder) = script.is_nameless().then(|| self.holder(index)).flatten() {
            script.name(&holder);
        }
        let faces = self.look(index, &script);
        let early = self.knobs.callbacks == Callbacks::Early;
        let wait = self.knobs.processing_seconds.max(if early { 10 } else { 0 });
        let hidden = self.knobs.early_details_404;
        let one = &mut self.executions[index];
        one.credentials.iter_mut().for_each(|credential| credential.captured = true);
        one.status = Status::Acquired;
        one.acquired_at = Some(at);
        one.due = Some(at + TimeDelta::seconds(i64::from(wait)));
        one.result = Some(script);
        one.faces = faces;
        one.hidden_reads = hidden;
        if self.knobs.callbacks == Callbacks::Intermediate {
            self.call_back(index, Status::Acquired.name(), at, at);
        }
        if let Some(unknown) = self.knobs.unknown_status.clone() {
            self.call_back(index, &unknown, at, at);
        }
        if early {
            self.call_back(index, Status::Processed.name(), at, at);
        }
        Ok(())
    }

    /// The name of the person whom an execution is for, if the directory knows it.
    pub fn holder(&self, index: usize) -> Option<Holder> {
        self.directory.holder(&self.executions[index].order)
    }

    /// Expires an execution that was not captured, as the clock does.
    pub fn expire(&mut self, index: usize, at: Timestamp) -> Result<(), Refusal> {
        match self.executions[index].status {
            Status::Initiated | Status::AcquisitionStarted => {
                self.end(index, self.executions[index].after_next(), at);
                Ok(())
            }
            Status::Acquired | Status::Processed | Status::SessionExpired | Status::TokenExpired => {
                Err((409, "The execution is past capture.".into()))
            }
        }
    }

    /// Applies everything that became due until `at`.
    pub fn settle(&mut self, at: Timestamp) {
        for index in 0..self.executions.len() {
            if let Some(due) = self.executions[index].next()
                && due <= at
                && !self.executions[index].deleted
            {
                self.end(index, self.executions[index].after_next(), due);
            }
        }
        self.retain(at);
    }

    /// The next time at which `settle` changes something or a callback is due.
    pub fn next(&self) -> Option<Timestamp> {
        let statuses = self.executions.iter().filter(|one| !one.deleted).filter_map(Execution::next);
        statuses.chain(self.outbox.iter().map(|delivery| delivery.due)).chain(self.next_wipe()).min()
    }

    fn end(&mut self, index: usize, status: Status, at: Timestamp) {
        let one = &mut self.executions[index];
        one.status = status;
        one.completed_at = Some(at);
        let one = &self.executions[index];
        let script = one.result.clone();
        let outcome = script.as_ref().map(|script| script.outcome);
        let labels = script.map(|script| script.labels).unwrap_or_default();
        let detail = json!({
            "outcome": outcome, "labels": labels, "status": status, "execution": one.execution,
            "account": one.account, "decision": super::result::decision(one, self.knobs.expired).kind,
            "faces": one.faces, "enrolled": super::memory::enrols(one, &self.knobs),
        });
        self.note(at, "result", &one.order.customer_internal_reference, true, detail);
        let second = TimeDelta::seconds(1);
        let shown = self.shown_status(status);
        match (self.knobs.callbacks, status) {
            (Callbacks::None, _) | (Callbacks::Early, Status::Processed) => {}
            (Callbacks::Once | Callbacks::Intermediate | Callbacks::Early, _) => {
                self.call_back(index, shown, at, at);
            }
            (Callbacks::Twice, _) => {
                self.call_back(index, shown, at, at);
                self.call_back(index, shown, at, at);
            }
            (Callbacks::OutOfOrder, _) => {
                self.call_back(index, shown, at, at);
                self.call_back(index, Status::Acquired.name(), at - second, at);
                self.call_back(index, Status::AcquisitionStarted.name(), at - second - second, at);
            }
        }
    }

    /// The name of a status outside of the details.
    pub fn shown_status(&self, status: Status) -> &'static str {
        let expired = matches!(status, Status::SessionExpired | Status::TokenExpired);
        match expired && self.knobs.expired.status_shows_processed() {
            true => Status::Processed.name(),
            false => status.name(),
        }
    }

    fn call_back(&mut self, index: usize, status: &str, sent_at: Timestamp, due: Timestamp) {
        let one = &self.executions[index];
        let Some(url) = one.order.callback_url.clone().or_else(|| self.knobs.portal_callback_url.clone())
        else {
            return;
        };
        let body = callback::body(one, status, sent_at, &self.base, self.knobs.long_href);
        self.outbox.push(Delivery {
            due,
            url,
            body,
            status: status.to_owned(),
            reference: one.order.customer_internal_reference.clone(),
            retries_left: self.knobs.callback_retries,
        });
    }
}

/// The verb of a start in the ledger.
fn asked(account: Option<&str>) -> &'static str {
    if account.is_some() { "update" } else { "create" }
}
