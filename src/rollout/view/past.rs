//! Back-tests.

use crate::api::Name;
use crate::api::all;
use crate::api::past::{
    Coming, Counts, Differs, EffectCounts, PastCase, PastEffect, PastEnd, PolicyPast, Range, Ranges,
};
use crate::api::plan::{PastSpan, Progress};
use crate::rollout::back_tested;
use crate::trial::past;

impl From<&past::PolicyPast> for PolicyPast {
    fn from(past: &past::PolicyPast) -> Self {
        let past::PolicyPast {
            policy,
            cases,
            silent,
            effects,
            verifications,
            coming,
            different,
            unknown,
            undecided,
            undecided_because,
            endless,
            sweeps,
            heard_by,
            items,
        } = past;
        Self {
            policy: policy.clone(),
            cases: Counts { before: cases.before, after: cases.after },
            silent: *silent,
            effects: all(effects),
            verifications: (*verifications).into(),
            coming: all(coming),
            different: *different,
            unknown: *unknown,
            undecided: *undecided,
            undecided_because: undecided_because.clone(),
            endless: *endless,
            sweeps: sweeps.clone(),
            heard_by: all(heard_by),
            items: all(items),
        }
    }
}

impl From<past::Both<past::Range>> for Ranges {
    fn from(past::Both { before, after }: past::Both<past::Range>) -> Self {
        Self { before: before.into(), after: after.into() }
    }
}

impl From<past::Range> for Range {
    fn from(past::Range { least, most }: past::Range) -> Self {
        Self { least, most }
    }
}

impl From<&past::Effects> for EffectCounts {
    fn from(effects: &past::Effects) -> Self {
        let past::Effects { what, times, newly } = effects;
        Self { what: *what, times: (*times).into(), newly: (*newly).into() }
    }
}

impl From<&past::Coming> for Coming {
    fn from(coming: &past::Coming) -> Self {
        let past::Coming { days, what, times } = coming;
        Self { days: *days, what: what.clone(), times: (*times).into() }
    }
}

impl From<&past::Differs> for Differs {
    fn from(differs: &past::Differs) -> Self {
        let past::Differs { subject, name, opened_at, before, after } = differs;
        Self {
            subject: subject.clone(),
            name: Name(name.0.clone()),
            opened_at: *opened_at,
            before: before.as_ref().map(PastCase::from),
            after: after.as_ref().map(PastCase::from),
        }
    }
}

impl From<&past::Projected> for PastCase {
    fn from(result: &past::Projected) -> Self {
        let past::Projected {
            case,
            policy,
            subject,
            name,
            opened_at,
            opened_by,
            event: _,
            end,
            did,
            sessions,
            may,
            assumed,
        } = result;
        Self {
            case: case.clone(),
            policy: policy.clone(),
            subject: subject.clone(),
            name: Name(name.0.clone()),
            opened_at: *opened_at,
            opened_by: opened_by.clone(),
            end: end.into(),
            did: did.iter().map(|deed| PastEffect { what: deed.what, at: deed.at }).collect(),
            sessions: *sessions,
            may: may.clone(),
            assumed: *assumed,
        }
    }
}

impl From<&past::End> for PastEnd {
    fn from(end: &past::End) -> Self {
        match end {
            past::End::Closed { result } => Self::Closed { result: result.clone() },
            past::End::InGrace { result } => Self::InGrace { result: result.clone() },
            past::End::Open { state, step } => Self::Open { state: (*state).to_owned(), step: step.clone() },
            past::End::Unknown { step, because } => {
                Self::Unknown { step: step.clone(), because: because.clone() }
            }
        }
    }
}

impl From<back_tested::Span> for PastSpan {
    fn from(span: back_tested::Span) -> Self {
        let back_tested::Span { from, to, events, cases, people, cut } = span;
        Self { from, to, events, cases, people, cut }
    }
}

impl From<back_tested::Progress> for Progress {
    fn from(progress: back_tested::Progress) -> Self {
        match progress {
            back_tested::Progress::Waiting => Self::Waiting,
            back_tested::Progress::Reading { records } => Self::Reading { records },
            back_tested::Progress::Walking { done, of } => Self::Walking { done, of },
        }
    }
}
