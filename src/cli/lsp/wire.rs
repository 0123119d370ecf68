//! Messages on a stream: a header with the length, and JSON. Written by hand: the crate `lsp-server` (0.10) cannot
//! answer an unreadable message, since its `Response` has no null id, and it reserves as many bytes as a header
//! announces before it reads them.

use std::io::{self, BufRead, Read as _, Write};

use serde_json::Value;

/// Longer messages are skipped; every file of a tree is far smaller.
const LONGEST: u64 = 16 << 20;
/// Most bytes of a header line; real ones are far shorter.
const LONGEST_LINE: u64 = 8 << 10;

/// Reads the next message. None: the stream ended. An inner error: this message is unreadable, the next may not be.
pub fn read(from: &mut impl BufRead) -> io::Result<Option<Result<Value, String>>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        if from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse::<u64>().ok();
            }
            // An empty line ends the header; an additional one between two messages is ignored.
            None if line.trim_end().is_empty() => match length {
                Some(length) => return body(from, length),
                None => return Ok(Some(Err("a message has no Content-Length".to_owned()))),
            },
            Some(_) | None => {}
        }
    }
}

fn body(from: &mut impl BufRead, length: u64) -> io::Result<Option<Result<Value, String>>> {
    let mut part = from.by_ref().take(length);
    if length > LONGEST {
        io::copy(&mut part, &mut io::sink())?;
        return Ok(Some(Err(format!("a message has {length} bytes; at most {LONGEST} are read"))));
    }
    let mut bytes = Vec::new();
    part.read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < length {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&bytes).map_err(|error| format!("a message is not JSON: {error}"))))
}

pub fn write(to: &mut impl Write, message: &Value) -> io::Result<()> {
    let body = message.to_string();
    write!(to, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    to.flush()
}
