//! `plan`: previews the activation of another tree. The daemon computes it, because it has the recorded events.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::client::Client;
use super::foreseen::{self, number};
use super::style::{Tone, paint};
use super::{Daemon, Ending, Failed, output, read, verdict, when};
use crate::api::plan::{OpenCases, Plan, PlanLine, PolicyPlan, Progress, Tree};
use crate::api::policies::PolicyState;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    daemon: Daemon,
    /// The policy tree to preview
    dir: PathBuf,
    /// Write everyone with a changed result to a CSV file
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// How many people to list for each policy
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    people: usize,
    /// Omit the text diff
    #[arg(long)]
    brief: bool,
}

pub async fn run(arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let tree = Tree { files: read::texts(&arguments.dir)? };
    let client = Client::find(&arguments.daemon)?;
    let mut shown = Shown::default();
    let mut answer = None;
    client
        .post_lines("/v1/plan", &tree, &mut |line| match line {
            PlanLine::Progress(progress) => shown.progress(progress),
            PlanLine::Plan(plan) => answer = Some(Ok(plan)),
            PlanLine::Problem(why) => answer = Some(Err(Failed::no(anyhow!(why)))),
        })
        .await?;
    shown.end();
    let stopped = || Failed::unreachable(anyhow!("the daemon stopped before the plan was complete"));
    let plan = answer.ok_or_else(stopped)??;
    if let Some(path) = &arguments.export {
        export(path, &plan)?;
    }
    if json {
        output::json(&plan);
    } else {
        show(&plan, arguments);
    }
    Ok(if plan.ok { Ending::Ok } else { Ending::No })
}

/// The reason why the tree would not be activated.
fn because(plan: &Plan, arguments: &Arguments) -> String {
    match plan.ok {
        true => String::new(),
        false if !plan.diagnostics.is_empty() => ", because of the errors".to_owned(),
        false => format!(
            ": no policy found in {}; a policy is a directory with a policy.yaml",
            arguments.dir.display()
        ),
    }
}

/// Progress on one line of a terminal.
#[derive(Debug, Default)]
struct Shown(bool);

impl Shown {
    fn progress(&mut self, progress: Progress) {
        let line = match progress {
            Progress::Waiting => "waiting for another plan".to_owned(),
            Progress::Reading { records } => format!("reading the journal: {} records", number(records)),
            Progress::Walking { done, of } => {
                format!("back-test: {} of {} people", number(done), number(of))
            }
        };
        self.0 = std::io::stderr().is_terminal();
        if !self.0 {
            return;
        }
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K{line}");
    }

    fn end(&self) {
        if self.0 {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn show(plan: &Plan, arguments: &Arguments) {
    if !plan.text.is_empty() {
        output::line(&plan.text);
    }
    let (passed, failed) = (plan.tests.iter().map(|of| of.passed), plan.tests.iter().map(|of| of.failed));
    output::line(&format!("tests  {} passed, {} failed", passed.sum::<usize>(), failed.sum::<usize>()));
    for tests in &plan.tests {
        let now = tests.passed + tests.failed;
        if now < tests.before {
            output::line(&format!(
                "       {} has {now} tests; the active revision has {}",
                tests.policy, tests.before
            ));
        }
    }
    if let Some(past) = &plan.past {
        output::line(&format!("record {}", foreseen::span(past)));
    }
    if plan.policies.is_empty() {
        output::line(&format!("no active policy would change{}", because(plan, arguments)));
    }
    for policy in &plan.policies {
        output::line("");
        show_policy(policy, arguments);
    }
    output::line("");
    output::line(&paint(if plan.ok { Tone::Strong } else { Tone::Bad }, &verdict(plan, arguments)));
}

/// What the activation of the tree would amount to, with the exit code.
fn verdict(plan: &Plan, arguments: &Arguments) -> String {
    let is = |state: PolicyState| plan.policies.iter().filter(|policy| policy.state == Some(state)).count();
    let (parked, active) = (is(PolicyState::NeedsRelease), is(PolicyState::Active));
    let code = if plan.ok { 0 } else { 1 };
    if plan.policies.is_empty() {
        let why = because(plan, arguments);
        return format!("verdict: nothing would change{why} (exit code {code})");
    }
    let counts = plan.policies.iter().map(|policy| verdict::count(&policy.effects_text));
    let (changes, graver) = counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let differ = verdict::sentence(plan.policies.len(), changes, graver);
    let failed = plan.policies.len() - parked - active;
    let mut then = vec![format!("{active} would be active at once")];
    if parked > 0 {
        then.push(format!("{parked} would wait for a release"));
    }
    if failed > 0 {
        then.push(format!("{failed} would be neither"));
    }
    format!("verdict: {differ}; {} (exit code {code})", then.join(", "))
}

fn show_policy(policy: &PolicyPlan, arguments: &Arguments) {
    let short = |revision: &Option<String>| {
        revision.iter().flat_map(|revision| revision.chars()).take(8).collect::<String>()
    };
    let (from, to) = (short(&policy.from), short(&policy.to));
    let state = match policy.state {
        Some(PolicyState::NeedsRelease) => "WOULD BE PARKED".to_owned(),
        Some(PolicyState::Active) => "would become active at once".to_owned(),
        Some(PolicyState::KeptLastGood | PolicyState::Refused) => {
            "would not become active: fix its errors and failed tests".to_owned()
        }
        Some(state @ (PolicyState::KeptBack | PolicyState::Reverted | PolicyState::Gone)) => {
            state.word().replace('_', " ")
        }
        None => "would open no new cases; open cases continue".to_owned(),
    };
    output::line(&format!("{}  {}  {from} -> {to}  {state}", policy.policy, policy.change.word()));
    for why in &policy.why {
        output::line(&format!("  because it {}", output::visible(why)));
    }
    output::line("");
    verdict::show(&policy.effects_text, "  ");
    if let Some(past) = &policy.past {
        foreseen::show(past, arguments.people);
    }
    for sweep in &policy.sweeps {
        let most = sweep.at_most.map_or("everyone due".to_owned(), |most| format!("at most {most} people"));
        let last =
            sweep.last_picked.map(|last| format!("; the last run selected {last}")).unwrap_or_default();
        let next = sweep.next.map(when::moment).unwrap_or_default();
        output::line(&format!("  sweep {} next runs at {next} for {most}{last}", sweep.schedule));
    }
    open_cases(&policy.open_cases);
    if !arguments.brief {
        output::line("");
        output::line(policy.files.trim_end());
    }
}

/// Prints the open cases, which keep their revision, and what a migration would do.
fn open_cases(open: &OpenCases) {
    if open.open == 0 {
        return;
    }
    let more = if open.more { " or more" } else { "" };
    output::line(&format!("  {}{more} cases are open and keep their revision", open.open));
    for (step, number) in &open.steps {
        output::line(&format!("    {number} at {step}"));
    }
    if open.can_move > 0 {
        output::line(&format!(
            "    `proofd case migrate` could move {}; {} of them would be overdue",
            open.can_move, open.overdue
        ));
    }
    for (why, number) in &open.cannot_move {
        output::line(&format!("    {number} cannot move: {why}"));
    }
}

fn export(path: &Path, plan: &Plan) -> Result<(), Failed> {
    let pasts = plan.policies.iter().filter_map(|policy| policy.past.as_ref());
    let pasts = pasts.flat_map(|past| std::iter::once(past).chain(&past.heard_by));
    let rows = pasts.flat_map(|past| past.items.iter().map(|item| foreseen::row(&past.policy, item)));
    let head = foreseen::HEAD.map(str::to_owned).to_vec();
    let lines: Vec<String> = std::iter::once(head).chain(rows).map(|row| foreseen::csv(&row)).collect();
    private(path, &lines.concat())
        .with_context(|| format!("while writing {}", path.display()))
        .map_err(Failed::usage)
}

/// Writes a file that only its owner can read, because it contains names. An existing file keeps its owner.
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
