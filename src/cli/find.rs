//! Finds the case or the person that somebody means: by an id or its beginning, a name, a mail address, a user name, or a
//! record such as registration/17.

use std::collections::BTreeMap;

use anyhow::anyhow;
use reqwest::StatusCode;

use super::client::{Client, Refused};
use super::{Failed, output, sentences};
use crate::api::Page;
use crate::api::bounds::CaseLimit;
use crate::api::cases::{CaseLine, CaseQuery};
use crate::model::{CaseId, CaseState, SubjectRef, search};

/// Characters of a case's id: `c` and 20 hexadecimal digits.
const WHOLE: usize = 21;
/// Characters of a short id, if they are enough to tell cases apart.
const SHORT: usize = 8;
/// Candidates that an error lists.
const LISTED: usize = 10;

/// Returns the beginning of an id that people type.
pub fn short(id: &CaseId) -> &str {
    id.as_str().get(..SHORT).unwrap_or(id.as_str())
}

/// Returns the beginnings of ids that are long enough to differ from each other.
pub fn short_ids(ids: &[&CaseId]) -> Vec<String> {
    let longest = ids.iter().map(|id| id.as_str().len()).max().unwrap_or(SHORT);
    let cut = |id: &CaseId, length: usize| id.as_str().chars().take(length).collect::<String>();
    let length = (SHORT..longest).find(|length| {
        let mut cuts: Vec<_> = ids.iter().map(|id| cut(id, *length)).collect();
        cuts.sort_unstable();
        cuts.windows(2).all(|pair| pair.first() != pair.last())
    });
    ids.iter().map(|id| cut(id, length.unwrap_or(longest))).collect()
}

/// Returns the id of the one case that fits. Among several, one that is open is meant if it is the only one.
pub async fn case(client: &Client, given: &str) -> Result<String, Failed> {
    let given = given.trim();
    if is_whole(given) {
        return Ok(given.to_owned());
    }
    let found = fitting(client, given).await??;
    let by_id: Vec<_> = found.iter().filter(|line| line.id.as_str().starts_with(given)).collect();
    if let [one] = by_id.as_slice() {
        return Ok(one.id.0.clone());
    }
    match found.as_slice() {
        [] => Err(Failed::no(anyhow!(
            "no such case: no case id, name, mail address, user name or record begins with `{}`",
            output::name(given)
        ))),
        [one] => Ok(one.id.0.clone()),
        several => {
            let open: Vec<_> = several.iter().filter(|line| line.state != CaseState::Closed).collect();
            match open.as_slice() {
                [one] if same_person(several) => {
                    let others = several.len() - 1;
                    output::note(&format!("the open case of {} cases of this person", others + 1));
                    Ok(one.id.0.clone())
                }
                _ => Err(choice(given, several)),
            }
        }
    }
}

/// Returns the reference of the one person who fits; a text that no case knows is returned as it is.
pub async fn subject(client: &Client, given: &str) -> Result<String, Failed> {
    let given = given.trim();
    if given.contains('/') {
        return Ok(given.to_owned());
    }
    let found = match fitting(client, given).await? {
        Ok(found) => found,
        // A token that may not list cases names its person exactly.
        Err(refused) if refused.status == StatusCode::FORBIDDEN => Vec::new(),
        Err(refused) => return Err(refused.into()),
    };
    let mut people: BTreeMap<String, &CaseLine> = BTreeMap::new();
    for line in &found {
        people.entry(reference(line).to_string()).or_insert(line);
    }
    let folded = search::folded(given);
    let exact = |(_, line): &(&String, &&CaseLine)| {
        line.subject.id == given || search::folded(&line.subject.name.0) == folded
    };
    let exact: Vec<_> = people.iter().filter(exact).collect();
    let one = match exact.as_slice() {
        [(reference, _)] => Some((*reference).clone()),
        _ if people.len() == 1 => people.keys().next().cloned(),
        _ => None,
    };
    if let Some(reference) = one {
        return Ok(reference);
    }
    if people.is_empty() {
        // An id of the identity provider of a person without a case.
        if given.contains(['@', ' ']) {
            return Err(Failed::no(anyhow!(
                "no case has a person `{}`; give the person's record, such as user/17 or registration/17",
                output::name(given)
            )));
        }
        return Ok(given.to_owned());
    }
    let lines = people.iter().take(LISTED).map(|(reference, line)| {
        format!("\n  {reference:<24}  {}", output::short_name(&line.subject.name.0))
    });
    let lines: String = lines.collect();
    Err(Failed::no(anyhow!("several people fit `{}`; give the record of one:{lines}", output::name(given))))
}

/// The reference of a line's person.
pub fn reference(line: &CaseLine) -> SubjectRef {
    let subject = &line.subject;
    SubjectRef { source: subject.source.clone(), kind: subject.kind, id: subject.id.clone() }
}

async fn fitting(client: &Client, given: &str) -> Result<Result<Vec<CaseLine>, Refused>, Failed> {
    let mut query = CaseQuery { limit: Some(CaseLimit::nearest(200)), ..CaseQuery::default() };
    if given.contains('/') {
        query.subject = Some(given.to_owned());
    } else {
        query.text = Some(given.to_owned());
    }
    let page = client.try_get::<Page<CaseLine>>("/v1/cases", &query).await?;
    match page {
        Ok(page) => Ok(Ok(page.read()?.items)),
        Err(refused) => Ok(Err(refused)),
    }
}

fn is_whole(given: &str) -> bool {
    given.len() == WHOLE
        && given.starts_with('c')
        && given.bytes().skip(1).all(|byte| byte.is_ascii_hexdigit())
}

fn same_person(lines: &[CaseLine]) -> bool {
    let mut people = lines.iter().map(|line| reference(line).to_string());
    let first = people.next();
    people.all(|other| Some(&other) == first.as_ref())
}

/// The error for a text that fits several cases.
fn choice(given: &str, lines: &[CaseLine]) -> Failed {
    let ids = short_ids(&lines.iter().map(|line| &line.id).collect::<Vec<_>>());
    let listed: String = ids
        .iter()
        .zip(lines)
        .take(LISTED)
        .map(|(id, line)| {
            let name = output::short_name(&line.subject.name.0);
            format!("\n  {id}  {name}  {}  {}", line.policy, sentences::state(line.state))
        })
        .collect();
    let more = match lines.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("\n  and {more} more: proofd case list --text '{given}'"),
    };
    Failed::no(anyhow!("several cases fit `{}`; name one by its id:{listed}{more}", output::name(given)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ids_are_as_long_as_they_must_be() {
        let ids = |texts: &[&str]| texts.iter().map(|text| CaseId((*text).to_owned())).collect::<Vec<_>>();
        for (given, expected) in [
            (&["c0123456789abcdef0123", "cfedcba98765432100000"][..], &["c0123456", "cfedcba9"][..]),
            (&["c0123456789abcdef0123", "c0123456789fedcba0000"], &["c0123456789a", "c0123456789f"]),
            (&["c0123456789abcdef0123"], &["c0123456"]),
        ] {
            let given = ids(given);
            assert_eq!(short_ids(&given.iter().collect::<Vec<_>>()), expected);
        }
        assert!(
            is_whole("c0123456789abcdef0123") && !is_whole("c0123456") && !is_whole("d0123456789abcdef0123")
        );
    }
}
