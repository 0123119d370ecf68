//! Checks of Jumio without side effects: a token, both permissions, the clocks.

use chrono::DateTime;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap};

use super::api::{Api, Host, refusal};
use crate::connectors::Finding;
use crate::model::Clock;

/// An id that no account has: the check only tests the permission.
const UNKNOWN_ID: &str = "00000000-0000-0000-0000-000000000000";

/// Tokens are valid for an hour and links for minutes: a larger clock difference causes errors.
const TOLERATED_SKEW_SECONDS: i64 = 60;

pub(super) async fn examine(api: &Api, clock: &dyn Clock) -> Vec<Finding> {
    let what = "Jumio: token".to_owned();
    let headers = match api.fetch_token().await {
        Ok((_token, _seconds, headers)) => headers,
        Err(failure) => {
            let detail = format!("{}; other checks were skipped", failure.reason);
            return vec![Finding { ok: false, what, detail }];
        }
    };
    let token = Finding { ok: true, what, detail: "the OAuth client received a token".to_owned() };
    let start = ["api", "v1", "accounts", UNKNOWN_ID];
    let read = ["api", "v1", "accounts", UNKNOWN_ID, "workflow-executions", UNKNOWN_ID, "status"];
    vec![
        token,
        permission(api, "Jumio: permission to start ('initiate')", Host::Account, &start).await,
        permission(api, "Jumio: permission to read ('retrieve & delete')", Host::Retrieval, &read).await,
        skew(&headers, clock),
    ]
}

/// Requests a nonexistent record. Any answer about the record (404, 405, 400) shows that we have the permission.
async fn permission(api: &Api, what: &str, host: Host, path: &[&str]) -> Finding {
    let finding = |ok: bool, detail: String| Finding { ok, what: what.to_owned(), detail };
    match api.get(host, path).await {
        Err(failure) => finding(false, failure.reason),
        Ok(answer) => {
            let status = answer.status;
            let barred = matches!(
                status,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
            );
            if barred || status.is_server_error() {
                finding(false, refusal(&answer).reason)
            } else {
                finding(true, format!("the host accepts the token ({})", status.as_u16()))
            }
        }
    }
}

fn skew(headers: &HeaderMap, clock: &dyn Clock) -> Finding {
    let what = "Jumio: clock".to_owned();
    let theirs = headers
        .get(DATE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| DateTime::parse_from_rfc2822(text).ok());
    let Some(theirs) = theirs else {
        let detail = "Jumio's answer has no date".to_owned();
        return Finding { ok: true, what, detail };
    };
    let off = (clock.now() - theirs.to_utc()).num_seconds();
    let ok = off.abs() <= TOLERATED_SKEW_SECONDS;
    let detail = if ok {
        format!("{} s apart", off.abs())
    } else {
        let direction = if off > 0 { "ahead of" } else { "behind" };
        format!("this machine is {} s {direction} Jumio; check its time synchronization", off.abs())
    };
    Finding { ok, what, detail }
}
