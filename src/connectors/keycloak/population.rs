//! Reads all people with an account, page by page. Keycloak's list is sorted by user name and has only offsets: each
//! page begins some rows before the end of the previous one and must contain one of its last rows. If it does not, more
//! rows moved than the overlap holds, and the reading goes back. No person is missed; a person may appear twice. The
//! list without a filter leaves accounts of programs out.

use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use super::wire::Account;
use super::{Keycloak, people::Person, roles};
use crate::connectors::People;
use crate::model::{Failure, RegistrationState, Subject};

const PAGE: usize = 100;
/// Rows that are read again: this many deletions between two pages are harmless.
const OVERLAP: usize = 10;
/// Most steps back in one reading. A list that moves more often is treated as an error.
const MOST_STEPS_BACK: u32 = 20;
/// People whose roles and groups are read at the same time.
const AT_ONCE: usize = 4;

/// The position of the reading.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    /// Row at which the next page begins.
    first: usize,
    /// The last rows of the previous page.
    last: Vec<String>,
    back: u32,
}

impl Cursor {
    fn written(&self) -> Result<String, Failure> {
        serde_json::to_string(self)
            .map_err(|_| Failure::refused("storing the position in Keycloak's users failed"))
    }
}

impl Keycloak {
    pub(super) async fn people(&self, cursor: Option<&str>) -> Result<People, Failure> {
        let mut cursor = match cursor {
            Some(text) => serde_json::from_str::<Cursor>(text)
                .map_err(|_| Failure::refused("reading the stored position in Keycloak's users failed"))?,
            None => Cursor::default(),
        };
        let (first, max) = (cursor.first.to_string(), PAGE.to_string());
        let query = [("first", first.as_str()), ("max", max.as_str()), ("briefRepresentation", "false")];
        let page: Vec<Account> = self.api.must(&["users"], &query).await?;
        let goes_on = cursor.first == 0 || page.iter().any(|account| cursor.last.contains(&account.id));
        if !goes_on {
            cursor.back += 1;
            if cursor.back > MOST_STEPS_BACK {
                return Err(Failure::unavailable("Keycloak's list of users changed while it was read"));
            }
            cursor.first = cursor.first.saturating_sub(PAGE);
            return Ok(People { people: Vec::new(), next: Some(cursor.written()?) });
        }
        let full = page.len() >= PAGE;
        cursor.first += page.len().saturating_sub(OVERLAP);
        cursor.last = page.iter().rev().take(OVERLAP).map(|account| account.id.clone()).collect();
        let next = if full { Some(cursor.written()?) } else { None };
        let people: Vec<Option<Subject>> = futures::stream::iter(page)
            .map(|account| self.row(account))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(People { people: people.into_iter().flatten().collect(), next })
    }

    /// Converts one row; `None`: the person was deleted meanwhile, or waits for approval.
    async fn row(&self, account: Account) -> Result<Option<Subject>, Failure> {
        let begun = self.api.now();
        let Some(groups) = roles::groups(&self.api, &account.id).await? else { return Ok(None) };
        if self.state(&account, &groups) != RegistrationState::Approved {
            return Ok(None);
        }
        // A lock after failed sign-ins lasts for minutes; the reading of a population does not ask for it.
        let person = Person { account, groups, locked: false };
        let Some(user) = self.describe(&person).await? else { return Ok(None) };
        self.memory.learn(&person.account, &user.roles, begun);
        Ok(Some(Subject::from(user).from_source(&self.name)))
    }

    /// Returns the number of people with an account. Includes registrations that wait for approval.
    pub(super) async fn count(&self) -> Result<u64, Failure> {
        self.api.must(&["users", "count"], &[]).await
    }
}
