//! The look of the HTML part of mails: the organization's name above the text, links in its colour. Mail programs know no
//! style sheets of their own, so each element that needs a style has it inside.

use minijinja::HtmlEscape;

use crate::connectors::options::Letterhead;
use crate::model::Message;

/// What surrounds the HTML part of each mail. Without an organization, nothing does.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    organization: Option<String>,
    color: String,
}

impl Layout {
    pub fn new(letterhead: Letterhead<'_>) -> Self {
        Self { organization: Some(letterhead.organization.to_owned()), color: letterhead.color.to_owned() }
    }

    /// Returns a whole document. The message's HTML has only what its Markdown gives: paragraphs, lists, links.
    pub(super) fn surround(&self, message: &Message) -> String {
        let Some(organization) = &self.organization else { return message.html.clone() };
        let (language, title) = (escape(&message.language), escape(&message.subject));
        let (organization, color) = (escape(organization), escape(&self.color));
        let body =
            message.html.replace("<a href=", &format!("<a style=\"color:{color};font-weight:600\" href="));
        format!(
            "<!doctype html>\n<html lang=\"{language}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\n\
             <body style=\"margin:0;padding:24px 16px;background:#f3f5f8;color:#16191d;\
             font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;font-size:16px;line-height:1.55\">\n\
             <div style=\"max-width:560px;margin:0 auto;background:#ffffff;border-top:4px solid {color};\
             padding:24px 28px\">\n\
             <p style=\"margin:0 0 20px;font-weight:650;color:{color}\">{organization}</p>\n\
             {body}</div>\n</body></html>\n"
        )
    }
}

fn escape(text: &str) -> String {
    HtmlEscape(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::Layout;
    use crate::connectors::options::Letterhead;
    use crate::model::{Address, Message};

    #[test]
    fn a_mail_has_the_name_and_colour_of_the_organization_and_no_markup_of_others() {
        let layout = Layout::new(Letterhead { organization: "A & <B>", color: "#123456" });
        let message = Message {
            to: Address { name: None, email: "a@example.com".to_owned() },
            subject: "\"<script>\"".to_owned(),
            text: String::new(),
            html: "<p>Go <a href=\"https://example.com/\">there</a></p>\n".to_owned(),
            template: "t".to_owned(),
            language: "de".to_owned(),
        };
        let html = layout.surround(&message);
        assert!(html.contains("A &amp; &lt;B&gt;</p>") && html.contains("<html lang=\"de\">"), "{html}");
        assert!(html.contains("<title>&quot;&lt;script&gt;&quot;</title>"), "{html}");
        assert!(html.contains("<a style=\"color:#123456;font-weight:600\" href=\"https://example.com/\">"));
        assert_eq!(Layout::default().surround(&message), message.html);
    }
}
