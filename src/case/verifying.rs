//! Asks the person for proof: invitation, reminders, the button, the deadline. `session` handles the vendor's side.

use chrono::TimeDelta;

use super::enrolling::in_use;
use super::entry::Note;
use super::input::{Press, Refused};
use super::judge::{Judged, record};
use super::mail::Asked;
use super::session::NOT_ENROLLED;
use super::state::{Pending, Purpose, State, Verifying};
use super::transition::{Transition, Trouble};
use super::walk::Entered;
use crate::model::{Action, Message, Method, Timestamp};
use crate::policy::outcome::ProofOutcome;
use crate::policy::tree::{Recipient, StepIndex, Verb, Verify};

/// How long after the deadline the vendor may still decide a capture that finished in time. A slow vendor must not make
/// a person count as unresponsive.
pub(super) const OVERTIME: TimeDelta = TimeDelta::hours(24);

impl<'a> Transition<'a> {
    pub fn begin_proving(&mut self, step: StepIndex, verify: &Verify) -> Result<Entered, Trouble> {
        let now = self.now();
        if self.reuse(step, verify) {
            return self.branch(step, ProofOutcome::Passed.word()).map(Entered::Go);
        }
        if !self.can_begin(verify) {
            // Checked before any mail is sent.
            let reasons = self.record_not_enrolled(step);
            let outcome = ProofOutcome::Unavailable.word().to_owned();
            self.note_at(Some(step), Note::StepEnded { outcome, reasons });
            return self.branch(step, ProofOutcome::Unavailable.word()).map(Entered::Go);
        }
        self.case.links += 1;
        let mut proving = Verifying {
            step,
            started_at: now,
            deadline: self.after(now, verify.answer_within, None),
            reminded: 0,
            remind_at: None,
            link: self.case.links,
            session: None,
            poll_at: None,
            polls: 0,
            captured_at: None,
            unclear: false,
            start: None,
            read: None,
            wanted: false,
            locale: None,
            late_until: None,
            sessions: 0,
            fell_back: false,
            anew: false,
            rests_until: None,
            try_until: None,
            fair_until: now,
        };
        proving.remind_at = self.next_reminder(&proving, verify);
        let asked = Asked { link: proving.link, deadline: proving.deadline };
        let message = self.mail(&Recipient::Subject, &verify.invite, Some(asked))?;
        self.ask(step, Action::Mail { message }, Purpose::Invite, now);
        self.case.state = State::Verifying(proving);
        Ok(Entered::Rests)
    }

    /// Records that the provider has nothing to compare a new run with. Returns the reasons.
    pub fn record_not_enrolled(&mut self, step: StepIndex) -> Vec<String> {
        let judged = Judged { outcome: None, reasons: vec![NOT_ENROLLED.to_owned()], mismatches: Vec::new() };
        self.learn(step, record(Some(ProofOutcome::Unavailable), Some(&judged), None, Some(self.now())));
        judged.reasons
    }

    pub fn verify_of(&self, step: StepIndex) -> Result<&'a Verify, Trouble> {
        if let Verb::Verify(verify) = &self.step(step)?.verb {
            return Ok(verify);
        }
        Err("the case waits at a step that verifies nobody".to_owned())
    }

    /// Returns the next reminder, counted from the start of the step. Reminders at or after the deadline are dropped.
    pub fn next_reminder(&self, proving: &Verifying, verify: &Verify) -> Option<Timestamp> {
        let next = verify.remind.get(usize::try_from(proving.reminded).ok()?)?;
        Some(self.after(proving.started_at, next.after, None)).filter(|at| *at < proving.deadline)
    }

    pub fn wake_proving(&mut self, mut proving: Verifying) {
        let (now, step) = (self.now(), proving.step);
        if proving.late_until.is_some_and(|until| now >= until) {
            // The vendor never decided; that is no result about the person.
            return self.end_proving(&proving, ProofOutcome::Unavailable);
        }
        if proving.late_until.is_none() && now >= proving.deadline {
            return self.deadline(proving);
        }
        if proving.remind_at.is_some_and(|at| now >= at)
            && let Err(trouble) = self.remind_due(&mut proving)
        {
            return self.stick_with(step, trouble, None, Some(State::Verifying(proving)));
        }
        if proving.poll_at.is_some_and(|at| now >= at) {
            self.ask_reading(&mut proving);
        }
        self.case.state = State::Verifying(proving);
    }

    /// Sends only the newest of several due reminders.
    fn remind_due(&mut self, proving: &mut Verifying) -> Result<(), Trouble> {
        let verify = self.verify_of(proving.step)?;
        let mut due = Vec::new();
        while proving.remind_at.is_some_and(|at| at <= self.now()) {
            due.push(proving.reminded);
            proving.reminded += 1;
            proving.remind_at = self.next_reminder(proving, verify);
        }
        // A person who may have finished is not reminded; a later reminder is still possible.
        let idle = proving.captured_at.is_some() || self.case.waits_for_provider(proving);
        let skipped = if idle { due.len() } else { due.len().saturating_sub(1) };
        if skipped > 0 {
            self.note(Note::RemindersSkipped { count: u32::try_from(skipped).unwrap_or(u32::MAX) });
        }
        let newest =
            due.last().filter(|_| !idle).and_then(|place| verify.remind.get(usize::try_from(*place).ok()?));
        let Some(reminder) = newest else { return Ok(()) };
        self.send_reminder(proving, &reminder.template, &reminder.also)
    }

    fn send_reminder(
        &mut self,
        proving: &Verifying,
        template: &str,
        also: &[Recipient],
    ) -> Result<(), Trouble> {
        let asked = Some(Asked { link: proving.link, deadline: proving.deadline });
        let mut messages = vec![self.mail(&Recipient::Subject, template, asked)?];
        for recipient in also {
            // A missing manager does not stop the reminder to the person.
            let no_manager = matches!(recipient, Recipient::Manager) && self.manager().is_none();
            if !no_manager {
                messages.push(self.mail(recipient, template, asked)?);
            }
        }
        // This reminder replaces one that still waits for the mail server.
        self.drop_calls(|purpose| purpose == Purpose::Reminder);
        self.ask_mails(proving.step, messages, Purpose::Reminder);
        Ok(())
    }

    fn ask_mails(&mut self, step: StepIndex, messages: Vec<Message>, purpose: Purpose) {
        for message in messages {
            self.ask(step, Action::Mail { message }, purpose, self.now());
        }
    }

    /// Sends a reminder now, on an operator's order.
    pub fn remind_now(&mut self, proving: &Verifying) -> Result<(), Refused> {
        if proving.late_until.is_some() || self.now() >= proving.deadline {
            return Err(Refused::NotAwaited);
        }
        let sent = self.verify_of(proving.step).and_then(|verify| {
            let last = usize::try_from(proving.reminded).unwrap_or(0).saturating_sub(1);
            match verify.remind.get(last) {
                Some(reminder) => self.send_reminder(proving, &reminder.template, &reminder.also),
                None => self.send_reminder(proving, &verify.invite, &[]),
            }
        });
        if let Err(trouble) = sent {
            self.stick_with(proving.step, trouble, None, Some(State::Verifying(proving.clone())));
        }
        Ok(())
    }

    /// Handles the person's button. An existing session is read first: it may have ended.
    pub fn press(&mut self, mut proving: Verifying, press: Press) -> Result<(), Refused> {
        if press.link != proving.link {
            return Err(Refused::DeadLink);
        }
        if proving.late_until.is_some() || self.now() >= proving.deadline {
            return Err(Refused::NotAwaited);
        }
        if let Some(text) = press.agreed {
            self.note(Note::Agreed { text });
        }
        self.note(Note::Pressed);
        proving.wanted = true;
        proving.locale = press.locale.or(proving.locale);
        match (proving.start, &proving.session) {
            (Some(call), _) => self.hasten(call),
            // Its link may be used up, and only the person's browser brings a result.
            (None, Some(session)) if session.returns_by.is_some() && !self.is_returned(&proving) => {
                return self.press_to_start(proving.without_session());
            }
            (None, Some(_)) => self.ask_reading(&mut proving),
            (None, None) => return self.press_to_start(proving),
        }
        self.case.state = State::Verifying(proving);
        Ok(())
    }

    /// Reads the person before a selfie: the enrolled face must match the current record.
    fn press_to_start(&mut self, proving: Verifying) -> Result<(), Refused> {
        let verify = self.verify_of(proving.step).map_err(|_| Refused::WrongPolicy)?;
        if in_use(&proving, verify).method != Method::Authentication || !self.can_reread() {
            self.begin_session(proving);
            return Ok(());
        }
        let step = proving.step;
        self.case.state = State::Verifying(proving);
        let looks =
            |(number, pending): (&u32, &Pending)| (pending.purpose == Purpose::Look).then_some(*number);
        match self.case.calls.iter().find_map(looks) {
            Some(look) => self.hasten(look),
            None => {
                self.look(step);
            }
        }
        Ok(())
    }

    /// Returns whether the person waits at their page and the session needed only the read.
    pub fn waits_to_start(&self, proving: &Verifying) -> bool {
        proving.wanted
            && proving.session.is_none()
            && proving.start.is_none()
            && self.now() < proving.deadline
    }

    /// Attempts a waiting call now, because a person waits for it.
    pub fn hasten(&mut self, call: u32) {
        let now = self.now();
        if let Some(pending) = self.case.calls.get_mut(&call)
            && pending.begun.is_none()
        {
            pending.due = pending.due.min(now);
        }
    }

    /// Handles the deadline: reads a session that may hold a result once more.
    fn deadline(&mut self, mut proving: Verifying) {
        if proving.start.is_some() {
            // The person asked in time and the vendor could not start a session.
            return self.end_proving(&proving, ProofOutcome::Unavailable);
        }
        if proving.session.is_none() {
            let uninvited = self.case.calls.values().any(|pending| pending.purpose == Purpose::Invite);
            if uninvited {
                // A person without an invitation is not unresponsive. A retry invites them with the full time.
                self.drop_calls(|purpose| matches!(purpose, Purpose::Invite | Purpose::Reminder));
                return self
                    .stick(proving.step, "the invitation had not gone out by the deadline".to_owned());
            }
            return self.end_proving(&proving, ProofOutcome::NoResponse);
        }
        proving.late_until = Some(proving.deadline.max(self.now()) + OVERTIME);
        proving.remind_at = None;
        proving.wanted = false;
        self.ask_reading(&mut proving);
        self.drop_calls(|purpose| matches!(purpose, Purpose::Invite | Purpose::Reminder));
        self.case.state = State::Verifying(proving);
    }

    /// Ends the step without a result of the vendor.
    pub fn end_proving(&mut self, proving: &Verifying, outcome: ProofOutcome) {
        let step = proving.step;
        self.learn(step, record(Some(outcome), None, None, Some(self.now())));
        self.leave_proving(step, outcome, Vec::new());
    }

    /// Leaves the step: keeps only calls in progress and resets a released limit.
    pub fn leave_proving(&mut self, step: StepIndex, outcome: ProofOutcome, reasons: Vec<String>) {
        self.case.released.take_if(|released| *released == step);
        self.drop_calls(|purpose| {
            matches!(purpose, Purpose::Invite | Purpose::Reminder | Purpose::Start | Purpose::Read)
        });
        self.note(Note::StepEnded { outcome: outcome.word().to_owned(), reasons });
        self.follow(step, outcome.word());
    }
}
