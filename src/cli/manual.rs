//! What shells and `man` know of the command line, made of the command line itself.

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

/// A closed pipe is not an error: they have read enough.
fn print(text: &[u8]) -> Ending {
    let _ = std::io::stdout().lock().write_all(text);
    Ending::Ok
}
