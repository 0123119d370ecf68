//! What a shadow policy would have done.

use crate::api::all;
use crate::api::shadow::{LiveCase, ShadowCase, ShadowLine, ShadowPerson};
use crate::trial::{Line, past};

impl From<past::Beside> for ShadowPerson {
    fn from(past::Beside { subject, would, happened, same }: past::Beside) -> Self {
        Self { subject, would: all(would), happened: all(happened), same }
    }
}

impl From<past::Would> for ShadowCase {
    fn from(past::Would { case, lines, joined }: past::Would) -> Self {
        let line = |Line { at, step, text, after: _ }| ShadowLine { at, step, would: text };
        Self {
            opened_at: case.opened_at,
            end: (&case.end).into(),
            did: case.did.iter().map(|deed| deed.what).collect(),
            opened_by: case.opened_by,
            event: case.event,
            joined,
            lines: lines.into_iter().map(line).collect(),
            may: case.may,
            assumed: case.assumed,
        }
    }
}

impl From<past::Live> for LiveCase {
    fn from(past::Live { case, same_event }: past::Live) -> Self {
        let did = case.did.iter().map(|deed| deed.what).collect();
        Self { end: (&case.end).into(), case: case.case, policy: case.policy, did, same_event }
    }
}
