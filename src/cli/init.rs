//! `init`: writes a tree to start from: policies with their tests and mails, `proofd.yaml`, settings for editors.
//! Overwrites nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use include_dir::{Dir, include_dir};
use serde::Deserialize;

use super::schema::Which;
use super::{Ending, Failed, compose, output, schema};
use crate::policy::{self, Files};

static POLICIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies");
static EXAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples");
const TEMPLATES: &str = include_str!("../../examples/templates.yaml");
const CONFIG: &str = "proofd.yaml";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory to write to; made if it does not exist
    dir: PathBuf,
    /// What to start from: all, or another template that the error for an unknown name lists
    #[arg(long, value_name = "NAME", default_value = "all", value_parser = template)]
    template: Template,
}

/// A template of `examples/templates.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    name: String,
    about: String,
    /// The directory of `examples` with the configuration.
    from: String,
    /// Policies by the name of their directory; `None`: all.
    #[serde(default)]
    policies: Option<Vec<String>>,
    /// A paragraph for the README.
    #[serde(default)]
    note: Option<String>,
    commands: Vec<String>,
}

impl Template {
    fn has(&self, policy: &str) -> bool {
        self.policies.as_ref().is_none_or(|policies| policies.iter().any(|other| other == policy))
    }

    /// The commands that run it, in order.
    fn commands(&self, dir: &str) -> impl Iterator<Item = String> {
        self.commands.iter().map(move |command| command.replace("DIR", dir))
    }
}

fn template(name: &str) -> Result<Template, String> {
    let templates: Vec<Template> = serde_yaml::from_str(TEMPLATES).map_err(|error| error.to_string())?;
    if let Some(found) = templates.iter().find(|template| template.name == name) {
        return Ok(found.clone());
    }
    let known: Vec<_> = templates.iter().map(|one| format!("\n  {}: {}", one.name, one.about)).collect();
    Err(format!("unknown template; there are{}", known.concat()))
}

pub fn run(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let Arguments { dir, template } = arguments;
    let files = files(template)?;
    let there: Vec<_> = files.keys().filter(|path| dir.join(path).exists()).cloned().collect();
    if let Some(first) = there.first() {
        let more = there.len() - 1;
        let others = if more == 0 { String::new() } else { format!(" and {more} other files") };
        return Err(Failed::no(anyhow::anyhow!(
            "{} exists already{others}; nothing is overwritten. Name another directory",
            dir.join(first).display()
        )));
    }
    for (path, bytes) in &files {
        write(&dir.join(path), bytes)?;
    }
    let shown = dir.display().to_string();
    if json {
        output::json(&serde_json::json!({ "dir": shown, "files": files.keys().collect::<Vec<_>>() }));
        return Ok(Ending::Ok);
    }
    output::line(&format!("{} files written to {shown}. Next:\n", files.len()));
    for command in template.commands(&shown) {
        output::line(&format!("  {command}"));
    }
    output::line(&format!("\n{shown}/README.md and {shown}/policies/README.md list what to change first."));
    Ok(Ending::Ok)
}

/// The files of a template by path.
fn files(template: &Template) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let shipped = shipped();
    let used = used(&shipped, template);
    for (path, bytes) in &shipped.0 {
        if used.contains(path) || !path.contains('/') {
            files.insert(format!("policies/{path}"), bytes.to_vec());
        }
    }
    let from = EXAMPLES.get_dir(&template.from).context("this build lacks the files of the template")?;
    every(from, &mut |path, bytes| {
        let own =
            path.strip_prefix(&template.from).is_some_and(|rest| rest.trim_start_matches('/') == CONFIG);
        let path = if own { CONFIG } else { path };
        files.insert(path.to_owned(), bytes.to_vec());
    });
    files.insert(".gitignore".to_owned(), b"/proofd-store/\n".to_vec());
    let mut settings = serde_json::Map::new();
    for (which, name, paths) in SCHEMAS {
        let text = serde_json::to_vec_pretty(&schema::of(which))?;
        files.insert(format!(".schema/{name}.json"), text);
        settings.insert(format!(".schema/{name}.json"), paths.into());
    }
    let settings = serde_json::json!({ "yaml.schemas": settings });
    files.insert(".vscode/settings.json".to_owned(), serde_json::to_vec_pretty(&settings)?);
    files.insert("README.md".to_owned(), readme(template).into_bytes());
    Ok(files)
}

/// Returns the shipped policies.
pub fn shipped() -> Files {
    let mut files = Files::default();
    every(&POLICIES, &mut |path, bytes| drop(files.0.insert(path.to_owned(), Arc::from(bytes))));
    files
}

/// Returns the paths of the files that the template's policies use, and of their tests.
fn used(shipped: &Files, template: &Template) -> BTreeSet<String> {
    let loaded = policy::load(shipped, &compose::known_to_all());
    let policies = loaded.set.policies.values().filter(|policy| template.has(&policy.name));
    let files = policies.flat_map(|policy| policy.files.0.keys().cloned());
    let tests = loaded.tests.iter().filter(|tests| template.has(&tests.policy));
    files.chain(tests.map(|tests| tests.file.clone())).collect()
}

/// The schemas, each with its name and the files that it is for.
const SCHEMAS: [(Which, &str, &str); 6] = [
    (Which::Policy, "policy", "policies/*/policy.yaml"),
    (Which::Blocks, "blocks", "policies/shared/blocks.yaml"),
    (Which::Tests, "tests", "policies/*/tests.yaml"),
    (Which::Verifications, "verifications", "policies/verifications.yaml"),
    (Which::People, "people", "policies/people.yaml"),
    (Which::Config, "config", CONFIG),
];

fn readme(template: &Template) -> String {
    let mut text = "# Identity proofing\n\n\
        `policies/` has the policies with their tests and mails; `policies/README.md` lists what each one does and what \
        to change first. `proofd.yaml` configures the daemon: for the simulators, with the lines for real systems \
        behind `#`.\n\n"
        .to_owned();
    text.extend(template.note.iter().map(|note| format!("{note}\n\n")));
    text.push_str("```\n");
    for command in template.commands(".") {
        text.push_str(&command);
        text.push('\n');
    }
    text.push_str(
        "```\n\nEdit a policy while it runs: each change is loaded at once. `proofd check policies` reports mistakes, `proofd \
         plan policies` previews an edit, `proofd policy list` lists what is active, and `proofd case list` the cases. \
         Later, with real systems: `proofd doctor --config proofd.yaml`, then `proofd run --config proofd.yaml`.\n",
    );
    text
}

fn every(dir: &Dir<'static>, take: &mut impl FnMut(&str, &'static [u8])) {
    for file in dir.files() {
        if let Some(path) = file.path().to_str() {
            take(path, file.contents());
        }
    }
    for dir in dir.dirs() {
        every(dir, take);
    }
}

/// Writes a file that must not exist.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let context = || format!("while writing {}", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(context)?;
    }
    let mut file = std::fs::File::create_new(path).with_context(context)?;
    file.write_all(bytes).with_context(context)
}
