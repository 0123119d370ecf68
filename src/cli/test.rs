//! `test`: runs the policy tests of a tree, with the decision code of the daemon.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::read::{self, Read};
use super::style::{self, Tone, paint};
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
            show(tested, arguments.coverage, &dir.to_string_lossy());
        }
        if !errors.is_empty() {
            let dir = dir.to_string_lossy();
            let text = policy::diagnostic::render_below(&dir, &errors, &files, style::colors());
            output::line(&text);
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

fn show(tested: &Tested, coverage: bool, dir: &str) {
    output::line(&tested.policy);
    for test in &tested.tests {
        let (tone, mark) = if test.ok { (Tone::Good, "ok    ") } else { (Tone::Bad, "FAILED") };
        output::line(&format!("  {}  {}", paint(tone, mark), output::visible(&test.name)));
        failed(test, dir).iter().for_each(|line| output::line(line));
    }
    if coverage {
        show_coverage(&tested.coverage, dir);
    }
    output::line("");
}

/// The timeline of a failed test and its differences.
pub(super) fn failed(test: &TestResult, dir: &str) -> Vec<String> {
    let Some(failure) = &test.failure else { return Vec::new() };
    let width = test.timeline.iter().map(|line| line.after.len()).max().unwrap_or(0);
    let mut lines: Vec<String> = Vec::new();
    for line in &test.timeline {
        let step = line.step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
        let text = output::visible(&format!("{step}{}", line.text));
        lines.push(format!("            {:>width$}  {text}", line.after));
    }
    let place = policy::diagnostic::below(dir, &failure.place.to_string());
    lines.push(format!("          {place}: {}", failure.key));
    lines.push(format!("            expected  {}", output::visible(&failure.expected)));
    lines.push(format!("            actual    {}", output::visible(&failure.actual)));
    lines
}

fn show_coverage(coverage: &Coverage, dir: &str) {
    output::line(&format!("  {} of {} branches covered", coverage.walked, coverage.branches));
    for branch in &coverage.not_walked {
        let place = policy::diagnostic::below(dir, &branch.place.to_string());
        output::line(&format!("    not covered: {place}  {}: {}", branch.step, branch.outcome));
    }
}
