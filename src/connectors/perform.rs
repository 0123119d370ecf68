//! Selects the connector of a call and converts its answer to an outcome. The only place with all kinds of connectors;
//! must not depend on cases.

use futures::FutureExt as _;

use super::Connectors;
use crate::model::{
    Action, Call, Done, Failure, IdentityAction, Outcome, ProvisioningAction, SessionAction, SubjectKind,
};

impl Connectors {
    /// Performs one attempt. A panic or a missing connector is a failure like any other.
    pub async fn perform(&self, call: &Call) -> Outcome {
        let performed = std::panic::AssertUnwindSafe(self.done(call)).catch_unwind().await;
        match performed {
            Ok(Ok(done)) => Outcome::Done(done),
            Ok(Err(failure)) => Outcome::Failed(failure),
            Err(_) => {
                let action = call.action.word();
                tracing::error!(call = %call.attempt.call, action, "a connector panicked");
                Outcome::Failed(Failure::unavailable("internal error in the connector"))
            }
        }
    }

    async fn done(&self, Call { attempt, action }: &Call) -> Result<Done, Failure> {
        let missing = || {
            let word = action.word();
            Failure::outage(format!(
                "no connector is configured for {word}; add it to proofd.yaml and restart"
            ))
        };
        Ok(match action {
            Action::Identity(IdentityAction::Read { subject }) => {
                if subject.kind == SubjectKind::Applicant {
                    return Err(Failure::refused("an applicant has no record at an identity provider"));
                }
                let provider = self.identity(&subject.source).ok_or_else(missing)?;
                let subject = provider.subject(subject, None).await?;
                Done::Seen { subject: subject.map(Box::new) }
            }
            Action::Identity(IdentityAction::Change { snapshot, change }) => {
                let provider = self.identity(&snapshot.subject.source).ok_or_else(missing)?;
                change.done(provider.change(attempt, snapshot, change).await?)
            }
            Action::Verification { provider, session } => {
                let provider = self.verification.get(provider).ok_or_else(missing)?;
                match session {
                    SessionAction::Start(start) => Done::Started { session: provider.start(start).await? },
                    SessionAction::Read(read) => Done::Read { reading: provider.read(read).await? },
                }
            }
            Action::Mail { message } => {
                let mail = self.mail.as_ref().ok_or_else(missing)?;
                mail.send(attempt, message).await?;
                Done::Sent
            }
            Action::Provisioning { system, account } => {
                let system = self.systems.get(system).ok_or_else(missing)?;
                match account {
                    ProvisioningAction::Create { external_id, attributes } => {
                        let created = system.create(attempt, external_id, attributes).await?;
                        Done::Created { id: created.id, already: created.already }
                    }
                    ProvisioningAction::Update { matching, attributes } => {
                        let already = system.update(attempt, matching, attributes).await?;
                        Done::Applied { already, before: None }
                    }
                }
            }
            Action::Request { endpoint, request } => {
                let endpoint = self.endpoints.get(endpoint).ok_or_else(missing)?;
                let answer = endpoint.request(attempt, request).await?;
                Done::Answered { status: answer.status, body: answer.body }
            }
            Action::Emit { sink, event } => {
                let sink = self.sinks.get(sink).ok_or_else(missing)?;
                sink.emit(attempt, event).await?;
                Done::Emitted
            }
        })
    }
}
