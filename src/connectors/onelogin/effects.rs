//! What is done to a registration or an account: read, compare, write, read back. It must not act on a
//! record that is no longer what the case knew, and it never selects by mail address.

use reqwest::Method;
use serde_json::json;

use super::OneLogin;
use super::people;
use super::registrations::{Found, Registrations, State, UserRecord, Verdict};
use crate::model::{Action, Call, Done, Failure, Snapshot, SubjectKind, Timestamp};

impl OneLogin {
    pub(super) async fn act(&self, call: &Call) -> Result<Done, Failure> {
        match &call.action {
            Action::Approve { snapshot } => self.approve(snapshot).await,
            Action::EnsureInvited { snapshot, since } => self.ensure_invited(snapshot, *since).await,
            Action::Reject { snapshot } => self.reject(snapshot).await,
            Action::Delete { snapshot } => self.delete(snapshot, call.in_doubt || call.attempt > 1).await,
            Action::Mail { .. } | Action::StartVerification { .. } | Action::ReadVerification { .. } => {
                Err(Failure::refused("OneLogin does no such thing; this call belongs to another connector"))
            }
        }
    }

    async fn backend(&self, snapshot: &Snapshot) -> Result<&'static dyn Registrations, Failure> {
        match snapshot.subject.kind {
            SubjectKind::Registration => self.registrations().await,
            SubjectKind::User => Ok(&UserRecord),
            SubjectKind::Applicant => Err(Failure::refused("an applicant has no record in OneLogin")),
        }
    }

    async fn approve(&self, snapshot: &Snapshot) -> Result<Done, Failure> {
        let backend = self.backend(snapshot).await?;
        let found = backend.find(&self.api, &snapshot.subject.id).await?.ok_or_else(missing)?;
        same(&found, snapshot)?;
        match found.state {
            State::Approved => return Ok(Done::Approved { already: true, invited_at: found.invited_at }),
            State::Rejected => return Err(Failure::changed("it was rejected meanwhile; not approved")),
            State::NotVerified => {
                return Err(Failure::changed("its mail address is no longer verified; not approved"));
            }
            State::NotReviewed | State::Unlicensed => {}
        }
        let written = backend.decide(&self.api, &found, Verdict::Approve).await;
        self.settle(backend, snapshot, written, Verdict::Approve).await
    }

    async fn reject(&self, snapshot: &Snapshot) -> Result<Done, Failure> {
        let backend = self.backend(snapshot).await?;
        let found = backend.find(&self.api, &snapshot.subject.id).await?.ok_or_else(missing)?;
        same(&found, snapshot)?;
        match found.state {
            State::Rejected => return Ok(Done::Rejected { already: true }),
            State::Approved | State::Unlicensed => {
                return Err(Failure::changed("it was approved meanwhile; not rejected"));
            }
            State::NotVerified | State::NotReviewed => {}
        }
        let written = backend.decide(&self.api, &found, Verdict::Reject).await;
        self.settle(backend, snapshot, written, Verdict::Reject).await
    }

    /// Only what is read back counts: an answer may echo what was asked for and do something else.
    async fn settle(
        &self,
        backend: &dyn Registrations,
        snapshot: &Snapshot,
        written: Result<(), super::api::Refusal>,
        verdict: Verdict,
    ) -> Result<Done, Failure> {
        if let Err(refusal) = written
            && !refusal.says("user is already in this state")
        {
            return Err(if refusal.is_gone() { missing() } else { refusal.failure });
        }
        let found = backend.find(&self.api, &snapshot.subject.id).await?.ok_or_else(missing)?;
        same(&found, snapshot)?;
        match (verdict, found.state) {
            (Verdict::Approve, State::Approved) => {
                Ok(Done::Approved { already: false, invited_at: found.invited_at })
            }
            (Verdict::Approve, State::Unlicensed) => Err(Failure::refused(
                "no licence is free: OneLogin made the user unlicensed; free a licence, then approve again",
            )),
            (Verdict::Reject, State::Rejected) => Ok(Done::Rejected { already: false }),
            (Verdict::Approve, State::Rejected) | (Verdict::Reject, State::Approved | State::Unlicensed) => {
                Err(Failure::changed("somebody else decided the opposite at the same time"))
            }
            (Verdict::Approve | Verdict::Reject, State::NotVerified | State::NotReviewed) => {
                Err(Failure::unavailable("OneLogin took the change but does not show it yet"))
            }
        }
    }

    async fn ensure_invited(&self, snapshot: &Snapshot, since: Timestamp) -> Result<Done, Failure> {
        let found = self.backend(snapshot).await?.find(&self.api, &snapshot.subject.id).await?;
        let found = found.ok_or_else(missing)?;
        same(&found, snapshot)?;
        if found.invited_at.is_some_and(|at| at >= since) {
            return Ok(Done::Invited { already: true });
        }
        if found.state != State::Approved {
            return Err(Failure::changed("it is not approved (any more); not invited"));
        }
        // Addresses are case sensitive here, so the account's own spelling is sent.
        let email = found.user.as_ref().and_then(|user| super::events::text(user, "email"));
        let email = email.ok_or_else(|| Failure::refused("the account has no mail address to invite"))?;
        let body = json!({"email": email});
        let sent = self.api.write(Method::POST, "/api/1/invites/send_invite_link", Some(&body)).await;
        sent.map(|()| Done::Invited { already: false }).map_err(|refusal| refusal.failure)
    }

    async fn delete(&self, snapshot: &Snapshot, again: bool) -> Result<Done, Failure> {
        let Some(found) = self.backend(snapshot).await?.find(&self.api, &snapshot.subject.id).await? else {
            return gone(again);
        };
        same(&found, snapshot)?;
        if snapshot.subject.kind == SubjectKind::Registration
            && matches!(found.state, State::Approved | State::Unlicensed)
        {
            return Err(Failure::changed("it was approved meanwhile; not deleted"));
        }
        let Some(user) = &found.user_id else {
            return Err(Failure::refused(
                "OneLogin cannot delete a registration without an account; reject it",
            ));
        };
        // A registration may be pending while the account it leads to was let in by hand.
        let Some(account) = people::user(&self.api, user).await? else { return gone(again) };
        let approved =
            super::events::text(&account, "state").is_none_or(|state| state == "1" || state == "3");
        if snapshot.subject.kind == SubjectKind::Registration && approved {
            return Err(Failure::changed("its account was approved meanwhile; not deleted"));
        }
        match self.api.write(Method::DELETE, &format!("/api/2/users/{user}"), None).await {
            Ok(()) => Ok(Done::Deleted { already: false }),
            Err(refusal) if refusal.is_gone() => gone(again),
            Err(refusal) => Err(refusal.failure),
        }
    }
}

/// A missing record is our own doing only if an earlier attempt began.
fn gone(again: bool) -> Result<Done, Failure> {
    if again {
        Ok(Done::Deleted { already: true })
    } else {
        Err(Failure::changed("it is gone already; somebody else deleted it"))
    }
}

fn missing() -> Failure {
    Failure::changed("it is gone; somebody deleted it")
}

/// An id can come to mean somebody else, and somebody can become somebody else.
fn same(found: &Found, snapshot: &Snapshot) -> Result<(), Failure> {
    let moved = |what: &str| Err(Failure::changed(format!("its {what} changed since the case began")));
    if found.id != snapshot.subject.id {
        return moved("id");
    }
    if snapshot.user_id.is_some() && found.user_id != snapshot.user_id {
        return moved("account");
    }
    if found.email != snapshot.email {
        return moved("mail address");
    }
    if found.created_at != snapshot.created_at {
        return moved("creation time");
    }
    Ok(())
}
