//! Reads all people with an account, page by page. OneLogin's list has only page numbers, and rows move during the
//! reading. The deletion of a person moves all later rows forward, across the edge of a page. Each page therefore
//! begins some rows before the end of the previous one, and must contain one of its last rows. A fitting page size
//! makes this possible with page numbers. If no such row is found, more rows moved than the overlap holds, and the
//! reading goes back. No person is missed; a person may appear twice.

use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::OneLogin;
use super::api::{failed, rows};
use super::events::text;
use super::people::{self, Record};
use crate::connectors::People;
use crate::connectors::http::Answer;
use crate::model::{Failure, Subject};

const PATH: &str = "/api/2/users";
/// The largest page of OneLogin.
const LARGEST: u64 = 100;
/// The smallest page that is worth a request.
const SMALLEST: u64 = 51;
/// Rows that are read again: this many deletions between two pages are harmless.
const OVERLAP: u64 = 10;
/// Most steps back in one reading. A list that moves more often is treated as an error.
const MOST_STEPS_BACK: u32 = 20;
/// Columns to request; the list leaves some out by default.
const FIELDS: &str = "id,username,email,firstname,lastname,status,state,role_ids,group_id,department,title,\
                      created_at,last_login,preferred_locale_code,custom_attributes";

/// The position of the reading.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// Number of rows read from the beginning.
    read: u64,
    /// The last rows of the previous page.
    last: Vec<String>,
    /// Whether the list can be sorted by id; in another order a changed name moves rows too.
    sorted: bool,
    back: u32,
}

impl Cursor {
    /// Returns the size and number of the page that begins in the overlap and reaches furthest.
    fn page(&self) -> (u64, u64) {
        let from = self.read.saturating_sub(OVERLAP);
        let fitting = (SMALLEST..=LARGEST).map(|size| (size, from / size + 1));
        fitting.max_by_key(|(size, page)| size * page).unwrap_or((LARGEST, 1))
    }
}

impl OneLogin {
    pub(super) async fn people(&self, cursor: Option<&str>) -> Result<People, Failure> {
        let mut cursor = match cursor {
            Some(text) => serde_json::from_str::<Cursor>(text)
                .map_err(|_| Failure::refused("reading the stored position in OneLogin's users failed"))?,
            None => Cursor { read: 0, last: Vec::new(), sorted: true, back: 0 },
        };
        let (size, page) = cursor.page();
        let answer = self.users(&mut cursor, size, page).await?;
        let total = count(&answer);
        let mut found = Vec::new();
        for row in rows(answer.json()?, "users")? {
            match row {
                Value::Object(record) if text(&record, "id").is_some() => found.push(record),
                _ => return Err(Failure::unavailable("OneLogin listed a user without an id")),
            }
        }
        let id = |record: &Record| text(record, "id").unwrap_or_default();
        let begin = size * (page - 1);
        let goes_on = begin == 0 || found.iter().any(|record| cursor.last.contains(&id(record)));
        if !goes_on {
            cursor.back += 1;
            if cursor.back > MOST_STEPS_BACK {
                return Err(Failure::unavailable("OneLogin's list of users changed while it was read"));
            }
            cursor.read = begin.saturating_sub(LARGEST);
            return Ok(People { people: Vec::new(), next: Some(written(&cursor)?) });
        }
        let rows_here = u64::try_from(found.len()).unwrap_or(u64::MAX);
        cursor.read = begin.saturating_add(rows_here);
        if rows_here < size && total.is_some_and(|total| cursor.read < total) {
            return Err(Failure::unavailable("OneLogin returned pages of another size than requested"));
        }
        let overlap = usize::try_from(OVERLAP).unwrap_or(0);
        cursor.last = found.iter().rev().take(overlap).map(id).collect();
        let more = match total {
            Some(total) => rows_here > 0 && cursor.read < total,
            None => rows_here == size,
        };
        let next = if more { Some(written(&cursor)?) } else { None };
        let now = self.clock.now();
        let mut people = Vec::new();
        for record in found.iter().filter(|record| has_account(record)) {
            let user = people::row(&self.api, &self.roles, &self.attributes, record, now).await?;
            people.push(Subject::from(user).from_source(&self.name));
        }
        Ok(People { people, next })
    }

    async fn users(&self, cursor: &mut Cursor, size: u64, page: u64) -> Result<Answer, Failure> {
        let (size, page) = (size.to_string(), page.to_string());
        loop {
            let mut query = vec![("limit", size.as_str()), ("page", page.as_str()), ("fields", FIELDS)];
            if cursor.sorted {
                query.push(("sort", "+id"));
            }
            let answer = self.api.call(Method::GET, PATH, &query, None).await?;
            match answer.status {
                status if status.is_success() => return Ok(answer),
                // OneLogin does not document the columns by which a list can be sorted.
                StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST if cursor.sorted => {
                    cursor.sorted = false;
                }
                _ => return Err(failed(&answer)),
            }
        }
    }

    /// Returns the number of people with an account. Includes registrations that wait for approval: no list leaves them
    /// out.
    pub(super) async fn count(&self) -> Result<u64, Failure> {
        let query = [("limit", "1"), ("fields", "id")];
        let answer = self.api.call(Method::GET, PATH, &query, None).await?;
        if !answer.status.is_success() {
            return Err(failed(&answer));
        }
        rows(answer.json()?, "users")?;
        if let Some(total) = count(&answer) {
            return Ok(total);
        }
        let (mut total, mut page) = (0, 1_u64);
        loop {
            let query = [("limit", &*LARGEST.to_string()), ("page", &*page.to_string()), ("fields", "id")];
            let answer = self.api.call(Method::GET, PATH, &query, None).await?;
            if !answer.status.is_success() {
                return Err(failed(&answer));
            }
            let here = u64::try_from(rows(answer.json()?, "users")?.len()).unwrap_or(0);
            (total, page) = (total + here, page + 1);
            if here < LARGEST {
                return Ok(total);
            }
        }
    }
}

/// Returns whether a record has an account. A registration that was not approved (yet) has none.
fn has_account(record: &Record) -> bool {
    !matches!(text(record, "state").as_deref(), Some("0" | "2"))
}

fn written(cursor: &Cursor) -> Result<String, Failure> {
    serde_json::to_string(cursor)
        .map_err(|_| Failure::refused("storing the position in OneLogin's users failed"))
}

fn count(answer: &Answer) -> Option<u64> {
    answer.headers.get("total-count")?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Cursor, LARGEST, OVERLAP};

    /// Every page begins in or before the overlap and goes well beyond the rows read so far.
    #[test]
    fn pages_overlap_and_advance() {
        let mut cursor = Cursor { read: 0, last: Vec::new(), sorted: true, back: 0 };
        for turn in 0..2_000 {
            let (size, page) = cursor.page();
            let (begin, end) = (size * (page - 1), size * page);
            assert!(size <= LARGEST && begin <= cursor.read.saturating_sub(OVERLAP), "turn {turn}");
            assert!(end >= cursor.read + 40, "turn {turn}: {} to {end}", cursor.read);
            cursor.read = end;
        }
        assert!(cursor.read > 2_000 * 75, "{} rows in 2,000 pages", cursor.read);
    }
}
