//! Shell completions and manual pages, generated from the command definitions.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::{Cli, Ending, Failed};

const NAME: &str = "proofd";

pub fn completions(shell: clap_complete::Shell) -> Result<Ending, Failed> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut text);
    Ok(print(&text))
}

pub fn pages(dir: Option<&Path>) -> Result<Ending, Failed> {
    if let Some(dir) = dir {
        let written = clap_mangen::generate_to(Cli::command(), dir);
        written.with_context(|| format!("while writing into {}", dir.display())).map_err(Failed::usage)?;
        return Ok(Ending::Ok);
    }
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(Cli::command());
    page.render(&mut text).context("while making the manual page")?;
    Ok(print(&text))
}

/// Prints to standard output. A closed pipe is not an error: the reader has stopped.
fn print(text: &[u8]) -> Ending {
    let _ = std::io::stdout().lock().write_all(text);
    Ending::Ok
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_text(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let named = |what: &str| format!("{path} {}: {what}", command.get_name());
        if command.get_about().is_none() {
            found.push(named("no text"));
        }
        let untold = command.get_arguments().filter(|argument| argument.get_help().is_none());
        found.extend(untold.map(|argument| named(argument.get_id().as_str())));
        for argument in command.get_arguments() {
            let values = argument.get_possible_values();
            // `true` and `false` of a switch need no help text, and the names of shells explain themselves.
            let described = values.iter().any(|value| value.get_help().is_some());
            let missing = values.iter().filter(|value| described && value.get_help().is_none());
            found.extend(missing.map(|value| named(value.get_name())));
        }
        let path = format!("{path} {}", command.get_name());
        command.get_subcommands().for_each(|below| without_text(below, &path, found));
    }

    #[test]
    fn every_command_and_argument_has_help_text() {
        let mut found = Vec::new();
        without_text(&Cli::command(), "", &mut found);
        assert!(found.is_empty(), "without a text: {found:#?}");
    }
}
