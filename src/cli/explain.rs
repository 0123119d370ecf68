//! `explain`: why each policy did or did not open a case for a person. Also dry runs: recorded events with an
//! edited tree, or an event that never happened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use reqwest::StatusCode;
use serde_json::json;

use super::client::Client;
use super::{Daemon, Ending, Failed, find, output, read, when};
use crate::api::bounds::{EventLimit, Moment, Whom};
use crate::api::explain::{
    ClauseLine, Compared, DryRun, DryRunAnswer, DryRunLine, ExplainQuery, Explained, Explanation, MadeUp,
};
use crate::api::policies::Mode;
use crate::model::{EventType, Fields, SubjectKind, Timestamp};
use crate::policy::{given, schema};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    pub daemon: Daemon,
    /// The person: a record such as user/17, an id, or a name or mail address of a person with a case
    #[arg(long)]
    subject: Whom,
    /// Explain the last decision before this time, such as 2026-01-05T09:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Only this policy
    #[arg(long)]
    policy: Option<String>,
    /// Only the event with this key
    #[arg(long, value_name = "KEY")]
    event: Option<String>,
    /// Dry run of an event that did not happen: an event type such as login.risk, `manual` or `sweep`
    ///
    /// `manual` is a start by hand; `sweep` runs every sweep for this person now. The person is read from the
    /// identity provider. Nothing is recorded.
    #[arg(long = "try", value_name = "TYPE", conflicts_with_all = ["at", "event", "last"])]
    made_up: Option<String>,
    /// Dry run with another value of the event (score=70) or the person (user.department=Sales); repeatable
    ///
    /// Without --try it applies to a recorded event.
    #[arg(long, value_name = "FIELD=VALUE")]
    with: Vec<String>,
    /// Dry run with the policies of this tree instead of the active ones
    ///
    /// It applies to the newest recorded event that the policies react to, to --event, or to --try.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// How many of the newest recorded events a dry run with --policies or --with covers [default: 1]
    #[arg(long, value_name = "COUNT")]
    last: Option<EventLimit>,
}

pub async fn run(mut arguments: Arguments, json: bool) -> Result<Ending, Failed> {
    let client = Client::find(&arguments.daemon)?;
    let found = find::subject(&client, arguments.subject.as_str()).await?;
    arguments.subject = Whom::new(found).map_err(|why| Failed::usage(anyhow!("--subject: {why}")))?;
    let arguments = &arguments;
    if arguments.made_up.is_some() || arguments.policies.is_some() || !arguments.with.is_empty() {
        return attempt(&client, arguments, json).await;
    }
    if arguments.last.is_some() {
        return Err(Failed::usage(anyhow!("--last works with --policies or --with only; add one of them")));
    }
    let query = ExplainQuery {
        subject: arguments.subject.clone(),
        at: arguments.at.map(Moment),
        policy: arguments.policy.clone(),
        event: arguments.event.clone(),
    };
    let explained = client.get_by::<Explanation>("/v1/explain", &query).await?;
    explained.show(json, |explained| show(explained.items.iter().map(|one| (one, None))))?;
    Ok(Ending::Ok)
}

/// Makes a dry run. The exit code is 1 if a policy of the tree does not load.
async fn attempt(client: &Client, arguments: &Arguments, json: bool) -> Result<Ending, Failed> {
    let (event, person) = fields(arguments)?;
    let question = DryRun {
        subject: arguments.subject.clone(),
        policy: arguments.policy.clone(),
        event: MadeUp {
            kind: arguments.made_up.as_deref().map(EventType::new),
            key: arguments.event.clone(),
            fields: event,
        },
        person,
        files: arguments.policies.as_deref().map(files).transpose()?,
        at: arguments.at.map(Moment),
        last: arguments.last,
    };
    let answer = client.try_post::<DryRunAnswer>("/v1/explain", &question).await?;
    let answer = answer.map_err(|refused| match refused.status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            Failed::usage(Failed::from(refused).error)
        }
        StatusCode::SERVICE_UNAVAILABLE => Failed::unreachable(Failed::from(refused).error),
        _ => refused.into(),
    })?;
    answer.show(json, |answer| {
        if !answer.text.is_empty() {
            output::line(&answer.text);
        }
        show(answer.items.iter().map(|one| (&one.explained, Some(one))));
    })?;
    Ok(if answer.read()?.errors.is_empty() { Ending::Ok } else { Ending::No })
}

/// The policy files of a tree.
fn files(dir: &Path) -> Result<BTreeMap<String, String>, Failed> {
    let mut texts = read::texts(dir)?;
    // Tests are not run, and README.md may contain private notes.
    texts.retain(|path, _| !path.ends_with("/tests.yaml") && !path.ends_with("README.md"));
    Ok(texts)
}

/// Parses `--with` into fields of the event and fields of the person.
fn fields(arguments: &Arguments) -> Result<(Fields, Fields), Failed> {
    let of_event = match &arguments.made_up {
        Some(kind) => schema::fields_of_event(&EventType::new(kind.as_str())),
        None => schema::fields_of_any_event(),
    };
    // `user/7` or `SOURCE/user/7`.
    let words = || arguments.subject.as_str().split('/');
    let is_kind = |word: &&str| SubjectKind::of_word(word).is_some();
    let subject = words().take(2).find(is_kind).or_else(|| words().next()).unwrap_or_default();
    let (mut event, mut person) = (Fields::new(), Fields::new());
    for given in &arguments.with {
        let (path, value) = given.split_once('=').ok_or_else(|| {
            Failed::usage(anyhow!("--with {given}: write it as FIELD=VALUE, such as score=70"))
        })?;
        let (root, rest) = path.split_once('.').unwrap_or(("event", path));
        let kind = SubjectKind::of_word(root);
        let (known, into, path) = match kind {
            Some(kind) if kind.word() != subject => {
                return Err(Failed::usage(anyhow!(
                    "--with {path}: --subject {subject} is not {}",
                    kind.one()
                )));
            }
            Some(kind) => (schema::fields_of_subject(kind), &mut person, rest),
            None if root == "event" => (&of_event[..], &mut event, rest),
            None => (&of_event[..], &mut event, path),
        };
        let field = known.iter().find(|field| field.name == path);
        let mut value = given::typed(field, value);
        let mut names: Vec<_> = path.split('.').collect();
        let first = names.remove(0);
        for name in names.into_iter().rev() {
            value = json!({ name: value });
        }
        given::put_over(into, &Fields::from_iter([(first.to_owned(), value)]));
    }
    Ok((event, person))
}

/// Prints the result of each policy, with the additional columns of a dry run.
fn show<'a>(policies: impl Iterator<Item = (&'a Explained, Option<&'a DryRunLine>)> + Clone) {
    let row = |one: &Explained| {
        let asked = one.asked_at.map(when::moment);
        let by = one.event.as_ref().map(|event| event.kind.clone());
        vec![
            one.policy.clone(),
            one.verdict.word().to_owned(),
            asked.unwrap_or_default(),
            by.unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = policies.clone().map(|(one, _)| row(one)).collect();
    output::table(&["POLICY", "VERDICT", "TIME", "EVENT"], &rows);
    for (policy, dry_run) in policies {
        output::line("");
        print_policy(policy, dry_run);
    }
}

/// Prints the compared forms of each verification's fields.
fn compared(steps: &BTreeMap<String, Vec<Compared>>) {
    for (step, field) in steps.iter().flat_map(|(step, fields)| fields.iter().map(move |field| (step, field)))
    {
        let form = |side: &Option<String>| side.clone().unwrap_or_else(|| "(nothing to compare)".to_owned());
        let (registered, document) = (form(&field.registered), form(&field.document));
        print_line(1, &format!("{step}: {}: registered {registered}, document {document}", field.field));
    }
}

fn print_policy(policy: &Explained, dry_run: Option<&DryRunLine>) {
    print_line(0, &format!("{}: {}", policy.policy, policy.says));
    match dry_run {
        None if policy.mode == Some(Mode::Shadow) => print_line(1, "shadow mode: it opens no cases"),
        None => {}
        Some(dry_run) => {
            for note in &dry_run.notes {
                print_line(1, note);
            }
            if let Some(then) = &dry_run.then {
                let at = when::moment(then.at);
                print_line(1, &format!("then, at {at}: {}", then.says));
            }
        }
    }
    if policy.revised_since {
        print_line(1, "another revision of it is active now");
    }
    for clause in &policy.clauses {
        print_clause(clause);
    }
    for (number, change) in policy.changes.iter().enumerate() {
        let says: Vec<_> = change.iter().map(|edit| edit.says.as_str()).collect();
        let word = if number == 0 { "smallest change" } else { "or" };
        print_line(1, &format!("{word}: {}", says.join(", and ")));
    }
    if let Some(case) = &policy.case {
        compared(&case.compared);
        let result = case.result.as_ref().map(|result| format!(", {result}")).unwrap_or_default();
        print_line(1, &format!("case {}: {}{result}", case.id, case.state.word()));
    }
}

fn print_clause(clause: &ClauseLine) {
    let ClauseLine { clause, file, line, column, answer, error, values } = clause;
    print_line(1, &format!("{file}:{line}:{column}: {clause}  [{}]", answer.word()));
    if let Some(error) = error {
        print_line(2, error);
    }
    for seen in values {
        print_line(2, &format!("{} = {}", seen.path, seen.value));
    }
}

fn print_line(depth: usize, line: &str) {
    output::line(&format!("{}{}", "  ".repeat(depth), output::visible(line)));
}
