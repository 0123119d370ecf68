//! `test`: runs the policy tests of a tree, with the decision code of the daemon.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::read::{self, Read};
use super::{Ending, Failed, junit, output};
use crate::policy::diagnostic::Severity;
use crate::policy::{self, Loaded};
use crate::trial::{self, Coverage, TestResult, Tested};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy tree
    #[arg(default_value = "policies")]
    dir: PathBuf,
    /// Write the results to a JUnit XML file, for build servers
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// List the branches of each policy that no test reaches
    #[arg(long)]
    coverage: bool,
    /// Configuration with the endpoints and systems that policies may name; by default `proofd.yaml` beside DIR
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let dir = &arguments.dir;
    let Read { files, loaded, .. } = read::read(dir, arguments.config.as_deref())?;
    let errors: Vec<_> =
        loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).cloned().collect();
    let tested = trial::run(&loaded);
    if let Some(path) = &arguments.junit {
        let written = junit::xml(&tested, &errors).context("while making the report")?;
        std::fs::write(path, written)
            .with_context(|| format!("while writing {}", path.display()))
            .map_err(Failed::usage)?;
    }
    let none = loaded.declared.is_empty();
    let ok = errors.is_empty() && !none && tested.iter().all(Tested::ok);
    let untested = untested(&loaded, &tested);
    if json {
        output::json(&json!({
            "ok": ok, "policies": tested, "without_tests": untested, "diagnostics": errors,
        }));
    } else {
        for tested in &tested {
            show(tested, arguments.coverage);
        }
        if !errors.is_empty() {
            output::line(&policy::diagnostic::render(&errors, &files, output::is_terminal()));
        }
        for name in &untested {
            output::line(&format!("{name}: no tests; write {name}/tests.yaml"));
        }
        let all = tested.iter().flat_map(|tested| &tested.tests);
        let (passed, failed): (Vec<_>, Vec<_>) = all.partition(|test| test.ok);
        let mut sum = format!("{} tests passed, {} failed", passed.len(), failed.len());
        if !errors.is_empty() {
            sum.push_str(&format!("; {} errors in the files", errors.len()));
        }
        output::line(&sum);
        if none {
            output::line(&format!("no policy found in {}", dir.display()));
        }
    }
    Ok(if ok { Ending::Ok } else { Ending::No })
}

/// Valid policies without tests.
fn untested(loaded: &Loaded, tested: &[Tested]) -> Vec<String> {
    let names = loaded.set.policies.keys();
    names.filter(|name| !tested.iter().any(|tested| tested.policy == **name)).cloned().collect()
}

fn show(tested: &Tested, coverage: bool) {
    output::line(&tested.policy);
    for test in &tested.tests {
        output::line(&format!(
            "  {}  {}",
            if test.ok { "ok    " } else { "FAILED" },
            output::visible(&test.name)
        ));
        failed(test).iter().for_each(|line| output::line(line));
    }
    if coverage {
        show_coverage(&tested.coverage);
    }
    output::line("");
}

/// The timeline of a failed test and its differences.
pub(super) fn failed(test: &TestResult) -> Vec<String> {
    let Some(failure) = &test.failure else { return Vec::new() };
    let width = test.timeline.iter().map(|line| line.after.len()).max().unwrap_or(0);
    let mut lines: Vec<String> = Vec::new();
    for line in &test.timeline {
        let step = line.step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
        let text = output::visible(&format!("{step}{}", line.text));
        lines.push(format!("            {:>width$}  {text}", line.after));
    }
    lines.push(format!("          {}: {}", failure.place, failure.key));
    lines.push(format!("            expected  {}", output::visible(&failure.expected)));
    lines.push(format!("            actual    {}", output::visible(&failure.actual)));
    lines
}

fn show_coverage(coverage: &Coverage) {
    output::line(&format!("  {} of {} branches covered", coverage.walked, coverage.branches));
    for branch in &coverage.not_walked {
        output::line(&format!("    not covered: {}  {}: {}", branch.place, branch.step, branch.outcome));
    }
}
