//! Builds the mails of a case: recipient, language and final text. Independent of mail servers.

use super::links::LinkKind;
use super::state::Purpose;
use super::transition::{Transition, Trouble};
use crate::model::{Action, Address, Message, Timestamp, typed};
use crate::policy::template::MailFacts;
use crate::policy::tree::{Recipient, StepIndex};

/// The link and deadline in a mail about a step that waits for the person.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub link: u32,
    pub deadline: Timestamp,
}

impl Transition<'_> {
    /// Builds a mail as it will be sent, equal at every attempt.
    pub fn mail(&self, to: &Recipient, template: &str, asked: Option<Asked>) -> Result<Message, Trouble> {
        let address = self.address(to)?;
        // Only the person gets their links: a link allows acting as the person.
        let personal = matches!(to, Recipient::Subject);
        let link = asked
            .filter(|_| personal)
            .map(|asked| self.context.links.person(&self.case.id, LinkKind::Verify, asked.link));
        let contest = personal
            .then(|| self.context.links.person(&self.case.id, LinkKind::Contest, self.case.contests + 1));
        let this_case = self.this_case();
        let facts = MailFacts {
            facts: self.facts(&this_case),
            link: link.as_deref(),
            contest_link: contest.as_deref(),
            deadline: asked.map(|asked| asked.deadline),
            organization: self.context.organization,
        };
        let languages = self.languages(personal);
        let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
        let rendered =
            self.policy.templates.render(template, &languages, &facts).map_err(|error| error.to_string())?;
        Ok(Message {
            to: address,
            subject: rendered.subject,
            text: rendered.text,
            html: rendered.html,
            template: template.to_owned(),
            language: rendered.language,
        })
    }

    /// Returns the person's language, then the policy's, then English; for `de-AT` also `de`.
    fn languages(&self, personal: bool) -> Vec<String> {
        let locale = self.case.subject.text("locale").filter(|_| personal);
        let mut languages: Vec<String> = Vec::new();
        for tag in [locale, self.policy.language.as_deref(), Some("en")].into_iter().flatten() {
            let tag = tag.replace('_', "-");
            let primary = tag.split('-').next().unwrap_or_default().to_owned();
            for language in [tag, primary] {
                if !language.is_empty() && !languages.contains(&language) {
                    languages.push(language);
                }
            }
        }
        languages
    }

    fn address(&self, to: &Recipient) -> Result<Address, Trouble> {
        let subject = &self.case.subject;
        match to {
            Recipient::Subject => subject
                .text("email")
                .map(|email| Address {
                    name: Some(typed::unlinked(&subject.display_name())),
                    email: email.to_owned(),
                })
                .ok_or_else(|| "the subject has no mail address".to_owned()),
            Recipient::Manager => {
                self.manager().ok_or_else(|| "the subject has no manager with a mail address".to_owned())
            }
            Recipient::Team(name) => self
                .team(name)
                .ok_or_else(|| format!("people.yaml has no team {name}; the mail has nowhere to go")),
        }
    }

    /// Returns the manager from the latest record, which clauses use too.
    pub fn manager(&self) -> Option<Address> {
        let manager = self.case.seen.as_ref().unwrap_or(&self.case.subject).fields.get("manager")?;
        let text = |field: &str| manager.get(field)?.as_str().filter(|text| !text.is_empty());
        Some(Address { name: text("name").map(str::to_owned), email: text("email")?.to_owned() })
    }

    fn team(&self, name: &str) -> Option<Address> {
        let team = self.policy.people.teams.get(name)?;
        Some(Address { name: None, email: team.mail.clone() })
    }

    /// Returns the owner's address. A policy's owner is a mail address or `team:name`.
    fn owner(&self) -> Option<Address> {
        let owner = &self.policy.owner;
        match owner.strip_prefix("team:") {
            Some(team) => self.team(team),
            None => owner.contains('@').then(|| Address { name: None, email: owner.clone() }),
        }
    }

    /// Notifies the policy's owner, in fixed words, that the case needs a person.
    pub fn notify_owner(&mut self, step: StepIndex, reason: &str) {
        let to = self.owner();
        let paragraphs = [
            format!("A case of the policy \"{}\" is stuck and waits for you.", self.policy.title),
            format!("Case: {}", self.case.id),
            format!("Reason: {reason}"),
            "Nothing was approved and nothing more happens until somebody retries or cancels it.".to_owned(),
        ];
        self.notice(step, to, "stuck", format!("Stuck: {}", self.policy.title), &paragraphs);
    }

    /// Notifies a queue's team of a pending decision, without personal data.
    pub fn notify_queue(&mut self, step: StepIndex, queue: &str, deadline: Timestamp) {
        let team = self.policy.people.queues.get(queue).map(|queue| queue.team.clone());
        let to = team.and_then(|team| self.team(&team));
        let paragraphs = [
            format!(
                "A case of the policy \"{}\" waits for a decision in the queue {queue}.",
                self.policy.title
            ),
            format!("Case: {}", self.case.id),
            format!("Decide before: {}", deadline.format("%Y-%m-%d %H:%M UTC")),
        ];
        self.notice(step, to, "review", format!("To decide: {}", self.policy.title), &paragraphs);
    }

    /// Notifies the owner of an objection to an adverse end.
    pub fn notify_of_objection(&mut self, step: StepIndex) {
        let to = self.owner();
        let paragraphs = [
            format!("A person contests the end of their case of the policy \"{}\".", self.policy.title),
            format!("Case: {}", self.case.id),
            "The clock stands until somebody decides: undo or uphold.".to_owned(),
        ];
        self.notice(step, to, "contested", format!("Contested: {}", self.policy.title), &paragraphs);
    }

    fn notice(&mut self, step: StepIndex, to: Option<Address>, name: &str, subject: String, text: &[String]) {
        // Without an address, the console and the metrics still show the case.
        let Some(to) = to else { return };
        let html = text.iter().map(|line| format!("<p>{}</p>\n", escaped(line))).collect();
        let message = Message {
            to,
            subject: subject.replace(['\r', '\n'], " "),
            text: text.join("\n\n"),
            html,
            template: name.to_owned(),
            language: "en".to_owned(),
        };
        self.ask(step, Action::Mail { message }, Purpose::OwnerNotice, self.now());
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
