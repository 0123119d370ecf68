//! Exchanges a code for an ID token, and checks it. The answer is parsed here: vendors leave out `access_token`, which
//! libraries require.

use reqwest::StatusCode;
use serde_json::Value;

use super::derived::Use;
use super::metadata::Metadata;
use super::proof::{Rule, proof};
use super::push::{error, refusal};
use super::token::{Expected, check, head, key};
use super::{Exchanged, LIFE, OpenId};
use crate::connectors::http::Answer;
use crate::model::{Failure, FailureKind, ReadSession, Void};

impl OpenId {
    /// Exchanges a code once. A repeated attempt after a lost answer finds the code used: the session is void then.
    pub(super) async fn exchange(
        &self,
        metadata: &Metadata,
        read: &ReadSession,
        code: &str,
    ) -> Result<Exchanged, Failure> {
        // Keys first: without them the code would be used up for nothing.
        self.publisher.keys(false).await?;
        let form = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", self.settings.redirect.clone()),
            ("code_verifier", self.deriver.secret(Use::Verifier, &read.reference)),
        ];
        let answer = self.post(&metadata.token, form).await?;
        if !answer.status.is_success() {
            return refused(&answer);
        }
        let answer: Value = answer.json()?;
        let Some(token) = answer.get("id_token").and_then(Value::as_str) else {
            return Ok(Exchanged::Void(Void::Malformed));
        };
        self.judge(read, token).await
    }

    async fn judge(&self, read: &ReadSession, token: &str) -> Result<Exchanged, Failure> {
        let options = &self.settings.options;
        let mut keys = self.publisher.keys(false).await?;
        match head(token, &options.algorithms) {
            Ok(head) if key(&head, &keys).is_none() => {
                // The provider may have a new key. Without its answer the token cannot be checked.
                keys = match self.publisher.keys(true).await {
                    Ok(keys) => keys,
                    Err(_) => return Ok(Exchanged::Void(Void::Key)),
                };
            }
            Ok(_) => {}
            Err(why) => return Ok(Exchanged::Void(why)),
        }
        let now = self.clock.now();
        let started = read.returns_by.map_or(now, |by| by - LIFE);
        let nonce = self.deriver.secret(Use::Nonce, &read.reference);
        let expected = Expected {
            issuer: &options.issuer,
            client_id: &options.client_id,
            nonce: &nonce,
            algorithms: &options.algorithms,
            max_age: options.max_age,
            started,
            now,
        };
        let (dialect, subject) = (options.dialect, options.subject);
        Ok(match check(token, &keys, expected) {
            Ok(claims) => {
                let rule = Rule { dialect, accept: &options.accept, subject, started, now };
                Exchanged::Proof(Box::new(proof(&claims, rule)))
            }
            Err(why) => Exchanged::Void(why),
        })
    }
}

/// Handles a refused exchange. Only a refused code ends the session; everything else concerns us or the provider.
fn refused(answer: &Answer) -> Result<Exchanged, Failure> {
    if answer.status == StatusCode::BAD_REQUEST && error(answer) == Some("invalid_grant") {
        return Ok(Exchanged::Void(Void::Code));
    }
    let failure = refusal(answer);
    Err(match failure.kind {
        FailureKind::Unavailable => failure,
        // Our own request was wrong, which says nothing about the person.
        FailureKind::Refused | FailureKind::Changed | FailureKind::NotEnrolled => {
            Failure::outage(failure.reason)
        }
    })
}
