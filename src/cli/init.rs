//! `init`: writes a tree to start from: policies with their tests and mails, `proofd.yaml`, settings for editors.
//! Overwrites nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use include_dir::{Dir, include_dir};

use super::schema::Which;
use super::{Ending, Failed, compose, output, schema};
use crate::policy::{self, Files};

static POLICIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies");
static KEYCLOAK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples/keycloak");
const SIMULATORS: &str = include_str!("../../examples/simulators/proofd.yaml");
const CONFIG: &str = "proofd.yaml";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory to write to; made if it does not exist
    dir: PathBuf,
    /// What to start from
    #[arg(long, value_enum, default_value_t = Template::All)]
    template: Template,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// Every shipped policy, against the simulators
    All,
    /// Proof before a registration is approved, against the simulators
    Registration,
    /// Proof once a quarter, after a risky sign-in and for privileged roles, against the simulators
    ReVerification,
    /// Registrations, quarterly proof and privileged roles of a Keycloak realm, with an example realm
    Keycloak,
}

impl Template {
    /// The policies by the name of their directory; `None`: all.
    fn policies(self) -> Option<&'static [&'static str]> {
        match self {
            Self::All => None,
            Self::Registration => Some(&["registration-proofing"]),
            Self::ReVerification => Some(&["quarterly-reverification", "login-risk", "privileged-role"]),
            Self::Keycloak => Some(&[
                "registration-proofing",
                "quarterly-reverification",
                "privileged-role",
                "support-reverification",
            ]),
        }
    }

    /// The name of the template's identity provider, and its configuration.
    fn config(self) -> anyhow::Result<&'static str> {
        match self {
            Self::All | Self::Registration | Self::ReVerification => Ok(SIMULATORS),
            Self::Keycloak => {
                let file = KEYCLOAK.get_file(CONFIG).and_then(|file| file.contents_utf8());
                file.context("this build lacks the configuration of the template")
            }
        }
    }

    /// The commands that run it, in order.
    fn commands(self, dir: &str) -> Vec<String> {
        let simulators = match self {
            Self::All | Self::Registration | Self::ReVerification => "all",
            Self::Keycloak => "jumio",
        };
        let mut commands = vec![format!("proofd test {dir}/policies")];
        if self == Self::Keycloak {
            commands.push("proofd simulate mail --listen 127.0.0.1:9002".to_owned());
        }
        let port = if self == Self::Keycloak { 9001 } else { 9000 };
        commands.extend([
            format!("proofd simulate {simulators} --listen 127.0.0.1:{port} --daemon http://127.0.0.1:8470"),
            format!("proofd doctor --config {dir}/{CONFIG}"),
            format!("proofd run --config {dir}/{CONFIG}"),
        ]);
        commands
    }
}

pub fn run(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let Arguments { dir, template } = arguments;
    let files = files(*template)?;
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
    output::line(&format!(
        "{} files written to {shown}. Next, each in a terminal of its own:\n",
        files.len()
    ));
    for command in template.commands(&shown) {
        output::line(&format!("  {command}"));
    }
    output::line(&format!("\n{shown}/README.md says what to change first."));
    Ok(Ending::Ok)
}

/// The files of a template by path.
fn files(template: Template) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut shipped = Files::default();
    every(&POLICIES, &mut |path, bytes| drop(shipped.0.insert(path.to_owned(), Arc::from(bytes))));
    let used = used(&shipped, template);
    for (path, bytes) in &shipped.0 {
        if used.contains(path) || !path.contains('/') {
            files.insert(format!("policies/{path}"), bytes.to_vec());
        }
    }
    if template == Template::Keycloak {
        every(&KEYCLOAK, &mut |path, bytes| {
            if path != CONFIG {
                files.insert(format!("keycloak/{path}"), bytes.to_vec());
            }
        });
    }
    files.insert(CONFIG.to_owned(), template.config()?.as_bytes().to_vec());
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

/// Returns the paths of the files that the template's policies use, and of their tests.
fn used(shipped: &Files, template: Template) -> BTreeSet<String> {
    let loaded = policy::load(shipped, &compose::known_to_all());
    let wanted = |name: &str| template.policies().is_none_or(|policies| policies.contains(&name));
    let policies = loaded.set.policies.values().filter(|policy| wanted(&policy.name));
    let files = policies.flat_map(|policy| policy.files.0.keys().cloned());
    let tests = loaded.tests.iter().filter(|tests| wanted(&tests.policy));
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

fn readme(template: Template) -> String {
    let mut text = "# Identity proofing\n\n\
        `policies/` has the policies with their tests and mails, `proofd.yaml` the configuration of the daemon. \
        `policies/README.md` says what each policy does and what to change first.\n\n"
        .to_owned();
    if template == Template::Keycloak {
        text.push_str(
            "`keycloak/realm.json` is a realm in which new people wait for their proof; `keycloak/README.md` says how to \
             import it, and how to add its gate to your own realm. Set `PROOFD_CLIENT_SECRET` for Keycloak and for proofd, \
             and `SMTP_HOST=127.0.0.1`, `SMTP_PORT=9002` for Keycloak.\n\n",
        );
    }
    text.push_str("```\n");
    for command in template.commands(".") {
        text.push_str(&command);
        text.push('\n');
    }
    text.push_str(
        "```\n\nEdit a policy while the daemon runs: `proofd check policies` shows mistakes, `proofd plan policies --config \
         proofd.yaml` what an edit would do, `proofd policy list --config proofd.yaml` what runs.\n",
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
