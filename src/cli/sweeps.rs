//! `sweep`: schedules over the population, what their last runs did, and when the next are.

use clap::Subcommand;
use serde_json::Value;

use super::client::{Client, expect};
use super::{Daemon, Ending, Failed, output};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Every sweep with its next time, its last run and the run under way.
    #[command(after_help = "Example: proofd sweep list")]
    List,
}

pub async fn run(daemon: &Daemon, command: &Command, json: bool) -> Result<Ending, Failed> {
    let Command::List = command;
    let sweeps = expect(Client::find(daemon)?.get("/v1/sweeps").await?)?;
    if json {
        output::json(&sweeps);
        return Ok(Ending::Ok);
    }
    let mut rows = Vec::new();
    for sweep in sweeps["items"].as_array().into_iter().flatten() {
        let head =
            [text(sweep, "schedule"), text(sweep, "mode"), text(sweep, "timetable"), text(sweep, "next")];
        let under_way = Some(&sweep["run"]).filter(|run| run.is_object());
        let last = under_way.or_else(|| sweep["past"].get(0));
        rows.push(head.into_iter().chain(last.map_or_else(Default::default, told)).collect());
    }
    output::table(
        &["SWEEP", "MODE", "TIMETABLE", "NEXT", "LAST", "", "LOOKED AT", "DUE", "OPENED", "LEFT", "LEFT OUT"],
        &rows,
    );
    Ok(Ending::Ok)
}

fn told(run: &Value) -> [String; 7] {
    let end = run["end"].as_str().unwrap_or("under way").to_owned();
    let opened = match run["shadow"].as_bool() {
        Some(true) => format!("would open {}", run["would_open"]),
        Some(false) | None => run["opened"].to_string(),
    };
    [
        text(run, "nominal"),
        end,
        run["looked_at"].to_string(),
        run["due"].to_string(),
        opened,
        run["left"].to_string(),
        left_out(run),
    ]
}

/// All who got no case though they came into question, and of how many of them `explain` does not know why.
fn left_out(run: &Value) -> String {
    let skipped = run["skipped"].as_object().into_iter().flatten();
    let all: u64 = skipped.filter_map(|(_, count)| count.as_u64()).sum();
    match run["not_noted"].as_u64() {
        None | Some(0) => all.to_string(),
        Some(unknown) => format!("{all}, {unknown} of them only counted"),
    }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
