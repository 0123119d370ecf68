//! The poller of the Events API: what no webhook brings, this does. It must not follow addresses that
//! answers name, and it must not know the store: its whole memory is the cursor's text.

use std::collections::BTreeMap;

use chrono::{SecondsFormat, TimeDelta};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::{Api, rows};
use super::events::{self, Channel, moment, text};
use crate::connectors::Page;
use crate::model::{Failure, Timestamp};

/// Events become visible late; this much of the past is read again each time.
const OVERLAP_SECONDS: i64 = 120;
/// Rows of one page: a few hundred kilobytes at most.
const PAGE: &str = "100";

/// Where the poll stands.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// What is asked for: everything after this.
    since: Timestamp,
    /// The latest event so far.
    newest: Timestamp,
    /// Where the next page of this round begins.
    after: Option<String>,
    /// Ids inside the overlap that were handed out already.
    seen: BTreeMap<String, Timestamp>,
}

/// The next page, and how many records were of no use.
pub async fn next(
    api: &Api,
    cursor: Option<&str>,
    now: Timestamp,
    lookback: TimeDelta,
) -> Result<(Page, u64), Failure> {
    let mut cursor = match cursor {
        Some(text) => serde_json::from_str::<Cursor>(text)
            .map_err(|_| Failure::refused("the stored position in OneLogin's events cannot be read"))?,
        None => {
            let since = now - lookback;
            Cursor { since, newest: since, after: None, seen: BTreeMap::new() }
        }
    };
    let since = cursor.since.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut query = vec![("since", since.as_str()), ("sort", "+id"), ("limit", PAGE)];
    let after = cursor.after.take();
    if let Some(after) = &after {
        query.push(("after_cursor", after));
    }
    let gone = || Failure::refused("OneLogin has no events at this address; check its url");
    let answer = api.read("/api/1/events", &query).await?.ok_or_else(gone)?;
    let following = answer.pointer("/pagination/after_cursor").and_then(Value::as_str).map(str::to_owned);
    let records = rows(answer, "data")?;
    // A page that names itself, or an empty one that names another, would go on for ever.
    let following =
        following.filter(|next| !next.is_empty() && !records.is_empty() && after.as_ref() != Some(next));
    let (mut found, mut skipped) = (Vec::new(), 0);
    for record in records {
        let Value::Object(record) = record else {
            skipped += 1;
            continue;
        };
        if let (Some(id), Some(at)) = (text(&record, "id"), record.get("created_at").and_then(moment)) {
            // An event dated in the future must not move the window past those of now.
            cursor.newest = cursor.newest.max(at.min(now));
            if cursor.seen.insert(id, at).is_some() {
                continue;
            }
        }
        match events::read(&record, Channel::Poll) {
            Ok(events) if !events.is_empty() => found.extend(events),
            // One record that nobody can read must not hold up all others.
            Ok(_) | Err(_) => skipped += 1,
        }
    }
    let more = following.is_some();
    cursor.after = following;
    if !more {
        cursor.since = cursor.since.max(cursor.newest - TimeDelta::seconds(OVERLAP_SECONDS));
        let since = cursor.since;
        cursor.seen.retain(|_, at| *at >= since);
    }
    let cursor = serde_json::to_string(&cursor)
        .map_err(|_| Failure::refused("the position in OneLogin's events cannot be written"))?;
    Ok((Page { events: found, cursor: Some(cursor), more }, skipped))
}
