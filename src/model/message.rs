//! A mail in its final form: every attempt sends the same bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A recipient. The name is displayed; the address is used.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub name: Option<String>,
    pub email: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[address]")
    }
}

/// One mail to one recipient.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub to: Address,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The template's name, for journals and logs.
    pub template: String,
    pub language: String,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}, {})", self.template, self.language)
    }
}
