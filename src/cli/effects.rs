//! `effects`: lists the possible effects of a tree's policies, and the differences from another tree.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::{Ending, Failed, output, read, verdict};
use crate::policy::Loaded;
use crate::policy::diagnostic::{self, Severity};
use crate::policy::effects::{self, Diff, Sheet};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of a policy; all by default
    policy: Option<String>,
    /// The policy tree
    #[arg(long, value_name = "DIR", default_value = "policies")]
    policies: PathBuf,
    /// Compare with another tree: + new effect, - removed effect, ~ changed effect, ! more harmful
    #[arg(long, value_name = "OTHER_DIR")]
    diff: Option<PathBuf>,
    /// Configuration with the endpoints and systems that policies may name; by default `proofd.yaml` beside the tree
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let (loaded, mut bad) = sound(&arguments.policies, arguments.config.as_deref())?;
    let wanted = |name: &str| arguments.policy.as_deref().is_none_or(|policy| policy == name);
    let sheets = sheets(&loaded, &wanted);
    let Some(other) = &arguments.diff else {
        if let (Some(name), true) = (&arguments.policy, sheets.is_empty()) {
            return Err(missing(name, &loaded, &arguments.policies));
        }
        if json {
            output::json(&json!({ "items": sheets }));
        } else {
            for sheet in &sheets {
                output::line(&sheet.to_string());
            }
        }
        return Ok(if bad { Ending::No } else { Ending::Ok });
    };
    let (other_loaded, other_bad) = sound(other, arguments.config.as_deref())?;
    bad |= other_bad;
    let after = self::sheets(&other_loaded, &wanted);
    if let (Some(name), true) = (&arguments.policy, sheets.is_empty() && after.is_empty()) {
        return Err(missing(name, &loaded, &arguments.policies));
    }
    let diffs = compared(&sheets, &after);
    if json {
        output::json(&json!({ "items": diffs }));
    } else if diffs.iter().all(|diff| diff.changes.is_empty()) {
        output::line("both trees have the same effects");
    } else {
        let mut total = (0, 0, 0);
        for diff in diffs.iter().filter(|diff| !diff.changes.is_empty()) {
            let text = diff.to_string();
            output::line(&diff.policy);
            verdict::show(&text, "");
            output::line("");
            let (changes, graver) = verdict::count(&text);
            total = (total.0 + 1, total.1 + changes, total.2 + graver);
        }
        output::line(&verdict::sentence(total.0, total.1, total.2));
    }
    Ok(if bad { Ending::No } else { Ending::Ok })
}

fn compared(before: &[Sheet], after: &[Sheet]) -> Vec<Diff> {
    let mut names: Vec<&str> = before.iter().chain(after).map(|sheet| sheet.policy.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let of = |sheets: &'_ [Sheet], name: &str| sheets.iter().find(|sheet| sheet.policy == name).cloned();
    names.iter().map(|name| effects::diff(of(before, name).as_ref(), of(after, name).as_ref())).collect()
}

fn sheets(loaded: &Loaded, wanted: &dyn Fn(&str) -> bool) -> Vec<Sheet> {
    let policies = loaded.set.policies.values().filter(|policy| wanted(&policy.name));
    policies.map(|policy| effects::effects(policy)).collect()
}

fn missing(name: &str, loaded: &Loaded, dir: &Path) -> Failed {
    let help = diagnostic::nearest(name, loaded.set.policies.keys().map(String::as_str));
    Failed::no(anyhow!("no valid policy {name} in {}; {help}", dir.display()))
}

/// Loads a tree, prints its errors, and returns whether a policy failed to load. Such a policy has no effect sheet.
fn sound(dir: &Path, config: Option<&Path>) -> Result<(Loaded, bool), Failed> {
    let loaded = read::read(dir, config)?.loaded;
    if loaded.declared.is_empty() {
        return Err(Failed::no(anyhow!("no policy found in {}", dir.display())));
    }
    let bad = loaded.set.policies.len() < loaded.declared.len();
    if bad {
        let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        for found in errors {
            output::error(&format!("{}/{}: {}", dir.display(), found.place, found.message));
        }
    }
    Ok((loaded, bad))
}
