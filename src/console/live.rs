//! Live updates: tells a page that its case has changed.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Extension;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use serde::Deserialize;

use crate::http::extract::{Path, Query};
use crate::http::{Problem, Stopped};
use crate::model::CaseId;

use super::visit::{Visit, guards};

/// A stream ends after this long, and the browser opens another: a session that ended gets no news.
const LONGEST: Duration = Duration::from_secs(600);

#[derive(Debug, Deserialize)]
pub struct From {
    /// The number of the first journal entry that the page does not show.
    from: u64,
}

/// GET `/cases/{id}/live`.
pub async fn case(
    visit: Visit,
    Path(id): Path<String>,
    Query(From { from }): Query<From>,
    Extension(stopped): Extension<Stopped>,
) -> Result<Response, Problem> {
    let link = minijinja::HtmlEscape(&format!("/cases/{id}")).to_string();
    let text = format!(
        "event: changed\ndata: This case has changed. <a href=\"{link}\" data-key=\"u\">Show it <kbd>u</kbd></a>\n\n"
    );
    let mut until = stopped.clone();
    let news = stream::once(async move { news(&visit, &CaseId(id), from, stopped).await });
    // The browser would open a stream that ends at once again.
    let last = stream::once(async move {
        tokio::select! {
            () = until.wait() => {}
            () = tokio::time::sleep(LONGEST) => {}
        }
        Ok(String::new())
    });
    let first = stream::once(async { Ok::<_, std::convert::Infallible>(": open\n\n".to_owned()) });
    let rest =
        futures::StreamExt::map(news, move |changed| Ok(if changed { text.clone() } else { String::new() }));
    let body = Body::from_stream(futures::StreamExt::chain(futures::StreamExt::chain(first, rest), last));
    Ok((guards(), [(header::CONTENT_TYPE, "text/event-stream")], body).into_response())
}

/// Waits for an entry; false: the stream ends without one.
async fn news(visit: &Visit, id: &CaseId, from: u64, mut stopped: Stopped) -> bool {
    let mut changes = visit.doors.engine().status().changes();
    let look = async {
        loop {
            let entries = visit.doors.engine().operators().journal(id, from, 1);
            if entries.is_ok_and(|entries| !entries.is_empty()) {
                return true;
            }
            if changes.changed().await.is_err() {
                return false;
            }
        }
    };
    tokio::select! {
        changed = look => changed,
        () = stopped.wait() => false,
        () = tokio::time::sleep(LONGEST) => false,
    }
}
