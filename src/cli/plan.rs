//! `plan`: what activating another tree would do, asked of the daemon, which knows the past.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::{Value, json};

use super::client::Client;
use super::foreseen::{self, number, text};
use super::{Daemon, Ending, Failed, output, read};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    daemon: Daemon,
    /// The policy tree as it would be.
    dir: PathBuf,
    /// Writes everybody whose case would end otherwise into a CSV file.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// So many people of each policy are shown.
    #[arg(long, default_value_t = 20)]
    people: usize,
    /// Leaves out the text diff.
    #[arg(long)]
    brief: bool,
}

pub async fn run(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let body = json!({ "files": read::texts(&arguments.dir)? });
    let client = Client::find(&arguments.daemon)?;
    let mut shown = Shown::default();
    let mut answer = None;
    client
        .post_lines("/v1/plan", body, &mut |mut line: Value| {
            shown.progress(&line["progress"]);
            if !line["plan"].is_null() {
                answer = Some(Ok(line["plan"].take()));
            } else if let Some(problem) = line["problem"].as_str() {
                answer = Some(Err(Failed::no(anyhow!("{problem}"))));
            }
        })
        .await?;
    shown.end();
    let stopped = || Failed::unreachable(anyhow!("the daemon stopped before the plan was made"));
    let plan = answer.ok_or_else(stopped)??;
    if let Some(path) = &arguments.export {
        export(path, &plan)?;
    }
    if json {
        output::json(&plan);
    } else {
        show(&plan, arguments);
    }
    Ok(if plan["ok"] == Value::Bool(true) { Ending::Ok } else { Ending::No })
}

/// Why nothing of the tree would be taken.
fn because(plan: &Value, arguments: &Arguments) -> String {
    let mistakes = plan["diagnostics"].as_array().is_some_and(|found| !found.is_empty());
    match plan["ok"] == Value::Bool(true) {
        true => String::new(),
        false if mistakes => ", because of the mistakes".to_owned(),
        false => format!(
            ": there is no policy in {}; each has a folder with a policy.yaml",
            arguments.dir.display()
        ),
    }
}

/// How far it is, on one line of a terminal.
#[derive(Debug, Default)]
struct Shown(bool);

impl Shown {
    fn progress(&mut self, progress: &Value) {
        let said = match progress["phase"].as_str() {
            Some("waiting") => "waiting for its turn".to_owned(),
            Some("reading") => format!("reading the past: {} records", number(&progress["records"])),
            Some("walking") => {
                format!("walking it: {} of {} people", number(&progress["done"]), number(&progress["of"]))
            }
            _ => return,
        };
        self.0 = std::io::stderr().is_terminal();
        if !self.0 {
            return;
        }
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K{said}");
    }

    fn end(&self) {
        if self.0 {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn show(plan: &Value, arguments: &Arguments) {
    let diagnostics = text(plan, "text");
    if !diagnostics.is_empty() {
        output::line(&diagnostics);
    }
    let tests = plan["tests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sum = |key: &str| tests.iter().filter_map(|tests| tests[key].as_u64()).sum::<u64>();
    output::line(&format!("tests  {} passed, {} failed", sum("passed"), sum("failed")));
    for tests in tests {
        let count = |key: &str| tests[key].as_u64().unwrap_or(0);
        let now = count("passed") + count("failed");
        if now < count("before") {
            let policy = text(tests, "policy");
            output::line(&format!("       {policy} has {now} tests; what runs has {}", count("before")));
        }
    }
    if let Some(line) = foreseen::span(&plan["past"]) {
        output::line(&format!("past   {line}"));
    }
    let policies = plan["policies"].as_array().map(Vec::as_slice).unwrap_or_default();
    if policies.is_empty() {
        output::line(&format!("nothing that runs would be different{}", because(plan, arguments)));
    }
    for policy in policies {
        output::line("");
        show_policy(policy, arguments);
    }
}

fn show_policy(policy: &Value, arguments: &Arguments) {
    let short = |key: &str| policy[key].as_str().map(|revision| revision.chars().take(8).collect::<String>());
    let (from, to) = (short("from").unwrap_or_default(), short("to").unwrap_or_default());
    let state = match policy["state"].as_str() {
        Some("needs_release") => "WAITS FOR A RELEASE".to_owned(),
        Some("active") => "would run at once".to_owned(),
        Some("kept_last_good" | "refused") => "would not run: see its mistakes and failed tests".to_owned(),
        Some(state) => state.replace('_', " "),
        None => "would open no cases any more; its open cases go on".to_owned(),
    };
    output::line(&format!("{}  {}  {from} -> {to}  {state}", text(policy, "policy"), text(policy, "change")));
    for why in policy["why"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        output::line(&format!("  because it {}", output::visible(why)));
    }
    output::line("");
    for line in text(policy, "effects_text").lines().skip(1) {
        output::line(&format!("  {line}"));
    }
    foreseen::show(&policy["past"], arguments.people);
    for sweep in policy["sweeps"].as_array().into_iter().flatten() {
        let most = sweep["at_most"]
            .as_u64()
            .map_or("everybody who is due".to_owned(), |most| format!("at most {most}"));
        let last = sweep["last_picked"]
            .as_u64()
            .map_or(String::new(), |last| format!("; the last run picked {last}"));
        output::line(&format!(
            "  sweep {} next runs at {} for {most}{last}",
            text(sweep, "schedule"),
            text(sweep, "next")
        ));
    }
    open_cases(&policy["open_cases"]);
    if !arguments.brief {
        output::line("");
        output::line(text(policy, "files").trim_end());
    }
}

/// Cases that are open keep their revision; what would be if they were moved.
fn open_cases(open: &Value) {
    let count = open["open"].as_u64().unwrap_or(0);
    if count == 0 {
        return;
    }
    let more = if open["more"] == Value::Bool(true) { " or more" } else { "" };
    output::line(&format!("  {count}{more} cases are open and keep their revision"));
    for (step, number) in open["steps"].as_object().into_iter().flatten() {
        output::line(&format!("    {number} at {step}"));
    }
    if let Some(can) = open["can_move"].as_u64().filter(|can| *can > 0) {
        let overdue = open["overdue"].as_u64().unwrap_or(0);
        output::line(&format!(
            "    moved by `proofd case migrate`, {can} would go on, {overdue} of them with a time that is past"
        ));
    }
    for (why, number) in open["cannot_move"].as_object().into_iter().flatten() {
        output::line(&format!("    {number} cannot be moved: {why}"));
    }
}

fn export(path: &Path, plan: &Value) -> Result<(), Failed> {
    let rows = plan["policies"].as_array().into_iter().flatten().flat_map(|policy| {
        let heard = policy["past"]["heard_by"].as_array().into_iter().flatten();
        std::iter::once(&policy["past"]).chain(heard).flat_map(|past| {
            let items = past["items"].as_array().into_iter().flatten();
            items.map(|item| foreseen::row(&text(past, "policy"), item)).collect::<Vec<_>>()
        })
    });
    let head = foreseen::HEAD.map(str::to_owned).to_vec();
    let lines: Vec<String> = std::iter::once(head).chain(rows).map(|row| foreseen::csv(&row)).collect();
    private(path, &lines.concat())
        .with_context(|| format!("while writing {}", path.display()))
        .map_err(Failed::usage)
}

/// Names of people are for who asked. A file that is there already is theirs, but not to be read by others any more.
fn private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    #[cfg(unix)]
    if file.metadata()?.is_file() {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    file.write_all(text.as_bytes())
}
