//! `person_pages`: the look and the texts of the pages behind people's links, and the look of mails.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonPages {
    /// Image of the organization: an SVG or PNG file of at most 64 KiB.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub logo: Option<PathBuf>,
    /// Colour of buttons and links, such as `#1451c8`. White text on it must be readable (contrast of at least 4.5).
    #[serde(default = "default_color")]
    pub color: String,
    /// How people reach the support desk.
    #[serde(default)]
    pub help: Help,
    /// Time zone of the times on the pages, such as `Europe/Berlin`.
    #[serde(default = "default_timezone")]
    pub timezone: String,
    /// Directory of further languages: `fr.yaml` adds French, `en.yaml` replaces the English texts.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub languages: Option<PathBuf>,
    /// Whether people must agree to the processing of their data before the vendor starts.
    #[serde(default)]
    pub agreement: Agreement,
}

impl Default for PersonPages {
    fn default() -> Self {
        Self {
            logo: None,
            color: default_color(),
            help: Help::default(),
            timezone: default_timezone(),
            languages: None,
            agreement: Agreement::default(),
        }
    }
}

/// Contacts of the support desk. Without any, the pages name the support desk of the organization.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Help {
    /// Mail address.
    #[serde(default)]
    pub mail: Option<String>,
    /// Telephone number.
    #[serde(default)]
    pub phone: Option<String>,
    /// Web page, `https://`.
    #[serde(default)]
    pub url: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// The person agrees to the text, and the journal has its version.
    #[default]
    Ask,
    /// The text is shown only: the organization has another legal ground.
    Inform,
}

fn default_timezone() -> String {
    "UTC".to_owned()
}

fn default_color() -> String {
    "#1451c8".to_owned()
}
