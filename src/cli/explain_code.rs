//! `explain-code`: prints the page of a diagnosis, or the list of all.

use anyhow::anyhow;
use serde_json::json;

use super::{Ending, Failed, output};
use crate::policy::codes::{self, Code};
use crate::policy::diagnostic::nearest;

pub fn run(name: Option<&str>, json: bool) -> Result<Ending, Failed> {
    match name {
        None if json => output::json(&json!({ "items": codes::all(), "next": null })),
        None => {
            let row = |code: &Code| [code.number, code.word, code.title].map(str::to_owned).to_vec();
            output::table(&["CODE", "NAME", "MEANING"], &codes::all().iter().map(row).collect::<Vec<_>>());
        }
        Some(name) => {
            let code = codes::find(name).ok_or_else(|| Failed::no(anyhow!(unknown(name))))?;
            if json {
                output::json(code);
            } else {
                output::line(&format!("{code}: {}\n\n{}", code.title, code.page));
            }
        }
    }
    Ok(Ending::Ok)
}

fn unknown(name: &str) -> String {
    let numbered = name.get(1..).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let names = codes::all().iter().map(|code| if numbered { code.number } else { code.word });
    let (lower, upper) = (name.to_ascii_lowercase(), name.to_ascii_uppercase());
    let near = nearest(if numbered { &upper } else { &lower }, names);
    let near = if near.starts_with("did") { near } else { "`proofd explain-code` lists all".to_owned() };
    format!("unknown diagnosis `{name}`; {near}")
}
