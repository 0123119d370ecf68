//! `event`: sends CloudEvents from a file to a running daemon. Sending a file again changes nothing: the daemon
//! recognizes each event by its source and id.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use serde_json::value::RawValue;

use super::client::Client;
use super::{Daemon, Ending, Failed, output};
use crate::api::events::{BATCH, LARGEST_BODY, MOST_EVENTS, Taken};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send CloudEvents to the daemon
    #[command(after_help = "Example: proofd event send hires.ndjson")]
    Send {
        /// File with JSON: one event, an array of events, or one event per line; `-` reads standard input
        file: PathBuf,
    },
}

pub async fn run(daemon: &Daemon, command: Command, json: bool) -> Result<Ending, Failed> {
    let Command::Send { file } = command;
    let text = read(&file).map_err(Failed::usage)?;
    let events = events(&text).with_context(|| format!("while reading {}", file.display()));
    let events = events.map_err(Failed::usage)?;
    let client = Client::find(daemon)?;
    let mut taken = 0;
    for batch in batches(&events) {
        let answer = client.post_text::<Taken>("/v1/events", BATCH, format!("[{}]", batch.join(","))).await;
        if let Err(mut failed) = answer {
            if taken > 0 {
                // Positions in the answer are relative to the request.
                let sent_before =
                    format!("the first {taken} events of the file were taken; the request after them failed");
                failed.error = failed.error.context(sent_before);
            }
            return Err(failed);
        }
        taken += batch.len();
    }
    if json {
        output::json(&Taken { taken });
    } else {
        output::line(&format!("{taken} {} taken", if taken == 1 { "event" } else { "events" }));
        output::next("proofd case list, or proofd explain --subject PERSON for events that opened no case");
    }
    Ok(Ending::Ok)
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).context("while reading standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("while reading {}", file.display()))
}

/// The texts of the events, unchanged: the daemon validates them, and its answer refers to the sent text.
fn events(text: &str) -> anyhow::Result<Vec<&str>> {
    let mut events = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let value = value
            .map_err(|error| anyhow!("line {}, column {}: invalid JSON", error.line(), error.column()))?;
        if value.get().starts_with('[') {
            let list: Vec<&RawValue> =
                serde_json::from_str(value.get()).context("while reading the array")?;
            events.extend(list.into_iter().map(RawValue::get));
        } else {
            events.push(value.get());
        }
    }
    match events.iter().position(|event| !event.starts_with('{')) {
        Some(index) => Err(anyhow!("event {index} is not a JSON object")),
        None if events.is_empty() => Err(anyhow!("no event found")),
        None => Ok(events),
    }
}

/// Groups events into as few requests as the daemon's limits allow.
fn batches<'a>(events: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut batches = Vec::<Vec<&str>>::new();
    let mut size = 0;
    for event in events {
        // One more byte: the comma or bracket.
        let more = event.len() + 1;
        match batches.last_mut() {
            Some(batch) if batch.len() < MOST_EVENTS && size + more < LARGEST_BODY => {
                batch.push(event);
                size += more;
            }
            _ => {
                batches.push(vec![event]);
                size = more;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_file_is_json_json_lines_or_an_array() {
        for (text, expected) in [
            (r#"{"id":"1"}"#, Ok(1)),
            ("{\n  \"id\": \"1\"\n}\n", Ok(1)),
            (r#"[{"id":"1"}, {"id":"2"}]"#, Ok(2)),
            ("{\"id\":\"1\"}\n{\"id\":\"2\"}\n\n", Ok(2)),
            ("", Err("no event")),
            ("[]", Err("no event")),
            ("{\"id\":\"1\"}\n{oops\n", Err("line 2")),
            ("[1]", Err("event 0")),
            ("specversion: '1.0'", Err("line 1")),
        ] {
            match (events(text), expected) {
                (Ok(events), Ok(count)) => assert_eq!(events.len(), count, "{text}"),
                (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{text}: {error}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }

    #[test]
    fn batches_stay_within_the_size_limits() {
        let sizes = |event: &str, count: usize| -> Vec<usize> {
            batches(&vec![event; count]).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes("{}", 2_001), [1_000, 1_000, 1]);
        let large = "x".repeat(400_000);
        assert_eq!(sizes(&large, 5), [2, 2, 1]);
        let largest = "x".repeat((LARGEST_BODY - 3) / 2);
        assert_eq!(sizes(&largest, 2), [2]);
        assert_eq!(sizes(&format!("{largest}xx"), 2), [1, 1]);
    }
}
