//! CloudEvents.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::model::SubjectKind;

/// Most events of one request.
pub const MOST_EVENTS: usize = 1_000;
/// Most bytes of one request.
pub const LARGEST_BODY: usize = 1 << 20;

/// The media types of one event and of several.
pub const ONE: &str = "application/cloudevents+json";
pub const BATCH: &str = "application/cloudevents-batch+json";

/// One event: CloudEvents 1.0. Further members are extension attributes: texts, booleans or whole numbers of 32 bits.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CloudEvent {
    #[schema(pattern = r"^1\.0$")]
    pub specversion: String,
    /// With `source`, identifies the event; a repeated event has no effect.
    #[schema(min_length = 1, max_length = 1024, pattern = r"\S")]
    pub id: String,
    /// Where it happened.
    #[schema(format = "uri-reference", min_length = 1, max_length = 1024)]
    pub source: String,
    /// In policies: `custom.` and this type.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 1024, pattern = r"\S")]
    pub kind: String,
    /// The person's id.
    #[schema(min_length = 1, max_length = 1024, pattern = r"\S")]
    pub subject: String,
    /// Kind of record of `subject`; applicant by default.
    #[serde(default)]
    pub subjecttype: Option<SubjectKind>,
    /// Time of the event; the time of its arrival by default.
    #[serde(default)]
    pub time: Option<DateTime<Utc>>,
    #[serde(default)]
    pub datacontenttype: Option<String>,
    #[serde(default)]
    #[schema(format = "uri")]
    pub dataschema: Option<String>,
    /// Policies read it as `event.data`.
    #[serde(default)]
    pub data: Option<Value>,
    /// Bytes as base64, in the place of `data`.
    #[serde(default)]
    pub data_base64: Option<String>,
}

/// How many events are on disk.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Taken {
    pub taken: usize,
}
