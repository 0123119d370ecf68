//! `check`: everything that loading a tree finds, by the same function as the daemon's.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::read::{self, Read};
use super::{Ending, Failed, output};
use crate::policy;
use crate::policy::diagnostic::Severity;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy tree.
    #[arg(default_value = "policies")]
    dir: PathBuf,
    /// Configuration whose names (endpoints, systems) policies may use; otherwise `proofd.yaml` beside DIR.
    #[arg(long)]
    config: Option<PathBuf>,
    /// How it is told; `--json` is the same as `--format json`.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// A warning is a failure too: the exit status is 1.
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// With the source line and what to do.
    Human,
    Json,
    /// SARIF 2.1.0, which code hosts show beside the lines of a change.
    Sarif,
}

pub fn run(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let dir = &arguments.dir;
    let Read { files, mut loaded, judged } = read::read(dir, arguments.config.as_deref())?;
    let untested = loaded.untested();
    loaded.diagnostics.extend(untested);
    policy::diagnostic::sort(&mut loaded.diagnostics);
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    let warnings = loaded.diagnostics.len() - errors;
    let none = loaded.declared.is_empty();
    let good = errors == 0 && !none && !(arguments.strict && warnings > 0);
    if arguments.format == Format::Sarif {
        output::json(&policy::sarif::log(&loaded.diagnostics, &dir.to_string_lossy()));
    } else if json || arguments.format == Format::Json {
        output::json(&json!({
            "ok": good, "errors": errors, "warnings": warnings, "policies": loaded.declared,
            "diagnostics": loaded.diagnostics,
        }));
    } else {
        let rendered = policy::diagnostic::render(&loaded.diagnostics, &files, output::is_terminal());
        if !rendered.is_empty() {
            output::line(&rendered);
        }
        if !judged {
            output::line("no proofd.yaml: names of endpoints and systems were not judged (--config FILE)");
        }
        if loaded.only_particular() {
            output::line(
                "every policy that opens on registration.created is about particular registrations; a new \
                 registration of another kind is covered by none",
            );
        }
        let running = loaded.set.policies.len();
        output::line(&format!(
            "{running} of {} policies are good; {errors} errors, {warnings} warnings",
            loaded.declared.len()
        ));
        if arguments.strict && errors == 0 && warnings > 0 {
            output::line("--strict: a warning is a failure");
        }
        if none {
            output::line(&format!(
                "there is no policy in {}; each has a folder with a policy.yaml",
                dir.display()
            ));
        }
    }
    Ok(if good { Ending::Ok } else { Ending::No })
}
