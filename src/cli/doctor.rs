//! `doctor`: tries each part alone and says what is wrong and what to do. Sends nothing to a person.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{Ending, Failed, client, compose, output};
use crate::config::{self, Config};
use crate::connectors::{Connector as _, Finding};
use crate::engine::clock::System;
use crate::engine::tree;
use crate::model::{Clock, Timestamp};
use crate::policy;
use crate::policy::diagnostic::Severity;
use crate::store;

#[derive(Debug, Args)]
pub struct Arguments {
    #[arg(long, default_value = client::DEFAULT_CONFIG)]
    config: PathBuf,
    /// Sends one test mail to this address.
    #[arg(long)]
    mail_to: Option<String>,
}

pub async fn run(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let (config, warnings) = config::read(&arguments.config).map_err(Failed::usage)?;
    let clock: Arc<dyn Clock> = Arc::new(System);
    let mut groups = vec![("configuration", configuration(&warnings))];
    match compose::connectors(&config, &clock) {
        Err(error) => groups.push(("connectors", vec![bad("settings", format!("{error:#}"))])),
        Ok(built) => {
            groups.push((
                "onelogin",
                match &built.onelogin {
                    Some(onelogin) => onelogin.examine().await,
                    None => vec![missing("onelogin", "no events, no approvals")],
                },
            ));
            groups.push((
                "jumio",
                match &built.jumio {
                    Some(jumio) => jumio.examine().await,
                    None => vec![missing("jumio", "nobody can be verified")],
                },
            ));
            let mut mail = match &built.smtp {
                Some(smtp) => smtp.examine().await,
                None => vec![missing("smtp", "no mail goes out")],
            };
            if let (Some(smtp), Some(to)) = (&built.smtp, &arguments.mail_to) {
                mail.push(match smtp.send_test(to).await {
                    Ok(()) => good("test mail", "was taken by the mail server".to_owned()),
                    Err(failure) => bad("test mail", failure.reason),
                });
            }
            groups.push(("mail", mail));
            groups.extend(targets(&built).await);
        }
    }
    groups.push(("access", access(&config, clock.now())));
    let mut kept = vec![writable(&config)];
    kept.extend(config.store_dir().and_then(|dir| losses(&dir)));
    groups.push(("store", kept));
    groups.push(("policies", policies(&config)));
    let all_ok = groups.iter().flat_map(|(_, findings)| findings).all(|finding| finding.ok);
    if json {
        let lines: Vec<_> = groups
            .iter()
            .flat_map(|(part, findings)| {
                findings.iter().map(move |finding| {
                json!({ "part": part, "ok": finding.ok, "what": finding.what, "detail": finding.detail })
            })
            })
            .collect();
        output::json(&json!({ "ok": all_ok, "findings": lines }));
    } else {
        for (part, findings) in &groups {
            output::line(part);
            for finding in findings {
                let mark = if finding.ok { "ok " } else { "BAD" };
                output::line(&format!("  {mark} {}: {}", finding.what, output::visible(&finding.detail)));
            }
        }
    }
    let unreachable = groups.iter().any(|(part, findings)| {
        ["onelogin", "jumio", "mail", "scim", "http", "events"].contains(part)
            && findings.iter().any(|finding| !finding.ok)
    });
    Ok(match (all_ok, unreachable) {
        (true, _) => Ending::Ok,
        (false, true) => Ending::Unreachable,
        (false, false) => Ending::No,
    })
}

/// Target systems, endpoints and sinks. What is not configured is not missed: only policies that use it need it.
async fn targets(built: &compose::Built) -> Vec<(&'static str, Vec<Finding>)> {
    let mut groups = Vec::new();
    for (part, built) in [("scim", &built.scim), ("http", &built.endpoints), ("events", &built.sinks)] {
        if !built.is_empty() {
            let findings = futures::future::join_all(built.values().map(|one| one.examine())).await;
            groups.push((part, findings.into_iter().flatten().collect()));
        }
    }
    groups
}

fn good(what: &str, detail: String) -> Finding {
    Finding { ok: true, what: what.to_owned(), detail }
}

fn bad(what: &str, detail: String) -> Finding {
    Finding { ok: false, what: what.to_owned(), detail }
}

fn missing(name: &str, consequence: &str) -> Finding {
    bad("settings", format!("connectors.{name} is not configured: {consequence}"))
}

fn configuration(warnings: &[config::Mistake]) -> Vec<Finding> {
    let mut findings = vec![good("file", "read".to_owned())];
    findings.extend(warnings.iter().map(|warning| good("warning", warning.message.clone())));
    findings
}

/// Tokens that the start refuses, and those whose end is near.
fn access(config: &Config, now: Timestamp) -> Vec<Finding> {
    let tokens = match config.access.reveal(&config.base) {
        Ok(tokens) => good("tokens", format!("{} can be used", tokens.len())),
        Err(why) => bad("tokens", why),
    };
    let ending = config.access.ending(now).into_iter().map(|ending| {
        let says = ending.to_string();
        if ending.over { bad("token", says) } else { good("warning", says) }
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
        Ok(()) => good("directory", format!("{} can be written", dir.display())),
        Err(error) => bad("directory", format!("{} cannot be written: {}", dir.display(), error.kind())),
    }
}

/// What the store's mark says of accepted losses; the daemon may run.
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

fn policies(config: &Config) -> Vec<Finding> {
    let dir = config.policies_dir();
    let (files, look) = match tree::read(&dir) {
        Ok(Some(read)) => read,
        Ok(None) => return vec![bad("tree", format!("{} keeps changing", dir.display()))],
        Err(why) => return vec![bad("tree", why)],
    };
    let loaded = policy::load_tree(&files, &look.unread, &compose::known(config));
    let errors: Vec<_> =
        loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    let mut findings: Vec<_> =
        errors.iter().map(|found| bad("policy", format!("{}: {}", found.place, found.message))).collect();
    let good_ones = loaded.set.policies.len();
    let tally = format!("{good_ones} of {} policies are good", loaded.declared.len());
    findings.push(if errors.is_empty() && good_ones > 0 { good("tree", tally) } else { bad("tree", tally) });
    findings
}
