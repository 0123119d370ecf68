//! The poller of the Events API, which also finds events that no webhook delivers. It never follows addresses in
//! answers and must not depend on the store: its whole state is the cursor's text.

use std::collections::BTreeMap;

use chrono::{SecondsFormat, TimeDelta};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::{Api, rows};
use super::events::{self, Channel, Credential, moment, text};
use crate::connectors::Page;
use crate::model::{Failure, FailureKind, Timestamp};

/// Events become visible late: this much of the past is read again each time.
const OVERLAP_SECONDS: i64 = 120;
/// Rows of one page: a few hundred kilobytes at most.
const PAGE: &str = "100";

/// The position of the poll.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// Start of the query: everything after this.
    since: Timestamp,
    /// Time of the latest event so far.
    newest: Timestamp,
    /// Position of the next page in this round.
    after: Option<String>,
    /// Ids inside the overlap whose events were returned already.
    seen: BTreeMap<String, Timestamp>,
    /// Number of times that OneLogin refused a position that it had returned itself in this round.
    #[serde(default, skip_serializing_if = "is_zero")]
    refused: u32,
    /// True once the tenant named our credential in events that we cause.
    #[serde(default)]
    names_us: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Cursor {
    fn new(since: Timestamp) -> Self {
        Self { since, newest: since, after: None, seen: BTreeMap::new(), refused: 0, names_us: false }
    }

    /// Restarts the round because its position is refused. Returned events stay known. A second refusal means that the
    /// round cannot get past the position: it then starts later. False: no later start is possible.
    fn begin_anew(&mut self) -> bool {
        self.after = None;
        self.refused += 1;
        if self.refused == 1 {
            return true;
        }
        // Without the overlap only if the round would otherwise not advance.
        let later = [TimeDelta::seconds(OVERLAP_SECONDS), TimeDelta::milliseconds(1)];
        let later = later.iter().map(|overlap| self.newest - *overlap).find(|at| *at > self.since);
        self.since = later.unwrap_or(self.since);
        later.is_some()
    }
}

enum Asked {
    Page(Value),
    /// An error of the query, possibly of its position.
    Refused(Failure),
}

async fn ask(api: &Api, since: Timestamp, after: Option<&str>) -> Result<Asked, Failure> {
    let since = since.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut query = vec![("since", since.as_str()), ("sort", "+id"), ("limit", PAGE)];
    query.extend(after.map(|after| ("after_cursor", after)));
    let gone = || Failure::refused("OneLogin has no events at this address; check `url` in proofd.yaml");
    match api.read("/api/1/events", &query).await {
        Ok(Some(page)) => Ok(Asked::Page(page)),
        Ok(None) => Ok(Asked::Refused(gone())),
        Err(failure) if failure.kind == FailureKind::Refused => Ok(Asked::Refused(failure)),
        Err(failure) => Err(failure),
    }
}

/// Returns the same cursor without its position in the round; `None`: it has none.
pub fn anew(cursor: &str) -> Option<String> {
    let mut cursor = serde_json::from_str::<Cursor>(cursor).ok().filter(|cursor| cursor.after.is_some())?;
    cursor.begin_anew();
    serde_json::to_string(&cursor).ok()
}

/// Reads the next page. Returns it with the number of skipped records.
pub async fn next(
    api: &Api,
    cursor: Option<&str>,
    now: Timestamp,
    lookback: TimeDelta,
    own: &Credential,
) -> Result<(Page, u64), Failure> {
    let stored = cursor.map(serde_json::from_str::<Cursor>).transpose();
    let mut cursor = stored.unwrap_or_else(|_| {
        // Events are identified by their keys: reading them again is harmless.
        tracing::warn!(
            "reading the stored position in OneLogin's events failed; starting again from the \
            beginning"
        );
        None
    });
    let mut cursor = cursor.take().unwrap_or_else(|| Cursor::new(now - lookback));
    let after = cursor.after.take();
    let (answer, after) = match (ask(api, cursor.since, after.as_deref()).await?, after) {
        (Asked::Page(page), after) => (page, after),
        (Asked::Refused(failure), None) => return Err(failure),
        (Asked::Refused(failure), Some(_)) => {
            tracing::warn!(
                reason = failure.reason,
                "OneLogin refused the stored position in its events; starting the round again"
            );
            if !cursor.begin_anew() {
                return Err(failure);
            }
            match ask(api, cursor.since, None).await? {
                Asked::Page(page) => (page, None),
                Asked::Refused(failure) => return Err(failure),
            }
        }
    };
    let following = answer.pointer("/pagination/after_cursor").and_then(Value::as_str).map(str::to_owned);
    let records = rows(answer, "data")?;
    // A page that names itself, or an empty one that names another, would repeat forever.
    let following =
        following.filter(|next| !next.is_empty() && !records.is_empty() && after.as_ref() != Some(next));
    if cursor.names_us {
        own.learned();
    }
    own.learn(records.iter().filter_map(Value::as_object));
    cursor.names_us = own.is_named();
    let (mut found, mut skipped) = (Vec::new(), 0);
    for record in records {
        let Value::Object(record) = record else {
            skipped += 1;
            continue;
        };
        if let (Some(id), Some(at)) = (text(&record, "id"), record.get("created_at").and_then(moment)) {
            // An event dated in the future must not move the window past current events.
            cursor.newest = cursor.newest.max(at.min(now));
            if cursor.seen.insert(id, at).is_some() {
                continue;
            }
        }
        match events::read(record, Channel::Poll, own) {
            Ok(events) if !events.is_empty() => found.extend(events),
            // One unreadable record must not block all others.
            Ok(_) | Err(_) => skipped += 1,
        }
    }
    let more = following.is_some();
    cursor.after = following;
    if !more {
        cursor.refused = 0;
        cursor.since = cursor.since.max(cursor.newest - TimeDelta::seconds(OVERLAP_SECONDS));
        let since = cursor.since;
        cursor.seen.retain(|_, at| *at >= since);
    }
    let cursor = serde_json::to_string(&cursor)
        .map_err(|_| Failure::refused("storing the position in OneLogin's events failed"))?;
    Ok((Page { events: found, cursor: Some(cursor), more }, skipped))
}
