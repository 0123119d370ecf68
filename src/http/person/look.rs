//! The look of the pages: the organization's name, logo, colour, contacts and time zone.

use std::path::Path;

use chrono_tz::Tz;
use data_encoding::BASE64;
use serde::Serialize;

use crate::config::{Agreement, Help, PersonPages};
use crate::model::Timestamp;

/// Largest logo. It is part of each page.
const LARGEST: usize = 64 << 10;
/// Contrast of white text with the colour of buttons, as WCAG 2.2 requires (1.4.3).
const CONTRAST: f64 = 4.5;

#[derive(Debug)]
pub(super) struct Look {
    pub(super) organization: String,
    /// As a `data:` URL.
    pub(super) logo: Option<String>,
    /// The style sheet, with the organization's colour.
    pub(super) css: String,
    pub(super) help: Option<Contacts>,
    pub(super) timezone: Tz,
    pub(super) agreement: Agreement,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Contacts {
    mail: Option<String>,
    phone: Option<String>,
    url: Option<String>,
}

/// A time for people, and for programs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Moment {
    shown: String,
    exact: String,
}

impl Look {
    pub(super) fn new(organization: &str, settings: &PersonPages, base: &Path) -> Result<Self, String> {
        let logo = settings.logo.as_ref().map(|path| logo(&base.join(path))).transpose()?;
        let color = color(&settings.color)?;
        Ok(Self {
            organization: organization.to_owned(),
            logo,
            css: format!("{}:root {{ --button: {color}; }}\n", include_str!("page.css")),
            help: contacts(&settings.help)?,
            timezone: settings.timezone.parse().map_err(|_| {
                let name = &settings.timezone;
                format!("person_pages.timezone: `{name}` is not a time zone such as `Europe/Berlin`")
            })?,
            agreement: settings.agreement,
        })
    }

    pub(super) fn moment(&self, at: Timestamp) -> Moment {
        let local = at.with_timezone(&self.timezone);
        Moment { shown: local.format("%Y-%m-%d %H:%M %Z").to_string(), exact: local.to_rfc3339() }
    }
}

fn logo(path: &Path) -> Result<String, String> {
    let kind = match path.extension().and_then(|ends| ends.to_str()) {
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => return Err(format!("person_pages.logo: {} is neither .svg nor .png", path.display())),
    };
    let bytes = std::fs::read(path)
        .map_err(|error| format!("person_pages.logo: reading {}: {error}", path.display()))?;
    if bytes.len() > LARGEST {
        let size = bytes.len() >> 10;
        return Err(format!("person_pages.logo: {} has {size} KiB; use at most 64 KiB", path.display()));
    }
    Ok(format!("data:{kind};base64,{}", BASE64.encode(&bytes)))
}

/// Checks a colour: `#` and six hexadecimal digits, dark enough for white text.
fn color(text: &str) -> Result<&str, String> {
    let expected = || format!("person_pages.color: `{text}` is not a colour such as `#1451c8`");
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or_else(expected)?;
    let value = u32::from_str_radix(digits, 16).map_err(|_| expected())?;
    let contrast = 1.05 / (luminance(value) + 0.05);
    if contrast < CONTRAST {
        return Err(format!(
            "person_pages.color: white text on `{text}` has a contrast of {contrast:.1}; use a darker colour, with at \
             least {CONTRAST}"
        ));
    }
    Ok(text)
}

/// The relative luminance of WCAG 2.
fn luminance(rgb: u32) -> f64 {
    let channel = |shift: u32| {
        let value = f64::from((rgb >> shift) & 0xFF) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
}

fn contacts(help: &Help) -> Result<Option<Contacts>, String> {
    let Help { mail, phone, url } = help.clone();
    if mail.as_ref().is_some_and(|mail| !mail.contains('@') || mail.contains(char::is_whitespace)) {
        return Err("person_pages.help.mail: not a mail address".to_owned());
    }
    let is_phone = |phone: &str| phone.chars().all(|c| c.is_ascii_digit() || " +()/-".contains(c));
    if phone.as_ref().is_some_and(|phone| phone.is_empty() || !is_phone(phone)) {
        return Err("person_pages.help.phone: use digits, spaces and `+ ( ) / -`".to_owned());
    }
    if url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
        return Err("person_pages.help.url: an address that starts with https:// is needed".to_owned());
    }
    let given = mail.is_some() || phone.is_some() || url.is_some();
    Ok(given.then_some(Contacts { mail, phone, url }))
}

#[cfg(test)]
mod tests {
    use super::{Look, color, luminance};
    use crate::config::{Help, PersonPages};

    #[test]
    fn contrast_is_computed_as_wcag_does() {
        assert!((luminance(0xFF_FF_FF) - 1.0).abs() < 1e-9 && luminance(0).abs() < 1e-9);
        for (text, ok) in
            [("#1451c8", true), ("#767676", true), ("#777777", false), ("#ffffff", false), ("1451c8", false)]
        {
            assert_eq!(color(text).is_ok(), ok, "{text}");
        }
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("large.png"), vec![0; 70_000]).unwrap();
        let refused = |settings: PersonPages| Look::new("x", &settings, dir.path()).unwrap_err();
        let help = |help| PersonPages { help, ..PersonPages::default() };
        let text = |text: &str| Some(text.to_owned());
        for (settings, words) in [
            (PersonPages { logo: Some("none.png".into()), ..PersonPages::default() }, "logo: reading"),
            (PersonPages { logo: Some("large.png".into()), ..PersonPages::default() }, "at most 64 KiB"),
            (
                PersonPages { logo: Some("logo.gif".into()), ..PersonPages::default() },
                "neither .svg nor .png",
            ),
            (PersonPages { timezone: "Berlin".to_owned(), ..PersonPages::default() }, "timezone: `Berlin`"),
            (help(Help { mail: text("desk"), ..Help::default() }), "help.mail"),
            (help(Help { phone: text("call us"), ..Help::default() }), "help.phone"),
            (help(Help { url: text("javascript:alert(1)"), ..Help::default() }), "help.url"),
        ] {
            let why = refused(settings);
            assert!(why.contains(words), "{why}");
        }
    }
}
