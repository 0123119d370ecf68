//! Deletes accounts at verification providers. Each attempt is recorded; a restart goes on with what is not done.

use chrono::TimeDelta;

use super::Retention;
use crate::api::subjects::DeletionLine;
use crate::model::FailureKind;
use crate::store::{self, Deletion};

/// The pause after a failed attempt doubles up to a day.
const FIRST: TimeDelta = TimeDelta::minutes(5);
const LONGEST: TimeDelta = TimeDelta::days(1);

impl Retention {
    /// Tries every due deletion once. Returns the number of those that are still pending.
    pub(super) async fn delete_accounts(&self) -> Result<usize, store::Error> {
        let mut pending = 0;
        for deletion in self.store.deletions()? {
            let Some(due) = deletion.due else { continue };
            if due > self.now() {
                pending += 1;
                continue;
            }
            let tried = self.delete_account(deletion).await;
            pending += usize::from(tried.due.is_some());
            self.store.note_deletion(tried).await?;
        }
        Ok(pending)
    }

    async fn delete_account(&self, deletion: Deletion) -> Deletion {
        let provider = self.connectors.verification.get(&deletion.account.provider);
        let outcome = match provider.and_then(|provider| provider.delete(&deletion.account.account)) {
            Some(deleting) => deleting.await.map_err(|failure| (failure.kind, failure.reason)),
            None => {
                let why =
                    "the provider is no longer configured, or deletes nothing; delete the account there";
                Err((FailureKind::Refused, why.to_owned()))
            }
        };
        let (at, attempts) = (self.now(), deletion.attempts + 1);
        let provider = &deletion.account.provider;
        let (due, failure) = match outcome {
            Ok(()) => {
                tracing::info!(provider, entry = deletion.entry, "an account was deleted at the provider");
                (None, None)
            }
            Err((FailureKind::Unavailable, reason)) => {
                tracing::warn!(
                    provider,
                    entry = deletion.entry,
                    "deleting an account at the provider failed"
                );
                let pause = FIRST * i32::try_from(1_u32 << attempts.min(9)).unwrap_or(1);
                (Some(at + pause.min(LONGEST)), Some(reason))
            }
            // A retry would be refused too: a person must do it.
            Err((FailureKind::Refused | FailureKind::Changed | FailureKind::NotEnrolled, reason)) => {
                tracing::error!(
                    provider,
                    entry = deletion.entry,
                    "the provider refused to delete an account"
                );
                (None, Some(reason))
            }
        };
        Deletion { at, attempts, due, failure, ..deletion }
    }
}

impl From<Deletion> for DeletionLine {
    fn from(deletion: Deletion) -> Self {
        let done = deletion.due.is_none() && deletion.failure.is_none();
        let Deletion { account, attempts, due, failure, .. } = deletion;
        Self { provider: account.provider, account: account.account, done, attempts, due_at: due, failure }
    }
}
