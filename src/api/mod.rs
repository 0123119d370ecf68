//! The HTTP API as types: the requests and answers of `http` and `cli`, and the source of `docs/openapi.json`. Plain
//! data; it must not depend on the code that computes answers.
//!
//! Requests refuse unknown members. Answers have every member, null if it has no value. Programs must ignore unknown
//! members.
//!
//! | file | what |
//! |---|---|
//! | `bounds` | texts, cursors and page sizes that a request must keep to |
//! | `problem` | errors as RFC 9457 documents |
//! | `cases`, `journal`, `holds`, `migrations` | cases, what happened to them, what they hold, moving them |
//! | `policies`, `mode`, `diagnostics`, `effects`, `steps`, `shadow`, `sweeps` | policies: state, errors, effects, files and steps, shadow, sweeps |
//! | `past`, `plan` | back-tests, and what activating a tree would do |
//! | `timers`, `providers`, `audit` | what cases do by themselves in the next days, outside systems, search over journals |
//! | `explain` | why policies did or did not fire, and dry runs |
//! | `events` | CloudEvents |
//! | `subjects` | everything about one person, and its erasure |
//! | `status` | the state of the daemon |

pub mod audit;
pub mod bounds;
pub mod cases;
pub mod diagnostics;
pub mod effects;
pub mod events;
pub mod explain;
pub mod holds;
pub mod journal;
pub mod migrations;
pub mod mode;
pub mod past;
pub mod plan;
pub mod policies;
pub mod problem;
pub mod providers;
pub mod shadow;
pub mod status;
pub mod steps;
pub mod subjects;
pub mod sweeps;
pub mod timers;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Ref, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; null: this is the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A list that is never paged.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let next = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        let next = next.description(Some("The cursor of the next page; null: this is the last one."));
        let items = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        let page = ObjectBuilder::new().property("items", items).required("items");
        page.property("next", next).required("next").into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Page", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
        schemas.push((T::name().into_owned(), T::schema()));
    }
}

/// A person's name. Debug output hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Name(pub String);

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(...)")
    }
}

/// Converts each element.
pub fn all<A, B: From<A>>(list: impl IntoIterator<Item = A>) -> Vec<B> {
    list.into_iter().map(B::from).collect()
}
