//! Describes a route from the types of its handler: its input and its answers. The API document is built from this, and
//! cannot differ from the code.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Type,
    schema::SchemaType,
};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Accepted, Answer, Created, Format, LINES, Lines, PersonPage, Text, Verdict, Words};
use super::exposition::Exposition;
use super::extract::{Body, Path, Query};
use super::person::Agreed;
use super::{AppState, Caller, Problem};

/// The description of a route that its handler gives.
#[derive(Debug, Default)]
pub struct Description {
    pub parameters: Vec<Parameter>,
    pub body: Option<RequestBody>,
    pub answers: BTreeMap<u16, Response>,
    /// Statuses that come with a problem document.
    pub refusals: BTreeSet<StatusCode>,
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

impl Description {
    /// Registers a schema and the schemas that it refers to. Returns a reference to it.
    pub fn named<T: ToSchema>(&mut self) -> Ref {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        Ref::from_schema_name(T::name())
    }

    pub fn takes(
        &mut self,
        description: &str,
        kinds: impl IntoIterator<Item = (&'static str, RefOr<Schema>)>,
    ) {
        let mut body = RequestBody::builder().description(Some(description)).required(Some(Required::True));
        for (kind, schema) in kinds {
            body = body.content(kind, ContentBuilder::new().schema(Some(schema)).build());
        }
        self.body = Some(body.build());
    }

    fn gives(&mut self, status: StatusCode, description: &str, kind: &str, schema: impl Into<RefOr<Schema>>) {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(description).content(kind, content);
        self.answers.insert(status.as_u16(), response.build());
    }

    fn gives_json<T: ToSchema>(&mut self, status: StatusCode) {
        let schema = self.named::<T>();
        self.gives(status, status.canonical_reason().unwrap_or_default(), "application/json", schema);
    }
}

fn any() -> Schema {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).build().into()
}

fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).build().into()
}

/// A handler that its types describe. `T` is the one of axum's `Handler`.
pub trait Describe<T> {
    fn describe(into: &mut Description);
}

macro_rules! handlers {
    ($($argument:ident)*) => {
        impl<F, Fut, R, M, $($argument),*> Describe<(M, $($argument,)*)> for F
        where
            F: FnOnce($($argument),*) -> Fut,
            Fut: Future<Output = R>,
            R: Gives,
            $($argument: Asks),*
        {
            fn describe(into: &mut Description) {
                $($argument::describe(into);)*
                R::describe(into);
            }
        }
    };
}

handlers!();
handlers!(A);
handlers!(A B);
handlers!(A B C);
handlers!(A B C D);
handlers!(A B C D E);

/// An input of a handler.
pub trait Asks {
    fn describe(into: &mut Description);
}

/// Types without a description: the path contains its parameters itself, and the guard supplies the caller.
macro_rules! nothing {
    ($($name:ty),*) => { $(impl Asks for $name { fn describe(_: &mut Description) {} })* };
}
nothing!(State<AppState>, Caller, HeaderMap, RawQuery);

impl<T> Asks for Path<T> {
    fn describe(into: &mut Description) {
        into.refusals.insert(StatusCode::BAD_REQUEST);
    }
}

impl<T: IntoParams> Asks for Query<T> {
    fn describe(into: &mut Description) {
        into.parameters.extend(T::into_params(|| Some(ParameterIn::Query)));
        into.refusals.insert(StatusCode::BAD_REQUEST);
    }
}

impl<T: ToSchema> Asks for Body<T> {
    fn describe(into: &mut Description) {
        let schema = into.named::<T>();
        into.takes("", [("application/json", schema.into())]);
        into.refusals.extend([
            StatusCode::BAD_REQUEST,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            StatusCode::UNPROCESSABLE_ENTITY,
        ]);
    }
}

/// A vendor's request; the vendor documents its form.
impl Asks for Bytes {
    fn describe(into: &mut Description) {
        into.takes("As the vendor documents it.", [("application/json", any().into())]);
        into.refusals.insert(StatusCode::BAD_REQUEST);
    }
}

impl Asks for Agreed {
    fn describe(into: &mut Description) {
        let form = ObjectBuilder::new().property("agree", text());
        let what = "The version of the text that the person agreed to, from the page.";
        into.takes(what, [("application/x-www-form-urlencoded", form.into())]);
        // A page without a checkbox sends none.
        into.body.iter_mut().for_each(|body| body.required = Some(Required::False));
    }
}

/// An answer of a handler.
pub trait Gives {
    fn describe(into: &mut Description);
}

impl<T: Gives> Gives for Result<T, Problem> {
    fn describe(into: &mut Description) {
        T::describe(into);
        into.refusals.insert(StatusCode::INTERNAL_SERVER_ERROR);
    }
}

impl<T: ToSchema> Gives for Answer<T> {
    fn describe(into: &mut Description) {
        into.gives_json::<T>(StatusCode::OK);
    }
}

impl<T: ToSchema> Gives for Created<T> {
    fn describe(into: &mut Description) {
        into.gives_json::<T>(StatusCode::CREATED);
    }
}

impl<T: ToSchema> Gives for Accepted<T> {
    fn describe(into: &mut Description) {
        into.gives_json::<T>(StatusCode::ACCEPTED);
    }
}

impl<T: ToSchema> Gives for Verdict<T> {
    fn describe(into: &mut Description) {
        into.gives_json::<T>(StatusCode::OK);
        into.gives_json::<T>(StatusCode::UNPROCESSABLE_ENTITY);
    }
}

impl<T: ToSchema> Gives for Lines<T> {
    fn describe(into: &mut Description) {
        let schema = into.named::<T>();
        into.gives(StatusCode::OK, "One JSON object per line", LINES, schema);
    }
}

impl Gives for Words {
    fn describe(into: &mut Description) {
        into.gives(StatusCode::OK, "Yes", "text/plain", text());
        into.gives(StatusCode::SERVICE_UNAVAILABLE, "No, and why", "text/plain", text());
    }
}

impl<F: Format> Gives for Text<F> {
    fn describe(into: &mut Description) {
        let kind = F::KIND.split(';').next().unwrap_or_default();
        let schema = if kind == "application/json" { any() } else { text() };
        into.gives(StatusCode::OK, F::DESCRIPTION, kind, schema);
    }
}

impl Gives for Exposition {
    fn describe(into: &mut Description) {
        into.gives(StatusCode::OK, "Metrics; as OpenMetrics if Accept asks for it", "text/plain", text());
    }
}

impl Gives for PersonPage {
    fn describe(into: &mut Description) {
        for (status, description) in [
            (StatusCode::OK, "The page"),
            (StatusCode::NOT_FOUND, "The link is not valid"),
            (StatusCode::GONE, "The link has expired or the case is closed"),
            (StatusCode::SERVICE_UNAVAILABLE, "The daemon or the vendor cannot serve now"),
        ] {
            into.gives(status, description, "text/html", text());
        }
        let vendor = ResponseBuilder::new().description(
            "Redirect to the vendor's session, or to the page that \
                waits for it",
        );
        let location = HeaderBuilder::new().schema(Some(text())).build();
        into.answers.insert(StatusCode::SEE_OTHER.as_u16(), vendor.header("Location", location).build());
    }
}

/// An empty answer, as vendors expect it.
impl Gives for StatusCode {
    fn describe(into: &mut Description) {
        let response = ResponseBuilder::new().description("The event is on disk").build();
        into.answers.insert(Self::OK.as_u16(), response);
    }
}
