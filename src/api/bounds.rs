//! The bounds of requests, each with its check and its schema in one place: a value of these types is valid.

use std::borrow::Cow;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The size of a page of cases.
pub type CaseLimit = Limit<500>;
/// The size of a page of a journal.
pub type EntryLimit = Limit<1_000>;
/// How many people a report lists.
pub type PeopleLimit = Limit<1_000>;
/// How many recorded events a dry run looks at.
pub type EventLimit = Limit<100>;

/// A number from 1 to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Limit<const MOST: usize>(usize);

impl<const MOST: usize> Limit<MOST> {
    /// Returns the nearest valid number.
    pub fn nearest(number: usize) -> Self {
        Self(number.clamp(1, MOST))
    }

    pub fn get(self) -> usize {
        self.0
    }
}

impl<const MOST: usize> TryFrom<usize> for Limit<MOST> {
    type Error = String;

    fn try_from(number: usize) -> Result<Self, String> {
        if (1..=MOST).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!("expected a number from 1 to {MOST}"))
        }
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Limit<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        usize::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

impl<const MOST: usize> FromStr for Limit<MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<usize>().map_err(|error| error.to_string())?.try_into()
    }
}

impl<const MOST: usize> PartialSchema for Limit<MOST> {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        number.minimum(Some(1)).maximum(Some(MOST)).into()
    }
}

impl<const MOST: usize> ToSchema for Limit<MOST> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("LimitOf{MOST}"))
    }
}

/// A text with its rule.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $pattern:literal, $longest:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The error says what is expected.
            pub fn new(text: impl Into<String>) -> Result<Self, &'static str> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if text.chars().count() <= $longest && valid(&text) { Ok(Self(text)) } else { Err($expected) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, &'static str> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some($pattern));
                text.min_length(Some(1)).max_length(Some($longest)).into()
            }
        }

        impl ToSchema for $name {}
    };
}

text! {
    /// Why somebody does something; it is kept in the journal.
    Reason, r"\S", 2_000, "expected a reason of 1 to 2000 characters that are not all blank",
    |text| !text.trim().is_empty()
}
text! {
    /// A person: an id, or a reference such as `user/17`.
    Whom, r"\S", 1_024, "expected an id, or a reference such as user/17",
    |text| !text.trim().is_empty()
}
text! {
    /// The `next` of a page of cases.
    CaseCursor, r"^6[cd]([0-9a-f]{2})*$", 1_024, "expected the `next` of the page before",
    |text| text.len().is_multiple_of(2)
        && (text.starts_with("6c") || text.starts_with("6d"))
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
text! {
    /// The `next` of a page of a journal: a number.
    EntryCursor, r"^[0-9]{1,18}$", 18, "expected the `next` of the page before",
    |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl EntryCursor {
    pub fn number(&self) -> u64 {
        // 18 digits fit.
        self.0.parse().unwrap_or(0)
    }
}

/// A moment as RFC 3339 writes it. Other forms, and years that have no four digits, are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub DateTime<Utc>);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match DateTime::parse_from_rfc3339(&text) {
            Ok(at) => Ok(Self(at.to_utc())),
            Err(_) => Err(D::Error::custom("expected a time such as 2026-01-05T09:00:00Z")),
        }
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Moment {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: for<'de> Deserialize<'de> + Serialize>(json: &str, valid: bool) {
        let read = serde_json::from_str::<T>(json);
        assert_eq!(read.is_ok(), valid, "{json}");
        if let Ok(value) = read {
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
        }
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        for (json, valid) in [("0", false), ("1", true), ("500", true), ("501", false), ("-1", false)] {
            check::<CaseLimit>(json, valid);
        }
        let long = format!("\"{}\"", "ä".repeat(2_000));
        let longer = format!("\"{}\"", "x".repeat(2_001));
        for (json, valid) in
            [("\"\"", false), ("\" \"", false), ("\"why\"", true), (&long, true), (&longer, false)]
        {
            check::<Reason>(json, valid);
        }
        for (json, valid) in
            [("\"6c1f\"", true), ("\"6c1\"", false), ("\"6cA1\"", false), ("\"0a\"", false), ("\"\"", false)]
        {
            check::<CaseCursor>(json, valid);
        }
        for (json, valid) in [("\"17\"", true), ("\"+17\"", false), ("\"9999999999999999999\"", false)] {
            check::<EntryCursor>(json, valid);
        }
        for (json, valid) in [
            ("\"2026-01-05T09:00:00Z\"", true),
            ("\"+262142-01-05T09:00:00Z\"", false),
            ("\"2026-01-05\"", false),
        ] {
            check::<Moment>(json, valid);
        }
    }
}
