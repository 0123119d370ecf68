//! The person is asked to prove who they are: invitation, reminders, the button, the deadline. What comes
//! from the vendor is in `session`.

use chrono::TimeDelta;

use super::enrolling::in_use;
use super::entry::Note;
use super::input::Refused;
use super::judge::{Judged, record};
use super::mail::Asked;
use super::session::NOT_ENROLLED;
use super::state::{Pending, Purpose, State, Verifying};
use super::transition::{Transition, Trouble};
use super::walk::Entered;
use crate::model::{Action, Message, Method, Timestamp};
use crate::policy::outcome::ProofOutcome;
use crate::policy::tree::{Recipient, StepIndex, Verb, Verify};

/// How long after the deadline a capture that was finished in time may still be decided by the vendor.
/// Whoever was in time must not be taken for silent because the vendor is slow.
pub(super) const OVERTIME: TimeDelta = TimeDelta::hours(24);

impl<'a> Transition<'a> {
    pub fn begin_proving(&mut self, step: StepIndex, verify: &Verify) -> Result<Entered, Trouble> {
        let now = self.now();
        if self.reuse(step, verify) {
            return self.branch(step, ProofOutcome::Passed.word()).map(Entered::Go);
        }
        if !self.can_begin(verify) {
            // Known before anybody is asked: no mail goes out for nothing.
            let reasons = self.nobody_enrolled(step);
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
            fair_until: now,
        };
        proving.remind_at = self.next_reminder(&proving, verify);
        let asked = Asked { link: proving.link, deadline: proving.deadline };
        let message = self.mail(&Recipient::Subject, &verify.invite, Some(asked))?;
        self.ask(step, Action::Mail { message }, Purpose::Invite, now);
        self.case.state = State::Verifying(proving);
        Ok(Entered::Rests)
    }

    /// There is nothing of the person that a new run could be compared with. The reasons of that.
    pub fn nobody_enrolled(&mut self, step: StepIndex) -> Vec<String> {
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

    /// Reminders count from the start of the step. One at or after the deadline would come too late.
    pub fn next_reminder(&self, proving: &Verifying, verify: &Verify) -> Option<Timestamp> {
        let next = verify.remind.get(usize::try_from(proving.reminded).ok()?)?;
        Some(self.after(proving.started_at, next.after, None)).filter(|at| *at < proving.deadline)
    }

    pub fn wake_proving(&mut self, mut proving: Verifying) {
        let (now, step) = (self.now(), proving.step);
        if proving.late_until.is_some_and(|until| now >= until) {
            // The vendor never decided; that says nothing about the person.
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

    /// Of several reminders that are due only the newest goes out.
    fn remind_due(&mut self, proving: &mut Verifying) -> Result<(), Trouble> {
        let verify = self.verify_of(proving.step)?;
        let mut due = Vec::new();
        while proving.remind_at.is_some_and(|at| at <= self.now()) {
            due.push(proving.reminded);
            proving.reminded += 1;
            proving.remind_at = self.next_reminder(proving, verify);
        }
        // Who may have done it already is not asked again; a reminder after this one may still go out.
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
            // Who has no manager is reminded all the same.
            let nobody = matches!(recipient, Recipient::Manager) && self.manager().is_none();
            if !nobody {
                messages.push(self.mail(recipient, template, asked)?);
            }
        }
        // A reminder that is still waiting for the mail server is overtaken by this one.
        self.drop_calls(|purpose| purpose == Purpose::Reminder);
        self.ask_mails(proving.step, messages, Purpose::Reminder);
        Ok(())
    }

    fn ask_mails(&mut self, step: StepIndex, messages: Vec<Message>, purpose: Purpose) {
        for message in messages {
            self.ask(step, Action::Mail { message }, purpose, self.now());
        }
    }

    /// An operator wants the person to be reminded now.
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

    /// The person's button. With a session at hand it is looked at first: it may have ended.
    pub fn press(
        &mut self,
        mut proving: Verifying,
        link: u32,
        locale: Option<String>,
    ) -> Result<(), Refused> {
        if link != proving.link {
            return Err(Refused::DeadLink);
        }
        if proving.late_until.is_some() || self.now() >= proving.deadline {
            return Err(Refused::NotAwaited);
        }
        self.note(Note::Pressed);
        proving.wanted = true;
        proving.locale = locale.or(proving.locale);
        match (proving.start, &proving.session) {
            (Some(call), _) => self.hasten(call),
            (None, Some(_)) => self.ask_reading(&mut proving),
            (None, None) => return self.press_to_start(proving),
        }
        self.case.state = State::Verifying(proving);
        Ok(())
    }

    /// Before a selfie is asked for, the person is read: whose face was enrolled must be who they are now.
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

    /// Whether somebody waits at their page for a session, and only the look at the person was missing.
    pub fn waits_to_start(&self, proving: &Verifying) -> bool {
        proving.wanted
            && proving.session.is_none()
            && proving.start.is_none()
            && self.now() < proving.deadline
    }

    /// A call that waits for its next attempt is attempted now: somebody waits for it.
    pub fn hasten(&mut self, call: u32) {
        let now = self.now();
        if let Some(pending) = self.case.calls.get_mut(&call)
            && pending.begun.is_none()
        {
            pending.due = pending.due.min(now);
        }
    }

    /// Before anybody is taken for silent, a session that may hold a result is read once more.
    fn deadline(&mut self, mut proving: Verifying) {
        if proving.start.is_some() {
            // The person asked in time and the vendor could not serve them.
            return self.end_proving(&proving, ProofOutcome::Unavailable);
        }
        if proving.session.is_none() {
            let uninvited = self.case.calls.values().any(|pending| pending.purpose == Purpose::Invite);
            if uninvited {
                // Nobody is silent who was never asked. Retrying asks them anew, with all of their time.
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

    /// The step ends without the vendor's word.
    pub fn end_proving(&mut self, proving: &Verifying, outcome: ProofOutcome) {
        let step = proving.step;
        self.learn(step, record(Some(outcome), None, None, Some(self.now())));
        self.leave_proving(step, outcome, Vec::new());
    }

    /// Nothing of the step is left in the outbox but what is under way, and no start is free of its limit.
    pub fn leave_proving(&mut self, step: StepIndex, outcome: ProofOutcome, reasons: Vec<String>) {
        self.case.released.take_if(|released| *released == step);
        self.drop_calls(|purpose| {
            matches!(purpose, Purpose::Invite | Purpose::Reminder | Purpose::Start | Purpose::Read)
        });
        self.note(Note::StepEnded { outcome: outcome.word().to_owned(), reasons });
        self.follow(step, outcome.word());
    }
}
