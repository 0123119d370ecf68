//! The readable form of a mail: its headers and texts, decoded, and its links. This module must not know SMTP.

use mail_parser::{Header, MessageParser, PartType};

#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub headers: Vec<(String, String)>,
    pub text: String,
    pub html: String,
}

impl Parsed {
    /// The value of the first header with that name, or an empty string.
    pub fn header(&self, name: &str) -> String {
        let named = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

/// Parses a mail: the first text and the first HTML part, at any depth.
pub(super) fn parse(raw: &[u8]) -> Parsed {
    let parser = MessageParser::new().with_mime_headers().default_header_text();
    let Some(mail) = parser.parse(raw) else { return Parsed::default() };
    let lines = |text: &str| text.replace("\r\n", "\n");
    let text = mail.parts.iter().find_map(|part| match &part.body {
        PartType::Text(text) => Some(lines(text)),
        _ => None,
    });
    let html = mail.parts.iter().find_map(|part| match &part.body {
        PartType::Html(html) => Some(lines(html)),
        _ => None,
    });
    Parsed {
        headers: mail.headers().iter().map(|header| (header.name().to_owned(), value(header, raw))).collect(),
        text: text.unwrap_or_default(),
        html: html.unwrap_or_default(),
    }
}

/// A header, unfolded and decoded; a structured header stays as written.
fn value(header: &Header<'_>, raw: &[u8]) -> String {
    let written = || {
        let bytes = raw.get(header.offset_start as usize..header.offset_end as usize).unwrap_or_default();
        String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    header.value.as_text().map_or_else(written, str::to_owned)
}

/// The web addresses in a mail without duplicates: first those of the text, then the `href`s of the HTML.
pub(super) fn links(text: &str, html: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut add = |link: &str| {
        let link = link.trim_end_matches(['.', ',', ':', ')', '>', ';', '!', '?']).to_owned();
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
