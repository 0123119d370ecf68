//! Reads the query with which a browser comes back. Its content is anybody's until state and cookie are known.

use std::collections::BTreeMap;

use crate::model::Returned;

/// Longest values, far above those of any provider.
const LONGEST_STATE: usize = 256;
const LONGEST_CODE: usize = 2_048;
const LONGEST_ISSUER: usize = 512;
const LONGEST_ERROR: usize = 40;

/// Returns the state with what it is about. The error repeats nothing of the query.
pub(super) fn read(query: &str) -> Result<(String, Returned), String> {
    let mut found: BTreeMap<&'static str, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let Some(name) = ["state", "code", "error", "iss"].into_iter().find(|known| **known == name) else {
            continue;
        };
        if found.insert(name, value.into_owned()).is_some() {
            return Err(format!("{name} is there more than once"));
        }
    }
    let mut take = |name: &'static str, longest: usize| match found.remove(name) {
        None => Ok(None),
        Some(text)
            if (1..=longest).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b)) =>
        {
            Ok(Some(text))
        }
        Some(_) => Err(format!("{name} is empty, too long or no plain text")),
    };
    let state = take("state", LONGEST_STATE)?.ok_or("the state is missing")?;
    let issuer = take("iss", LONGEST_ISSUER)?;
    let (code, error) = (take("code", LONGEST_CODE)?, take("error", LONGEST_ERROR)?);
    match (code, error) {
        (Some(code), None) => Ok((state, Returned::Code { code, issuer })),
        (None, Some(error)) => Ok((state, Returned::Error { error: word(&error), issuer })),
        (Some(_), Some(_)) => Err("there is a code and an error".to_owned()),
        (None, None) => Err("there is neither a code nor an error".to_owned()),
    }
}

/// The error words of the standards.
const ERRORS: [&str; 15] = [
    "access_denied",
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "invalid_request",
    "invalid_request_object",
    "invalid_request_uri",
    "invalid_scope",
    "login_required",
    "request_not_supported",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unmet_authentication_requirements",
    "unsupported_response_type",
];

/// Returns an error's word. Any other text may be anything, a name too.
fn word(error: &str) -> String {
    ERRORS.into_iter().find(|known| *known == error).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_query_needs_state_and_either_code_or_error() {
        let code = |code: &str, issuer: Option<&str>| Returned::Code {
            code: code.to_owned(),
            issuer: issuer.map(str::to_owned),
        };
        let error = |error: &str| Returned::Error { error: error.to_owned(), issuer: None };
        let long = format!("state=s&code={}", "c".repeat(LONGEST_CODE + 1));
        for (query, expected) in [
            ("state=s&code=c", Some(code("c", None))),
            ("code=a%2Fb&state=s&iss=https%3A%2F%2Fx&session_state=9", Some(code("a/b", Some("https://x")))),
            ("state=s&error=access_denied&error_description=Ada", Some(error("access_denied"))),
            ("state=s&error=Ada%20Byron", Some(error("unknown"))),
            ("state=s&error=ada_byron", Some(error("unknown"))),
            ("", None),
            ("state=s", None),
            ("code=c", None),
            ("state=&code=c", None),
            ("state=s&code=", None),
            ("state=s&code=c&error=access_denied", None),
            ("state=s&state=t&code=c", None),
            ("state=s&code=c&code=d", None),
            ("state=s&code=c&iss=a&iss=b", None),
            ("state=s&code=c%00", None),
            ("state=s&code=%ff", None),
            (&long, None),
        ] {
            let read = read(query);
            assert_eq!(read.as_ref().ok().map(|(_, returned)| returned), expected.as_ref(), "{query}");
            assert!(read.is_ok_and(|(state, _)| state == "s") == expected.is_some());
        }
    }
}
