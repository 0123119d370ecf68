//! Effects sheets and their differences.

use crate::api::all;
use crate::api::effects::{
    Asks, Bound, Change, Decided, Diff, Effect, Kept, Opens, Sheet, Sign, Way, WhenExceeded,
};
use crate::policy::effects;
use crate::policy::tree;

impl From<effects::Sheet> for Sheet {
    fn from(sheet: effects::Sheet) -> Self {
        Self {
            policy: sheet.policy,
            title: sheet.title,
            revision: sheet.revision.0,
            mode: sheet.mode.into(),
            subject: sheet.subject,
            opens_on: all(sheet.opens_on),
            only_if: sheet.only_if,
            as_long_as: sheet.as_long_as,
            cancelled_by: sheet.cancelled_by,
            settings: sheet.settings,
            effects: all(sheet.effects),
            limits: all(sheet.limits),
            kept: Kept { case: sheet.kept.case, evidence: sheet.kept.evidence },
            asks: all(sheet.asks),
            complete: sheet.complete,
        }
    }
}

impl From<effects::Opens> for Opens {
    fn from(opens: effects::Opens) -> Self {
        let effects::Opens { by, only_if, at_most, runs, due, .. } = opens;
        Self { by, only_if, at_most, runs, due }
    }
}

impl From<effects::Effect> for Effect {
    fn from(effect: effects::Effect) -> Self {
        let effects::Effect { verb, to, paths, ways, .. } = effect;
        Self { verb: verb.word().to_owned(), to, paths, ways: all(ways) }
    }
}

impl From<effects::Way> for Way {
    fn from(way: effects::Way) -> Self {
        let effects::Way { path, step, grace, decided_by, only_if, unproven, .. } = way;
        Self { path, step, grace, decided_by: all(decided_by), only_if, unproven }
    }
}

impl From<effects::Decided> for Decided {
    fn from(decided: effects::Decided) -> Self {
        let effects::Decided { step, decision, queue, people } = decided;
        Self { step, decision, queue, people }
    }
}

impl From<effects::Bound> for Bound {
    fn from(bound: effects::Bound) -> Self {
        let effects::Bound { action, at_most, per, when_exceeded, stated, .. } = bound;
        Self { action, at_most, per, when_exceeded: when_exceeded.into(), stated }
    }
}

impl From<tree::WhenExceeded> for WhenExceeded {
    fn from(when: tree::WhenExceeded) -> Self {
        match when {
            tree::WhenExceeded::Ask => Self::Ask,
            tree::WhenExceeded::Skip => Self::Skip,
        }
    }
}

impl From<effects::Asks> for Asks {
    fn from(asks: effects::Asks) -> Self {
        let effects::Asks {
            step, answer_within, otherwise, by, require, compare, reuse_within, never, ..
        } = asks;
        let otherwise = otherwise.to_owned();
        Self { step, answer_within, otherwise, by, require, compare, reuse_within, never }
    }
}

impl From<effects::Diff> for Diff {
    fn from(diff: effects::Diff) -> Self {
        let effects::Diff { policy, changes } = diff;
        Self { policy, changes: all(changes) }
    }
}

impl From<effects::Change> for Change {
    fn from(change: effects::Change) -> Self {
        let effects::Change { sign, kind, verb, what, how, graver, .. } = change;
        let verb = verb.map(|verb| verb.word().to_owned());
        Self { sign: sign.into(), kind: kind.word().to_owned(), verb, what, how, graver }
    }
}

impl From<effects::Sign> for Sign {
    fn from(sign: effects::Sign) -> Self {
        match sign {
            effects::Sign::Added => Self::Added,
            effects::Sign::Removed => Self::Removed,
            effects::Sign::Changed => Self::Changed,
        }
    }
}
