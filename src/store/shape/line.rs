//! Encodes a journal record as one line of JSON with the version of its shapes.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{By, VERSION, old};
use crate::model::Timestamp;
use crate::store::Error;
use crate::store::commit::AcceptedLoss;
use crate::store::commit::Body;
use crate::store::commit::Commit;
use crate::store::commit::Salvage;
use crate::store::commit::{Deletion, Redact, Redacted};

// Members instead of an enum: the version comes first and is read before anything else.
#[derive(Default, Serialize)]
struct Written<'a> {
    v: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<By<&'a Commit>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prune: Option<By<&'a Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<By<&'a AcceptedLoss>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salvage: Option<By<&'a Salvage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redact: Option<By<&'a Redact>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted: Option<By<&'a Redacted>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion: Option<By<&'a Deletion>>,
}

#[derive(Deserialize)]
struct Read {
    commit: Option<By<Commit>>,
    prune: Option<By<Timestamp>>,
    loss: Option<By<AcceptedLoss>>,
    salvage: Option<By<Salvage>>,
    redact: Option<By<Redact>>,
    redacted: Option<By<Redacted>>,
    deletion: Option<By<Deletion>>,
}

impl Read {
    /// Returns the only content; `None` if there is none, or more than one.
    fn body(self) -> Option<Body> {
        let mut bodies = [
            self.commit.map(|By(commit)| Body::Commit(commit)),
            self.prune.map(|By(before)| Body::Prune(before)),
            self.loss.map(|By(loss)| Body::Loss(Box::new(loss))),
            self.salvage.map(|By(salvage)| Body::Salvage(Box::new(salvage))),
            self.redact.map(|By(order)| Body::Redact(Box::new(order))),
            self.redacted.map(|By(done)| Body::Redacted(done)),
            self.deletion.map(|By(deletion)| Body::Deletion(deletion)),
        ]
        .into_iter()
        .flatten();
        let body = bodies.next();
        body.filter(|_| bodies.next().is_none())
    }
}

/// Encodes a record as one line of JSON, with its line end.
pub(in crate::store) fn encode(body: &Body) -> Result<Vec<u8>, Error> {
    let mut written = Written { v: VERSION, ..Written::default() };
    match body {
        Body::Commit(commit) => written.commit = Some(By(commit)),
        Body::Prune(before) => written.prune = Some(By(before)),
        Body::Loss(loss) => written.loss = Some(By(loss)),
        Body::Salvage(salvage) => written.salvage = Some(By(salvage)),
        Body::Redact(order) => written.redact = Some(By(order)),
        Body::Redacted(done) => written.redacted = Some(By(done)),
        Body::Deletion(deletion) => written.deletion = Some(By(deletion)),
    }
    let mut line = serde_json::to_vec(&written).map_err(|error| Error::io("writing JSON")(error.into()))?;
    line.push(b'\n');
    Ok(line)
}

pub(in crate::store) fn decode(sequence: u64, line: &[u8]) -> Result<Body, Error> {
    let line = current(sequence, line)?;
    // The serde error is dropped, because it may quote the content.
    let read: Read = serde_json::from_slice(&line).map_err(|_| unreadable(sequence))?;
    read.body().ok_or_else(|| Error::Damaged(format!("record {sequence} of the journal has no content")))
}

/// Decodes a part of a commit. `None`: the record is not a commit.
pub(in crate::store) fn part<T: DeserializeOwned>(sequence: u64, line: &[u8]) -> Result<Option<T>, Error> {
    #[derive(Deserialize)]
    struct Part<T> {
        commit: Option<T>,
    }
    let line = current(sequence, line)?;
    let part: Part<T> = serde_json::from_slice(&line).map_err(|_| unreadable(sequence))?;
    Ok(part.commit)
}

/// Returns a line in this version's format.
pub(in crate::store) fn renewed(sequence: u64, line: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    if version(line) == Some(VERSION) {
        return Ok(Cow::Borrowed(line));
    }
    encode(&decode(sequence, line)?).map(Cow::Owned)
}

fn unreadable(sequence: u64) -> Error {
    Error::Damaged(format!("reading record {sequence} of the journal failed"))
}

/// Converts a line to this version's format.
fn current(sequence: u64, line: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    match version(line).ok_or_else(|| unreadable(sequence))? {
        // Versions 4 and 5 only added members and words.
        3 | 4 | VERSION => Ok(Cow::Borrowed(line)),
        2 => old::from_2(line).map(Cow::Owned).ok_or_else(|| unreadable(sequence)),
        other => Err(Error::Damaged(format!(
            "record {sequence} of the journal has version {other}, this program reads versions {} to {VERSION}; \
             start the version of the program that wrote it",
            old::OLDEST
        ))),
    }
}

/// Parses the version, with which every line begins.
fn version(line: &[u8]) -> Option<u32> {
    let rest = line.strip_prefix(b"{\"v\":")?;
    let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::model::Timestamp;
    use crate::store::commit::Body;
    use crate::store::{Commit, Error};

    #[test]
    fn a_record_is_one_line_and_reads_back() {
        for body in [Body::Commit(Commit::default()), Body::Prune(Timestamp::UNIX_EPOCH)] {
            let line = encode(&body).unwrap();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(decode(1, &line).unwrap(), body);
        }
    }

    #[test]
    fn an_unreadable_record_is_an_error_with_its_number() {
        for (line, word) in [
            (r#"{"v":6,"new":1}"#, "version 6"),
            (r#"{"v":1,"commit":{}}"#, "versions 2 to 5"),
            (r#"{"v":3}"#, "has no content"),
            ("x", "reading record"),
            (r#"{"v":3,"commit":7}"#, "reading record"),
            (r#"{"v":2,"commit":7}"#, "reading record"),
            (r#"{"v":5,"commit":{"cases":[{}]}}"#, "reading record"),
        ] {
            let Err(Error::Damaged(text)) = decode(12, line.as_bytes()) else { panic!("{line} was read") };
            assert!(text.contains(word) && text.contains("record 12"), "{text}");
        }
    }
}
