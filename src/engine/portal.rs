//! The person's page: shows what a link leads to and handles its button. Viewing starts nothing; only pressing does.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::case::{
    Case, Input, LinkKind, Links, Press, Refused, State, Verifying, is_returned, moved_on, reading,
    verification,
};
use crate::connectors::Connectors;
use crate::model::{Action, Attempt, Call, CaseId, Clock, Done, Method, Outcome, Session, Span, Timestamp};
use crate::policy::Policy;
use crate::store::{self, Store};

use super::cases::{ApplyError, Cases};
use super::limits::Limits;
use super::metrics::Metrics;
use super::returns::Returns;

/// A page with the language that the person's record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub page: Page,
    pub language: Option<String>,
}

/// The page behind a link. It reveals no information that is new to the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Not one of our links, or the link of a deleted case.
    Unknown,
    /// Asks the person to verify their identity.
    Ask(Ask),
    /// The start is waiting in a queue; the page asks again shortly.
    Wait,
    /// Documents are captured; the provider is checking.
    Checking,
    /// Reviewers examine the case.
    InReview,
    /// The case is decided; a mail says how.
    Decided,
    /// The case has continued; the person has nothing to do now.
    Over,
    /// An adverse end that the person can contest.
    Contest {
        why: String,
        until: Timestamp,
    },
    /// A limit for all people or for this person is reached; the link stays valid and no time is lost.
    Full {
        from: Option<Timestamp>,
    },
    Often {
        from: Timestamp,
    },
    /// The service is temporarily unable to continue; the link stays valid.
    Later,
    /// The service cannot continue until an administrator fixes the cause; the link stays valid.
    Trouble,
    /// Reviewers examine the objection.
    Contested,
}

/// What a person is asked for, and what they must know before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub why: String,
    pub until: Timestamp,
    /// A session exists already: the person agreed to its start.
    pub resumes: bool,
    pub vendor: String,
    /// The vendor examines an identity document; else it compares the person's face with the one that it has.
    pub document: bool,
    /// How long what was read from a document is kept after the case is closed.
    pub evidence_kept: Span,
    pub case_kept: Span,
}

/// The result of pressing the button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pressed {
    /// The vendor's page is ready.
    Go(Departure),
    Page(Shown),
}

/// The way to the vendor's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    pub link: String,
    /// Marks the browser: only it can bring the result.
    pub mark: Option<Mark>,
}

/// What a browser keeps until it comes back from a vendor.
#[derive(Clone, PartialEq, Eq)]
pub struct Mark {
    pub name: String,
    pub value: String,
    pub seconds: i64,
    /// It is sent over https only.
    pub secure: bool,
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mark")
    }
}

/// Where a browser goes that came back from a vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameBack {
    /// To the person's page.
    Page(String),
    /// Nowhere: what it brought is not of a session that this browser was sent to.
    Refused,
}

const UNKNOWN: Shown = Shown { page: Page::Unknown, language: None };

/// Longest wait for the vendor before the person sees the waiting page.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(6);

/// A handle on the pages behind links. Clones share it.
#[derive(Debug, Clone)]
pub struct Portal {
    pub(super) cases: Cases,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connectors: Connectors,
    pub(super) links: Links,
    pub(super) limits: Limits,
    pub(super) returns: Arc<Returns>,
    pub(super) metrics: Arc<Metrics>,
}

impl Portal {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the page of a link.
    pub fn look(&self, token: &str) -> Result<Shown, store::Error> {
        let Some((id, kind, number)) = self.links.read(token) else { return Ok(UNKNOWN) };
        let Some(case) = self.store.case(&id)? else { return Ok(UNKNOWN) };
        Ok(self.shown(&case, kind, number))
    }

    fn shown(&self, case: &Case, kind: LinkKind, number: u32) -> Shown {
        Shown { page: self.page(case, kind, number), language: language(case) }
    }

    fn page(&self, case: &Case, kind: LinkKind, number: u32) -> Page {
        let policy = self.cases.policy_of(case);
        let why = policy.as_ref().map(|policy| policy.title.clone()).unwrap_or_default();
        match (&case.state, kind) {
            (State::Verifying(proving), LinkKind::Verify) if proving.link == number => {
                let Ok(policy) = policy else { return Page::Trouble };
                if proving.captured_at.is_some() || is_returned(case, proving) {
                    return Page::Checking;
                }
                match self.rests(proving) {
                    Some(from) => Page::Often { from },
                    None => self.ask(case, proving, &policy).map_or(Page::Trouble, Page::Ask),
                }
            }
            (State::Held { action, asked: Some(asked), .. }, LinkKind::Verify) if asked.link == number => {
                Page::Full { from: policy.ok().and_then(|policy| self.limits.free_at(&policy, *action)) }
            }
            (State::Grace(grace), LinkKind::Contest) => match grace.contested_at {
                Some(_) => Page::Contested,
                None if policy.is_err() => Page::Trouble,
                None => Page::Contest { why, until: grace.until },
            },
            (State::Stuck(stuck), LinkKind::Verify) => match stuck.interrupted.as_deref() {
                Some(State::Verifying(proving)) if proving.link == number => Page::Later,
                _ => Page::Over,
            },
            (State::Reviewing(_), _) => Page::InReview,
            (State::Closed, _) => Page::Decided,
            (
                State::Verifying(_)
                | State::Held { .. }
                | State::Grace(_)
                | State::Stuck(_)
                | State::Calling { .. }
                | State::Waiting(_),
                LinkKind::Verify | LinkKind::Contest,
            ) => Page::Over,
        }
    }

    fn ask(&self, case: &Case, proving: &Verifying, policy: &Policy) -> Option<Ask> {
        let verification = verification(case, policy)?;
        let vendor = self.connectors.verification.get(&verification.provider)?.display_name().to_owned();
        Some(Ask {
            why: policy.title.clone(),
            until: proving.deadline,
            resumes: proving.session.is_some(),
            vendor,
            document: verification.method != Method::Authentication,
            evidence_kept: policy.keep.evidence,
            case_kept: policy.keep.case,
        })
    }

    /// Starts or resumes a vendor session after the person pressed the button. `agreed`: the version of the text that
    /// they agreed to.
    pub async fn press(
        &self,
        token: &str,
        locale: Option<String>,
        agreed: Option<String>,
    ) -> Result<Pressed, ApplyError> {
        let Some((id, kind, number)) = self.links.read(token) else { return Ok(Pressed::Page(UNKNOWN)) };
        let input = match kind {
            LinkKind::Verify => Input::Press(Press { link: number, locale, agreed }),
            LinkKind::Contest => Input::Contest { link: number },
        };
        match self.cases.apply(&id, input).await {
            Ok(case) if kind == LinkKind::Contest => Ok(Pressed::Page(self.shown(&case, kind, number))),
            Ok(_) => self.await_session(&id, number).await,
            Err(ApplyError::NoCase) => Ok(Pressed::Page(UNKNOWN)),
            // Pressed twice, or too late: the page shows the current state.
            Err(ApplyError::Refused(
                Refused::Closed | Refused::DeadLink | Refused::NotAwaited | Refused::Stale,
            )) => Ok(Pressed::Page(self.look(token)?)),
            Err(ApplyError::Revision(why)) => {
                tracing::error!(case = %id, why, "starting a verification for a person failed");
                Ok(Pressed::Page(self.look(token)?))
            }
            Err(error) => Err(error),
        }
    }

    /// Waits briefly for the vendor. The session is on disk before a person is redirected to it.
    async fn await_session(&self, id: &CaseId, number: u32) -> Result<Pressed, ApplyError> {
        let mut applied = self.store.cases_applied();
        let give_up = tokio::time::sleep(PATIENCE);
        tokio::pin!(give_up);
        loop {
            applied.mark_unchanged();
            let Some(case) = self.store.case(id)? else { return Ok(Pressed::Page(UNKNOWN)) };
            let wait = match self.session(&case) {
                Some(Pressed::Page(wait)) => Pressed::Page(wait),
                Some(Pressed::Go(departure)) => return Ok(Pressed::Go(departure)),
                None => return Ok(Pressed::Page(self.shown(&case, LinkKind::Verify, number))),
            };
            tokio::select! {
                changed = applied.changed() => if changed.is_err() { return Ok(wait) },
                () = &mut give_up => return Ok(wait),
            }
        }
    }

    /// Returns the current page of a person who pressed and waits. Starts nothing.
    pub fn ready_session(&self, token: &str) -> Result<Pressed, store::Error> {
        let Some((id, kind, number)) = self.links.read(token) else { return Ok(Pressed::Page(UNKNOWN)) };
        let Some(case) = self.store.case(&id)? else { return Ok(Pressed::Page(UNKNOWN)) };
        if self.cases.trouble(&case).is_some() {
            return Ok(Pressed::Page(self.shown(&case, kind, number)));
        }
        Ok(self.session(&case).unwrap_or_else(|| Pressed::Page(self.shown(&case, kind, number))))
    }

    /// Handles the return of a person from the vendor: a reason to read the session, never a result. The page writes
    /// nothing; the case gets a hint only if the session has moved on.
    pub fn came_back(&self, token: &str) -> Result<Shown, store::Error> {
        let Some((id, kind, number)) = self.links.read(token) else { return Ok(UNKNOWN) };
        let Some(case) = self.store.case(&id)? else { return Ok(UNKNOWN) };
        let State::Verifying(proving) = &case.state else { return Ok(self.shown(&case, kind, number)) };
        let (Some(session), Ok(policy)) = (&proving.session, self.cases.policy_of(&case)) else {
            return Ok(self.shown(&case, kind, number));
        };
        let page = Shown { page: Page::Checking, language: language(&case) };
        let Some(action) = reading(&case, &policy) else { return Ok(page) };
        if let Some(turn) = self.returns.turn(&session.execution, self.now()) {
            let (portal, session) = (self.clone(), session.clone());
            tokio::spawn(async move {
                let _turn = turn;
                portal.look_after_return(case, session, action).await;
            });
        }
        Ok(page)
    }

    /// Reads once outside of the case's own polling, and leaves no record unless the session has moved on.
    async fn look_after_return(&self, case: Case, session: Session, action: Action) {
        let attempt = Attempt { call: case.call_id(0), number: 1, in_doubt: false, asked_at: self.now() };
        let performed = self.connectors.perform(&Call { attempt, action }).await;
        let Outcome::Done(Done::Read { reading }) = performed else { return };
        if !moved_on(&reading, &session) {
            return;
        }
        match self.cases.apply(&case.id, Input::Hint { execution: session.execution }).await {
            Ok(_) | Err(ApplyError::Refused(_)) => {}
            Err(error) => tracing::warn!(case = %case.id, %error, "storing the return of a person failed"),
        }
    }

    /// Returns the next destination of a person who pressed, or `None` if the page shows it.
    fn session(&self, case: &Case) -> Option<Pressed> {
        let State::Verifying(proving) = &case.state else { return None };
        let checking = proving.captured_at.is_some() || is_returned(case, proving);
        if checking || self.rests(proving).is_some() {
            return None;
        }
        let soon = self.now() + TimeDelta::seconds(5);
        let ready = proving.session.as_ref().filter(|session| !proving.wanted && session.expires_at > soon);
        Some(match ready {
            Some(session) => Pressed::Go(Departure { link: session.link.clone(), mark: self.mark(session) }),
            // Nothing is under way, or the link was not used in time.
            None if !proving.wanted && proving.start.is_none() => return None,
            None => Pressed::Page(Shown { page: Page::Wait, language: language(case) }),
        })
    }

    fn mark(&self, session: &Session) -> Option<Mark> {
        let seconds = (session.returns_by? - self.now()).num_seconds().max(1);
        let (execution, secure) = (&session.execution, self.links.is_https());
        let (name, value) = (mark_name(execution, secure), self.links.browser(execution));
        Some(Mark { name, value, seconds, secure })
    }

    /// Handles the return of a browser with something to exchange for a result. It counts only from the browser that
    /// was sent to the session: a forwarded link lets nobody answer for another person. `cookie` returns the value of
    /// a cookie.
    pub async fn returned(
        &self,
        provider: &str,
        query: &str,
        cookie: impl Fn(&str) -> Option<String>,
    ) -> Result<CameBack, ApplyError> {
        let refused = |reason: &'static str| {
            tracing::warn!(provider, reason, "a browser's return from a vendor is refused");
            self.metrics.refused("return", reason);
            Ok(CameBack::Refused)
        };
        let Some(vendor) = self.connectors.verification.get(provider) else { return Ok(CameBack::Refused) };
        let (execution, returned) = match vendor.returned(query) {
            Ok(returned) => returned,
            Err(why) => {
                tracing::debug!(provider, why, "reading a browser's return failed");
                return refused("malformed");
            }
        };
        let Some(id) = self.store.case_by_execution(&execution)? else { return refused("unknown_session") };
        let Some(case) = self.store.case(&id)? else { return refused("unknown_session") };
        let mark = cookie(&mark_name(&execution, self.links.is_https())).unwrap_or_default();
        if !self.links.is_browser(&execution, &mark) {
            return refused("other_browser");
        }
        // The number of the newest link, which the page checks again.
        let page = self.links.token(&id, LinkKind::Verify, case.links);
        match self.cases.apply(&id, Input::Return { execution, returned }).await {
            Ok(_) => self.await_exchange(&id).await?,
            // Used before, or too late: the page shows the current state.
            Err(ApplyError::Refused(_)) => self.metrics.refused("return", "stale"),
            Err(error) => return Err(error),
        }
        Ok(CameBack::Page(page))
    }

    /// Waits briefly for the result that the browser brought.
    async fn await_exchange(&self, id: &CaseId) -> Result<(), ApplyError> {
        let mut applied = self.store.cases_applied();
        let give_up = tokio::time::sleep(PATIENCE);
        tokio::pin!(give_up);
        loop {
            applied.mark_unchanged();
            let case = self.store.case(id)?;
            let exchanged = case.as_ref().is_none_or(|case| match &case.state {
                State::Verifying(proving) => !is_returned(case, proving),
                _ => true,
            });
            if exchanged {
                return Ok(());
            }
            tokio::select! {
                changed = applied.changed() => if changed.is_err() { return Ok(()) },
                () = &mut give_up => return Ok(()),
            }
        }
    }

    /// Returns until when a person may start no other session.
    fn rests(&self, proving: &Verifying) -> Option<Timestamp> {
        let idle = proving.session.is_none() && proving.start.is_none();
        proving.rests_until.filter(|until| idle && *until > self.now())
    }

    /// Handles a vendor's hint, which is only a reason to read. Checks first that the path is one that we issued.
    pub async fn hint(&self, provider: &str, secret: &str, execution: &str) -> Result<bool, ApplyError> {
        let Some(id) = self.store.case_by_execution(execution)? else { return Ok(false) };
        let Some(case) = self.store.case(&id)? else { return Ok(false) };
        let ours = (1..=case.attempts).any(|attempt| self.links.is_callback(provider, &id, attempt, secret));
        if !ours {
            return Ok(false);
        }
        match self.cases.apply(&id, Input::Hint { execution: execution.to_owned() }).await {
            Ok(_) | Err(ApplyError::Refused(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// Returns the name of the cookie for a session. Several sessions of one browser do not replace each other's. The prefix
/// makes browsers refuse such a cookie from another host or over http.
fn mark_name(execution: &str, secure: bool) -> String {
    let session: String = execution.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    if secure { format!("__Host-proofd-{session}") } else { format!("proofd-{session}") }
}

fn language(case: &Case) -> Option<String> {
    case.subject.text("locale").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::mark_name;

    #[test]
    fn a_secure_cookie_has_the_host_prefix() {
        let session = "0123456789abcdef0123456789abcdef";
        assert_eq!(mark_name(session, true), "__Host-proofd-0123456789abcdef");
        assert_eq!(mark_name(session, false), "proofd-0123456789abcdef");
        assert_eq!(mark_name("a;b=c\r\n", true), "__Host-proofd-abc");
    }
}
