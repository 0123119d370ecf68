//! Checks of a provider without side effects: its metadata, its keys, pushed requests, our client.

use super::options::{Algorithm, Par};
use super::push::{error, refusal};
use super::{OpenId, metadata::Metadata};
use crate::connectors::Finding;
use crate::model::Failure;

pub(super) async fn examine(provider: &OpenId) -> Vec<Finding> {
    let name = &provider.settings.name;
    let finding = |what: &str, result: Result<String, String>| Finding {
        ok: result.is_ok(),
        what: format!("{name}: {what}"),
        detail: result.unwrap_or_else(|why| why),
    };
    let reason = |failure: Failure| failure.reason;
    let metadata = match provider.publisher.metadata().await {
        Ok(metadata) => metadata,
        Err(failure) => return vec![finding("metadata", Err(failure.reason))],
    };
    let redirect = &provider.settings.redirect;
    vec![
        finding("metadata", Ok(format!("its addresses are known; it must know {redirect}"))),
        finding("keys", keys(provider).await.map_err(reason)),
        finding("pushed requests", pushed(provider, &metadata).await),
    ]
}

async fn keys(provider: &OpenId) -> Result<String, Failure> {
    let keys = provider.publisher.keys(false).await?;
    let algorithms = &provider.settings.options.algorithms;
    let usable = |algorithm: &&Algorithm| keys.iter().any(|key| key.fits(**algorithm));
    let words: Vec<_> = algorithms.iter().filter(usable).map(|algorithm| algorithm.word()).collect();
    if words.is_empty() {
        return Err(Failure::outage("none of its keys is for one of the configured algorithms"));
    }
    Ok(format!("it has keys for {}", words.join(", ")))
}

/// Pushes an empty request, which a provider refuses after it has checked the client.
async fn pushed(provider: &OpenId, metadata: &Metadata) -> Result<String, String> {
    let url = match (provider.settings.options.par, &metadata.pushed) {
        (Par::Never, _) => return Ok("not used".to_owned()),
        (Par::IfOffered, None) => return Ok("not offered; requests go through the browser".to_owned()),
        (Par::Required, None) => {
            return Err("not offered; set par: if_offered, or use another provider".to_owned());
        }
        (Par::Required | Par::IfOffered, Some(url)) => url,
    };
    let answer = provider.post(url, Vec::new()).await.map_err(|failure| failure.reason)?;
    match error(&answer) {
        Some("invalid_client" | "unauthorized_client") => Err(refusal(&answer).reason),
        Some(_) if answer.status.is_client_error() => Ok("it accepts the client".to_owned()),
        _ => Err(refusal(&answer).reason),
    }
}
