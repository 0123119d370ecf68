//! As much of MIME as mails of programs use: unfolded headers, encoded words, quoted-printable, base64 and
//! multipart. It must not know SMTP.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub headers: Vec<(String, String)>,
    pub text: String,
    pub html: String,
}

impl Parsed {
    /// The value of the first header of that name, or nothing.
    pub fn header(&self, name: &str) -> String {
        find(&self.headers, name).unwrap_or_default().to_owned()
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

pub(super) fn parse(raw: &[u8]) -> Parsed {
    let (headers, body) = split(raw);
    let mut parsed = Parsed { headers: headers.clone(), ..Parsed::default() };
    descend(&headers, body, &mut parsed, 0);
    parsed
}

/// Headers, unfolded and decoded, and the body.
fn split(raw: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut rest = raw;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..end]).trim_end_matches('\r').to_owned();
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        match (line.starts_with([' ', '\t']), headers.last_mut()) {
            (true, Some((_, value))) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            _ => {
                let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }
    for (_, value) in &mut headers {
        *value = words(value);
    }
    (headers, rest)
}

/// Puts the first text and the first HTML below a part into `parsed`.
fn descend(headers: &[(String, String)], body: &[u8], parsed: &mut Parsed, depth: u8) {
    let kind = find(headers, "content-type").unwrap_or("text/plain");
    let lower = kind.to_ascii_lowercase();
    if lower.starts_with("multipart/") && depth < 8 {
        let Some(boundary) = parameter(kind, "boundary") else { return };
        for part in parts(body, &boundary) {
            let (headers, body) = split(part);
            descend(&headers, body, parsed, depth + 1);
        }
        return;
    }
    let encoding = find(headers, "content-transfer-encoding").unwrap_or_default().to_ascii_lowercase();
    let bytes = match encoding.trim() {
        "base64" => base64(body),
        "quoted-printable" => quoted(body, false),
        _ => body.to_vec(),
    };
    let text = charset(&bytes, &parameter(kind, "charset").unwrap_or_default()).replace("\r\n", "\n");
    if lower.starts_with("text/html") && parsed.html.is_empty() {
        parsed.html = text;
    } else if lower.starts_with("text/plain") && parsed.text.is_empty() {
        parsed.text = text;
    }
}

fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let marker = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut start = None;
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(marker.as_bytes()) {
            if let Some(start) = start {
                let part: &[u8] = &body[start..at];
                let part = part.strip_suffix(b"\n").unwrap_or(part);
                parts.push(part.strip_suffix(b"\r").unwrap_or(part));
            }
            start = Some(at + line.len());
        }
        at += line.len();
    }
    parts
}

fn base64(body: &[u8]) -> Vec<u8> {
    let dense: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(dense).unwrap_or_default()
}

fn quoted(body: &[u8], underscores: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'=', [b'\r', b'\n', after @ ..] | [b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                match digit(high).zip(digit(low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
                    Some(decoded) => {
                        out.push(decoded);
                        rest = after;
                    }
                    None => out.push(b'='),
                }
            }
            (b'_', _) if underscores => out.push(b' '),
            (byte, _) => out.push(*byte),
        }
    }
    out
}

fn charset(bytes: &[u8], name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "iso-8859-1" | "latin1" => bytes.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Decodes `=?charset?encoding?text?=`; white space between two of them goes away.
fn words(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, word) = rest.split_at(start);
        let fields: Vec<&str> = word[2..].splitn(4, '?').collect();
        let [name, encoding, text, tail] = fields.as_slice() else { break };
        let Some(tail) = tail.strip_prefix('=') else { break };
        if !(after_word && before.trim().is_empty()) {
            out.push_str(before);
        }
        let bytes = match *encoding {
            "B" | "b" => base64(text.as_bytes()),
            _ => quoted(text.as_bytes(), true),
        };
        out.push_str(&charset(&bytes, name));
        after_word = true;
        rest = tail;
    }
    out + rest
}

/// The web addresses in a mail, each once: first those of the text, then those of the HTML's `href`s.
pub(super) fn links(text: &str, html: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut add = |link: &str| {
        let link = link.trim_end_matches(['.', ',', ')', '>', ';']).to_owned();
        if !out.contains(&link) {
            out.push(link);
        }
    };
    for word in text.split(|letter: char| letter.is_whitespace() || matches!(letter, '<' | '>' | '(' | '"')) {
        if word.starts_with("https://") || word.starts_with("http://") {
            add(word);
        }
    }
    for piece in html.split("href=\"").skip(1) {
        let target = piece.split('"').next().unwrap_or_default();
        if target.starts_with("http") {
            add(&target.replace("&amp;", "&").replace("&#x2f;", "/"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{links, parse};

    #[test]
    fn bodies_and_headers_are_decoded() {
        let raw = "Subject: =?utf-8?B?R3LDvMOf?= =?utf-8?Q?e_an_all?=\r\n e folded\r\n\
            Content-Type: multipart/alternative;\r\n boundary=\"b\"\r\n\r\npreamble\r\n\
            --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            Gr=C3=BC=C3=9Fe see https://a.example/x?y=3D1=\r\n2.\r\n\
            --b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
            PGEgaHJlZj0iaHR0cHM6Ly9i\r\nLmV4YW1wbGUvIj54PC9hPg==\r\n--b--\r\n";
        let parsed = parse(raw.as_bytes());
        assert_eq!(parsed.header("Subject"), "Grüße an all e folded");
        assert_eq!(parsed.text, "Grüße see https://a.example/x?y=12.");
        assert_eq!(parsed.html, "<a href=\"https://b.example/\">x</a>");
        let found = links(&parsed.text, &parsed.html);
        assert_eq!(found, ["https://a.example/x?y=12", "https://b.example/"]);
    }
}
