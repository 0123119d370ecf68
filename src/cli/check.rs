//! `check`: reports the diagnoses of a policy tree, found by the same function as in the daemon.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::read::{self, Read};
use super::{Ending, Failed, output, style};
use crate::policy;
use crate::policy::diagnostic::Severity;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy tree
    #[arg(default_value = "policies")]
    dir: PathBuf,
    /// Configuration with the endpoints and systems that policies may name; by default `proofd.yaml` beside DIR
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Output format; `--json` is the same as `--format json`
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Treat warnings as errors: exit with 1
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text with the source line and how to fix it
    Human,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, which code hosts show at the lines of a change
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
        let rendered = {
            let dir = dir.to_string_lossy();
            policy::diagnostic::render_below(&dir, &loaded.diagnostics, &files, style::colors())
        };
        if !rendered.is_empty() {
            output::line(&rendered);
        }
        if !judged {
            output::line("no proofd.yaml: names of endpoints and systems were not checked (--config FILE)");
        }
        if loaded.only_particular() {
            output::line(
                "every policy on registration.created has conditions; a registration that meets none of them \
                 opens no case",
            );
        }
        let running = loaded.set.policies.len();
        output::line(&format!(
            "{running} of {} policies are valid; {errors} errors, {warnings} warnings",
            loaded.declared.len()
        ));
        if arguments.strict && errors == 0 && warnings > 0 {
            output::line("--strict: warnings count as errors");
        }
        if good {
            output::next(&format!("proofd test {}", dir.display()));
        }
        if none {
            output::line(&format!(
                "no policy found in {}; a policy is a directory with a policy.yaml",
                dir.display()
            ));
        }
    }
    Ok(if good { Ending::Ok } else { Ending::No })
}
