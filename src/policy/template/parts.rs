//! Renders Markdown to the two parts of a mail: readable plain text, and HTML without foreign markup.

use pulldown_cmark::{Event, Parser, Tag, TagEnd, html};

/// Renders HTML. Raw HTML is shown as text, images are left out, and links lead only to the web or to a mail address.
pub(super) fn html(markdown: &str) -> String {
    let mut dropped = Vec::new();
    let events = Parser::new(markdown).filter_map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            let safe = is_safe(dest_url);
            dropped.push(!safe);
            safe.then_some(event)
        }
        Event::End(TagEnd::Link) => (!dropped.pop().unwrap_or(false)).then_some(event),
        other => Some(other),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

fn is_safe(url: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| url.starts_with(scheme))
}

/// Renders plain text: paragraphs with blank lines between them, lists with dashes, links with their address.
pub(super) fn text(markdown: &str) -> String {
    let mut out = String::new();
    let mut links: Vec<(String, usize)> = Vec::new();
    for event in Parser::new(markdown) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                out.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => out.push('\n'),
            Event::Rule => out.push_str("---\n\n"),
            Event::Start(Tag::Item) => out.push_str("- "),
            Event::Start(Tag::Link { dest_url, .. }) => links.push((dest_url.to_string(), out.len())),
            Event::End(TagEnd::Link) => {
                if let Some((url, start)) = links.pop()
                    && out.get(start..).is_some_and(|shown| shown != url)
                    && is_safe(&url)
                {
                    out.push_str(": ");
                    out.push_str(&url);
                }
            }
            Event::End(TagEnd::Item) => out.push('\n'),
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::List(_) | TagEnd::CodeBlock) => {
                out.push_str("\n\n");
            }
            _ => {}
        }
    }
    let mut tidy = String::new();
    for line in out.lines().map(str::trim_end) {
        if !(line.is_empty() && (tidy.is_empty() || tidy.ends_with("\n\n"))) {
            tidy.push_str(line);
            tidy.push('\n');
        }
    }
    tidy.trim_end().to_owned() + "\n"
}
