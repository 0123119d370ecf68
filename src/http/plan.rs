//! Plans the activation of another tree. The answer is JSON lines: progress, then the plan.

use axum::extract::State;
use futures::stream;
use tokio::sync::mpsc;

use crate::api::plan::{PlanLine, Tree};

use super::answer::Lines;
use super::extract::Body;
use super::{AppState, Caller, Problem};

/// Unread lines in the channel; further progress is dropped.
const WAITING: usize = 16;

pub async fn plan(
    State(doors): State<AppState>,
    caller: Caller,
    Body(tree): Body<Tree>,
) -> Result<Lines<PlanLine>, Problem> {
    tracing::info!(by = caller.name(), files = tree.files.len(), "plan requested");
    let (lines, read) = mpsc::channel::<PlanLine>(WAITING);
    let engine = doors.engine.clone();
    tokio::spawn(async move {
        let sender = lines.clone();
        let files = tree.files.into_iter().collect();
        let progress = move |progress| {
            // A slow reader gets a later progress line.
            let _ = sender.try_send(PlanLine::Progress(progress));
        };
        let there = lines.clone();
        let last = match engine.migrations().plan_aside(files, progress, move || !there.is_closed()).await {
            Ok(plan) => PlanLine::Plan(Box::new(plan)),
            Err(error) => {
                tracing::error!(%error, "computing a plan failed");
                PlanLine::Problem("computing the plan failed; the daemon's log has the reason".to_owned())
            }
        };
        // The client disconnected: the plan is not needed.
        let _ = lines.send(last).await;
    });
    let lines = stream::unfold(read, |mut read| async move { Some((read.recv().await?, read)) });
    Ok(Lines::new(lines))
}
