//! `sweep`: schedules over the population with their last and next runs.

use clap::Subcommand;

use super::client::Client;
use super::{Daemon, Ending, Failed, output, when};
use crate::api::Page;
use crate::api::sweeps::{SweepLine, SweepRun};
use crate::model::Timestamp;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List sweeps: next run, current run, last run
    #[command(after_help = "Example: proofd sweep list")]
    List,
}

pub async fn run(daemon: &Daemon, command: &Command, json: bool) -> Result<Ending, Failed> {
    let Command::List = command;
    let sweeps = Client::find(daemon)?.get::<Page<SweepLine>>("/v1/sweeps").await?;
    sweeps.show(json, table)?;
    Ok(Ending::Ok)
}

fn table(sweeps: &Page<SweepLine>) {
    let rows = sweeps.items.iter().map(|sweep| {
        let next = sweep.next.map(time).unwrap_or_default();
        let head = [sweep.schedule.clone(), sweep.mode.word().to_owned(), sweep.timetable.clone(), next];
        let last = sweep.run.as_ref().or(sweep.past.first());
        head.into_iter().chain(last.map_or_else(Default::default, run_columns)).collect()
    });
    output::table(
        &[
            "SWEEP",
            "MODE",
            "SCHEDULE",
            "NEXT",
            "LAST",
            "",
            "CHECKED",
            "DUE",
            "OPENED",
            "REMAINING",
            "SKIPPED",
        ],
        &rows.collect::<Vec<_>>(),
    );
}

fn run_columns(run: &SweepRun) -> [String; 7] {
    let opened = if run.shadow { format!("would open {}", run.would_open) } else { run.opened.to_string() };
    [
        time(run.nominal),
        run.end.clone().unwrap_or_else(|| "running".to_owned()),
        run.looked_at.to_string(),
        run.due.to_string(),
        opened,
        run.left.to_string(),
        left_out(run),
    ]
}

/// The number of skipped people, and of how many `explain` has no recorded reason.
fn left_out(run: &SweepRun) -> String {
    let all: u64 = run.skipped.values().sum();
    match run.not_noted {
        0 => all.to_string(),
        unknown => format!("{all}, {unknown} without a recorded reason"),
    }
}

fn time(at: Timestamp) -> String {
    when::moment(at)
}
