//! `doctor`: checks each part alone, reports what is wrong and how to fix it. Sends nothing to a person.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::compose::{self, Configured};
use super::style::{Tone, paint};
use super::{Ending, Failed, client, hurts, output};
use crate::config::{self, Config};
use crate::connectors::{Connector, Connectors, Finding};
use crate::engine::clock::System;
use crate::model::{Clock, Timestamp};
use crate::policy::diagnostic::Severity;
use crate::policy::{self, Loader};
use crate::rollout::tree;
use crate::store;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Configuration file
    #[arg(long, env = "PROOFD_CONFIG", value_name = "FILE", default_value = client::DEFAULT_CONFIG)]
    config: PathBuf,
    /// Send one test mail to this address
    #[arg(long, value_name = "ADDRESS")]
    mail_to: Option<String>,
}

/// The findings about one part.
struct Group {
    part: String,
    /// Whether it is an external system, which may be unreachable.
    outside: bool,
    findings: Vec<Finding>,
}

impl Group {
    fn inside(part: &str, findings: Vec<Finding>) -> Self {
        Self { part: part.to_owned(), outside: false, findings }
    }

    fn outside(part: &str, findings: Vec<Finding>) -> Self {
        Self { part: part.to_owned(), outside: true, findings }
    }
}

pub async fn run(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let configured = compose::read(&arguments.config).map_err(Failed::usage)?;
    let config = &configured.config;
    let clock: Arc<dyn Clock> = Arc::new(System);
    let mut groups = vec![Group::inside("configuration", configuration(&configured.warnings, config))];
    match configured.connectors(&clock) {
        Err(error) => {
            groups.push(Group::inside("connectors", vec![bad("settings", format!("{error:#}"))]));
        }
        Ok(connectors) => groups.extend(outside(&connectors, arguments.mail_to.as_deref()).await),
    }
    groups.push(Group::inside("access", access(config, clock.now())));
    let mut kept = vec![writable(config)];
    kept.extend(config.store_dir().and_then(|dir| losses(&dir)));
    if config.store_dir().is_some_and(|dir| store::in_use(&dir)) {
        kept.push(warning(
            "a running daemon has the store: it was read from outside; `store verify` needs it closed",
        ));
    }
    groups.push(Group::inside("store", kept));
    groups.push(Group::inside("policies", policies(&configured)));
    let all_ok = groups.iter().flat_map(|group| &group.findings).all(|finding| finding.ok);
    if json {
        let line = |part: &str, finding: &Finding| {
            json!({
                "part": part, "ok": finding.ok, "level": level(finding), "what": finding.what,
                "detail": finding.detail,
            })
        };
        let lines: Vec<_> = groups
            .iter()
            .flat_map(|group| group.findings.iter().map(move |finding| line(&group.part, finding)))
            .collect();
        output::json(&json!({ "ok": all_ok, "verdict": verdict(&groups), "findings": lines }));
    } else {
        for group in &groups {
            output::line(&group.part);
            for finding in &group.findings {
                show(finding);
            }
        }
        let tone = if all_ok { Tone::Good } else { Tone::Bad };
        output::line(&format!("\n{}", paint(tone, &verdict(&groups))));
    }
    let unreachable =
        groups.iter().any(|group| group.outside && group.findings.iter().any(|finding| !finding.ok));
    Ok(match (all_ok, unreachable) {
        (true, _) => Ending::Ok,
        (false, true) => Ending::Unreachable,
        (false, false) => Ending::No,
    })
}

/// Checks every connector alone. Only policies need target systems, endpoints and sinks, so a missing one is no
/// finding.
async fn outside(connectors: &Connectors, mail_to: Option<&str>) -> Vec<Group> {
    let mut groups = Vec::new();
    for (name, provider) in &connectors.identity {
        groups.push(Group::outside(name, provider.examine().await));
    }
    if connectors.identity.is_empty() {
        groups
            .push(Group::outside("identity", vec![missing("identity provider", "no events, no approvals")]));
    }
    for (name, provider) in &connectors.verification {
        groups.push(Group::outside(name, provider.examine().await));
    }
    if connectors.verification.is_empty() {
        let missing = missing("verification provider", "nobody can be verified");
        groups.push(Group::outside("verification", vec![missing]));
    }
    let mut mail = match &connectors.mail {
        Some(smtp) => smtp.examine().await,
        None => vec![missing("mail server (smtp)", "no mail is sent")],
    };
    if let (Some(smtp), Some(to)) = (&connectors.mail, mail_to) {
        mail.push(match smtp.send_test(to).await {
            Ok(()) => good("test mail", "accepted by the mail server".to_owned()),
            Err(failure) => bad("test mail", failure.reason),
        });
    }
    groups.push(Group::outside("mail", mail));
    let systems = connectors.systems.iter().filter(|(name, _)| !connectors.endpoints.contains_key(*name));
    for (part, built) in [
        ("scim", systems.map(|(_, system)| &**system as &dyn Connector).collect::<Vec<_>>()),
        ("http", connectors.endpoints.values().map(|endpoint| &**endpoint as _).collect()),
        ("events", connectors.sinks.values().map(|sink| &**sink as _).collect()),
    ] {
        if !built.is_empty() {
            let findings = futures::future::join_all(built.into_iter().map(Connector::examine)).await;
            groups.push(Group::outside(part, findings.into_iter().flatten().collect()));
        }
    }
    groups
}

fn show(finding: &Finding) {
    let (tone, mark) = match level(finding) {
        "ok" => (Tone::Good, "ok "),
        "warning" => (Tone::Warning, "!  "),
        _ => (Tone::Bad, "BAD"),
    };
    let what = if finding.what == WARNING { String::new() } else { format!("{}: ", finding.what) };
    output::line(&format!("  {} {what}{}", paint(tone, mark), output::visible(&finding.detail)));
}

/// What a finding is to the reader: `ok`, `warning` or `bad`.
fn level(finding: &Finding) -> &'static str {
    match finding.ok {
        false => "bad",
        true if finding.what == WARNING => "warning",
        true => "ok",
    }
}

/// All findings in a sentence.
fn verdict(groups: &[Group]) -> String {
    let of = |wanted: &str| {
        groups.iter().flat_map(|group| &group.findings).filter(|one| level(one) == wanted).count()
    };
    let warnings = match of("warning") {
        0 => String::new(),
        1 => ", with 1 warning".to_owned(),
        more => format!(", with {more} warnings"),
    };
    let parts = groups.iter().filter(|group| group.findings.iter().any(|finding| !finding.ok));
    let parts: Vec<&str> = parts.map(|group| group.part.as_str()).collect();
    if parts.is_empty() {
        format!("verdict: ready{warnings}")
    } else {
        format!("verdict: not ready: {}{warnings}", parts.join(", "))
    }
}

/// The name of findings that warn.
const WARNING: &str = "warning";

fn warning(detail: &str) -> Finding {
    good(WARNING, detail.to_owned())
}

fn good(what: &str, detail: String) -> Finding {
    Finding { ok: true, what: what.to_owned(), detail }
}

fn bad(what: &str, detail: String) -> Finding {
    Finding { ok: false, what: what.to_owned(), detail }
}

fn missing(what: &str, consequence: &str) -> Finding {
    bad("settings", format!("no {what} is configured under `connectors`; {consequence}"))
}

fn configuration(warnings: &[config::Mistake], config: &Config) -> Vec<Finding> {
    let mut findings = vec![good("file", "read".to_owned())];
    let own = hurts::warnings(config);
    let texts = warnings
        .iter()
        .map(|warning| warning.message.trim_start_matches("warning: "))
        .chain(own.iter().map(String::as_str));
    findings.extend(texts.map(warning));
    findings
}

/// Tokens that the start refuses, and those that expire soon.
fn access(config: &Config, now: Timestamp) -> Vec<Finding> {
    let tokens = match config.access.reveal(&config.base) {
        Ok(tokens) => good("tokens", format!("{} valid", tokens.len())),
        Err(why) => bad("tokens", why),
    };
    let ending = config.access.ending(now).into_iter().map(|ending| {
        let text = ending.to_string();
        if ending.over { bad("token", text) } else { warning(&text) }
    });
    std::iter::once(tokens).chain(ending).collect()
}

fn writable(config: &Config) -> Finding {
    let Some(dir) = config.store_dir() else { return bad("store", "expected sled:DIRECTORY".to_owned()) };
    let probe = dir.join(".doctor");
    let made = std::fs::create_dir_all(&dir)
        .and_then(|()| std::fs::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe));
    match made {
        Ok(()) => good("directory", format!("{} is writable", dir.display())),
        Err(error) => bad(
            "directory",
            format!(
                "writing to {} failed: {}; give the daemon's user write access",
                dir.display(),
                error.kind()
            ),
        ),
    }
}

/// Reports the accepted losses and the head of the store; the daemon may run.
fn losses(dir: &Path) -> Option<Finding> {
    if !dir.join("secret").exists() {
        return None;
    }
    Some(match store::head(dir) {
        Ok(head) if head.accepted_losses > 0 => {
            good("accepted losses", format!("{}; `proofd store verify` lists them", head.accepted_losses))
        }
        Ok(head) => good("head", format!("{}:{}", head.sequence, head.hash)),
        Err(error) => bad("head", error.to_string()),
    })
}

fn policies(configured: &Configured) -> Vec<Finding> {
    let dir = configured.config.policies_dir();
    let (files, look) = match tree::read(&dir) {
        Ok(Some(read)) => read,
        Ok(None) => {
            return vec![bad("tree", format!("{} changed while it was read; try again", dir.display()))];
        }
        Err(why) => return vec![bad("tree", why)],
    };
    let loaded = policy::load_tree(&files, &look.unread, &Loader::new(configured.known()));
    let errors: Vec<_> =
        loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    let mut findings: Vec<_> =
        errors.iter().map(|found| bad("policy", format!("{}: {}", found.place, found.message))).collect();
    let good_ones = loaded.set.policies.len();
    let tally = format!("{good_ones} of {} policies are valid", loaded.declared.len());
    findings.push(if errors.is_empty() && good_ones > 0 { good("tree", tally) } else { bad("tree", tally) });
    findings
}
