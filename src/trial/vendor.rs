//! The verification provider of a simulated world. It returns the configured results.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::model::{Failure, Method, Phase, Proof, Reading, Session, StartSession, Timestamp};

#[derive(Debug, Default)]
pub struct Vendor {
    runs: BTreeMap<String, Run>,
    started: u64,
}

#[derive(Debug)]
struct Run {
    account: String,
    reference: String,
    method: Method,
    expires_at: Timestamp,
    result: Option<Proof>,
}

impl Vendor {
    pub(super) fn start(&mut self, start: &StartSession, now: Timestamp) -> Result<Session, Failure> {
        let StartSession { method, account, reference, person, lifetime_seconds, .. } = start;
        if *method != Method::Full && account.is_none() {
            return Err(Failure::not_enrolled("nothing is known of the person"));
        }
        self.started += 1;
        let execution = format!("run-{}", self.started);
        let account = account.clone().unwrap_or_else(|| format!("account-{person}"));
        let expires_at = now + TimeDelta::seconds(*lifetime_seconds);
        let (method, reference) = (*method, reference.clone());
        let run =
            Run { account: account.clone(), reference: reference.clone(), method, expires_at, result: None };
        self.runs.insert(execution.clone(), run);
        let link = format!("https://vendor.example.com/{execution}");
        Ok(Session { account, execution, link, expires_at, reference, returns_by: None })
    }

    /// Sets the result of a run.
    pub fn finds(&mut self, execution: &str, proof: Proof) {
        if let Some(run) = self.runs.get_mut(execution) {
            run.result = Some(proof);
        }
    }

    pub fn method_of(&self, execution: &str) -> Option<Method> {
        self.runs.get(execution).map(|run| run.method)
    }

    pub(super) fn read(&self, execution: &str, now: Timestamp) -> Result<Reading, Failure> {
        let run = self.runs.get(execution).ok_or_else(|| Failure::refused("there is no such run"))?;
        let phase = match &run.result {
            Some(_) => Phase::Done,
            None if now >= run.expires_at => Phase::Expired,
            None => Phase::Waiting,
        };
        Ok(Reading {
            account: run.account.clone(),
            execution: execution.to_owned(),
            reference: Some(run.reference.clone()),
            phase,
            proof: run.result.clone().map(Box::new),
            void: None,
        })
    }
}
