//! Deletes an account with all its runs: images and extracted data. Jumio keeps the metadata of the runs and its
//! decisions. It cannot be undone, and a later run needs a new account.

use reqwest::{Method, StatusCode};

use super::api::{Api, Host, refusal};
use super::is_id;
use crate::model::Failure;

pub(super) async fn delete(api: &Api, account: &str) -> Result<(), Failure> {
    if !is_id(account) {
        return Err(Failure::refused("deleting an account of Jumio: the id is not an id of Jumio"));
    }
    let answer = api.ask(Method::DELETE, Host::Retrieval, &["api", "v1", "accounts", account], None).await?;
    // A repeated attempt finds nothing to delete.
    if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND {
        return Ok(());
    }
    Err(refusal(&answer))
}
