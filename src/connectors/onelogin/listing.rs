//! The registrations of a profile, which OneLogin lists only as a whole. One reading serves every call that came before
//! it began. A caller that reads back a write never gets a list whose reading began before the write. Independent of
//! the meaning of a registration.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::api::Api;
use super::events::plain;
use super::people::{self, Record};
use crate::model::Failure;

/// A row as received. Of thousands of rows only one is needed: the rest is not parsed further.
#[derive(Debug)]
struct Row(Box<RawValue>);

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Row {
    fn record(&self) -> Option<Record> {
        serde_json::from_str(self.0.get()).ok()
    }
}

/// The fields by which a row is found.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    user_id: Value,
    #[serde(default)]
    email: Value,
}

/// All rows at one moment, indexed by the fields of `Head`.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<Row>,
    by_number: HashMap<String, usize>,
    by_account: HashMap<String, Vec<usize>>,
    /// Only rows that name no account.
    by_email: HashMap<String, Vec<usize>>,
}

impl Rows {
    fn new(rows: Vec<Row>) -> Self {
        let mut known = Self::default();
        for row in rows {
            let Some(head) = head(&row) else { continue };
            let place = known.rows.len();
            if let Some(number) = plain(&head.id) {
                known.by_number.entry(number).or_insert(place);
            }
            match (plain(&head.user_id), plain(&head.email)) {
                (Some(account), _) => known.by_account.entry(account).or_default().push(place),
                (None, Some(email)) => {
                    known.by_email.entry(email.to_ascii_lowercase()).or_default().push(place);
                }
                (None, None) => {}
            }
            known.rows.push(row);
        }
        known
    }

    /// Returns the row of this number.
    pub fn numbered(&self, id: &str) -> Option<Record> {
        self.rows.get(*self.by_number.get(id)?)?.record()
    }

    /// Returns rows that name the account, and rows that name none and have the address, in the order of the list.
    pub fn about(&self, account: Option<&str>, email: Option<&str>) -> impl Iterator<Item = Record> {
        let named = account.and_then(|account| self.by_account.get(account));
        let addressed = email.and_then(|email| self.by_email.get(&email.to_ascii_lowercase()));
        let mut places: Vec<usize> = named.into_iter().chain(addressed).flatten().copied().collect();
        places.sort_unstable();
        places.into_iter().filter_map(|place| self.rows.get(place)?.record())
    }
}

/// Returns `None` for a row that is not an object.
fn head(row: &Row) -> Option<Head> {
    row.0.get().starts_with('{').then(|| serde_json::from_str(row.0.get()).ok())?
}

/// Returns the rows of an answer, under one of the known names or as a bare array.
fn rows(answer: &RawValue) -> Result<Vec<Row>, Failure> {
    let not_a_list = || Failure::unavailable("OneLogin's answer is not a list");
    let named: Option<BTreeMap<String, Box<RawValue>>> = serde_json::from_str(answer.get()).ok();
    let list = match named {
        Some(mut named) => {
            let list = named.remove("registrations").or_else(|| named.remove("data"));
            serde_json::from_str::<Vec<Box<RawValue>>>(list.ok_or_else(not_a_list)?.get())
        }
        None => serde_json::from_str(answer.get()),
    };
    Ok(list.map_err(|_| not_a_list())?.into_iter().map(Row).collect())
}

/// The lists of a tenant, by profile.
#[derive(Debug, Default)]
pub struct Listings(Mutex<BTreeMap<String, Arc<Listing>>>);

impl Listings {
    /// Returns the rows of a profile, from a reading that began after this call.
    pub async fn rows(&self, api: &Api, profile: &str) -> Result<Arc<Rows>, Failure> {
        let of_profile = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(profile.to_owned()).or_default())
        };
        of_profile.read_after_now(|| read(api, profile)).await
    }
}

async fn read(api: &Api, profile: &str) -> Result<Arc<Rows>, Failure> {
    people::numeric(profile)?;
    let path = format!("/api/2/self_registration_profiles/{profile}/registrations");
    let path = path.as_str();
    let all = people::pages(|page| async move {
        let query = [("limit", people::PAGE), ("page", page.as_str())];
        let answer: Option<Box<RawValue>> = api.read_as(path, &query).await?;
        answer.map(|answer| rows(&answer)).transpose()
    });
    Ok(Arc::new(Rows::new(all.await?.unwrap_or_default())))
}

type Answer = Result<Arc<Rows>, Failure>;

/// One list, with one reading at a time.
#[derive(Debug, Default)]
struct Listing {
    /// Number of readings that have begun.
    begun: AtomicU64,
    /// The newest reading with its number, as long as a caller waits for it.
    newest: tokio::sync::Mutex<Option<(u64, Answer)>>,
    /// One clone for each waiting caller.
    waiting: Arc<()>,
}

impl Listing {
    async fn read_after_now<F: Future<Output = Answer>>(&self, read: impl FnOnce() -> F) -> Answer {
        let _one_who_waits = Arc::clone(&self.waiting);
        let before = self.begun.load(Ordering::SeqCst);
        let mut newest = self.newest.lock().await;
        let answer = match newest.take() {
            // The reading began after this call. A failure is shared too: repeating it for each caller would not help.
            Some((number, answer)) if number > before => {
                *newest = Some((number, answer.clone()));
                answer
            }
            Some(_) | None => {
                let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
                let answer = read().await;
                *newest = Some((number, answer.clone()));
                answer
            }
        };
        if Arc::strong_count(&self.waiting) == 2 {
            // No other caller waits for it; it contains personal data and is not kept.
            *newest = None;
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::{Value, json};
    use tokio::sync::Semaphore;

    use super::{Answer, Listing, Rows};
    use crate::model::Failure;

    fn known(rows: &Value) -> Result<Rows, Failure> {
        let text = serde_json::value::RawValue::from_string(rows.to_string()).unwrap();
        super::rows(&text).map(Rows::new)
    }

    fn rows(id: usize) -> Answer {
        known(&json!([{"id": id}])).map(Arc::new)
    }

    fn number(answer: &Answer) -> String {
        let rows = answer.as_ref().unwrap();
        rows.rows[0].record().unwrap()["id"].to_string()
    }

    #[tokio::test]
    async fn requests_during_a_read_share_the_next_read() {
        let (listing, reads, go) =
            (Arc::new(Listing::default()), Arc::new(AtomicUsize::new(0)), Semaphore::new(0));
        let go = Arc::new(go);
        let ask = || {
            let (listing, reads, go) = (Arc::clone(&listing), Arc::clone(&reads), Arc::clone(&go));
            async move {
                let read = || async {
                    let number = reads.fetch_add(1, Ordering::SeqCst) + 1;
                    go.acquire().await.unwrap().forget();
                    rows(number)
                };
                number(&listing.read_after_now(read).await)
            }
        };
        let mut first = Box::pin(ask());
        assert!(futures::poll!(&mut first).is_pending(), "the first list is being read");
        let mut others: Vec<_> = (0..3).map(|_| Box::pin(ask())).collect();
        for other in &mut others {
            assert!(futures::poll!(other).is_pending());
        }
        go.add_permits(2);
        assert_eq!(first.await, "1");
        assert_eq!(futures::future::join_all(others).await, ["2", "2", "2"]);
        assert_eq!(reads.load(Ordering::SeqCst), 2);
        assert!(listing.newest.lock().await.is_none(), "nothing is kept when nobody waits");
    }

    #[tokio::test]
    async fn a_cancelled_read_is_taken_over_by_the_next_waiter() {
        let listing = Listing::default();
        let mut gone = Box::pin(listing.read_after_now(std::future::pending));
        assert!(futures::poll!(&mut gone).is_pending());
        let mut next = Box::pin(listing.read_after_now(|| async { rows(7) }));
        assert!(futures::poll!(&mut next).is_pending());
        drop(gone);
        assert_eq!(number(&next.await), "7");
    }

    #[tokio::test]
    async fn a_failure_reaches_current_waiters_only() {
        let listing = Listing::default();
        let failed = || async { Err(Failure::unavailable("down")) };
        let mut first = Box::pin(listing.read_after_now(|| async {
            tokio::task::yield_now().await;
            rows(1)
        }));
        assert!(futures::poll!(&mut first).is_pending());
        let mut second = Box::pin(listing.read_after_now(failed));
        let mut third = Box::pin(listing.read_after_now(|| async { rows(2) }));
        assert!(futures::poll!(&mut second).is_pending() && futures::poll!(&mut third).is_pending());
        let (first, second, third) = futures::join!(first, second, third);
        assert!(first.is_ok() && second.is_err() && third.is_err());
        assert_eq!(number(&listing.read_after_now(|| async { rows(3) }).await), "3");
    }

    #[test]
    fn rows_match_by_account_and_by_address_only_without_an_account() {
        let list = json!([
            {"id": 1, "user_id": 17, "email": "a@x.test"},
            {"id": 2, "email": "A@x.test"},
            {"id": "3", "user_id": "18", "email": "a@x.test"},
            "not a row",
            [4, 17, "a@x.test"],
        ]);
        for answer in [json!({"registrations": list}), json!({"data": list}), list] {
            let known = known(&answer).unwrap();
            let ids = |account, email| -> Vec<String> {
                known.about(account, email).map(|row| row["id"].to_string()).collect()
            };
            assert_eq!(ids(Some("17"), Some("a@X.test")), ["1", "2"]);
            assert_eq!(ids(Some("18"), None), ["\"3\""]);
            assert_eq!(ids(None, Some("a@x.test")), ["2"]);
            assert_eq!(ids(None, None), Vec::<String>::new());
            assert_eq!(known.numbered("3").map(|row| row["user_id"].to_string()).as_deref(), Some("\"18\""));
        }
        for answer in [json!({"error": "none"}), json!("text"), json!({"data": 7})] {
            assert!(known(&answer).is_err(), "{answer}");
        }
    }
}
