//! Requests as the tenant reads them, and its answers: bare JSON, envelopes, and the error formats, which
//! differ between the parts of the API. This module must not know the resources.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

/// One request. No `Debug`: it contains credentials.
pub(super) struct Ask {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Ask {
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.param(name).and_then(|value| value.parse().ok())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    pub fn is_v1(&self) -> bool {
        !self.path.starts_with("/api/2/")
    }

    /// The body as JSON; both refusals have the wording of the real API.
    pub fn json(&self) -> Result<Value, Refusal> {
        if !self.header("content-type").to_ascii_lowercase().starts_with("application/json") {
            return Err(self.refuse(
                400,
                "Content Type is not specified or specified incorrectly. Content-Type header must be set to \
                 application/json",
            ));
        }
        serde_json::from_slice(&self.body).map_err(|_| self.refuse(400, "Input JSON is not valid"))
    }

    pub fn object(&self) -> Result<Map<String, Value>, Refusal> {
        match self.json()? {
            Value::Object(map) => Ok(map),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(self.refuse(400, "Input JSON is not valid"))
            }
        }
    }

    /// A refusal in the format of the called API version.
    pub fn refuse(&self, code: u16, message: &str) -> Refusal {
        if self.is_v1() { Refusal::v1(code, message) } else { Refusal::v2(code, message) }
    }
}

/// A refusal, in one of the formats of the API.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    V1 {
        code: u16,
        message: Value,
    },
    V2 {
        code: u16,
        message: String,
        field: Option<&'static str>,
    },
    /// The roles resource has a format of its own.
    Roles {
        code: u16,
        description: String,
    },
    /// Mappings have a format of their own.
    Fields {
        field: String,
        message: String,
    },
    Html {
        code: u16,
    },
    /// The control interface answers with plain sentences.
    Control {
        code: u16,
        message: String,
    },
}

impl Refusal {
    pub fn v1(code: u16, message: &str) -> Self {
        Self::V1 { code, message: message.into() }
    }

    pub fn attribute(description: &str, attribute: &str) -> Self {
        Self::V1 { code: 400, message: json!({"description": description, "attribute": attribute}) }
    }

    pub fn v2(code: u16, message: &str) -> Self {
        Self::V2 { code, message: message.into(), field: None }
    }

    pub fn field(message: &str, field: &'static str) -> Self {
        Self::V2 { code: 422, message: message.into(), field: Some(field) }
    }

    pub fn not_found() -> Self {
        Self::v2(404, "The resource with the given id could not be found")
    }

    pub fn control(code: u16, message: impl Into<String>) -> Self {
        Self::Control { code, message: message.into() }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::V1 { code, message } => {
                let kind = if code == 400 { "bad request" } else { phrase(code) };
                Self::json(
                    code,
                    json!({"status": {"error": true, "code": code, "type": kind, "message": message}}),
                )
            }
            Refusal::V2 { code, message, field } => {
                let name = match (code, field) {
                    (422, Some(_)) => "UnprocessableEntityFieldError".to_owned(),
                    _ => format!("{}Error", phrase(code).replace(' ', "")),
                };
                let mut body = json!({"message": message, "name": name, "statusCode": code});
                if let Some(field) = field {
                    body["field"] = field.into();
                }
                Self::json(code, body)
            }
            Refusal::Roles { code, description } => {
                let error = format!("{}Error", phrase(code).replace(' ', ""));
                Self::json(code, json!({"status": code, "error": error, "description": description}))
            }
            Refusal::Fields { field, message } => Self::json(
                422,
                json!({"code": 422, "message": "Validation Failed",
                       "errors": [{"field": field, "message": [message]}]}),
            ),
            Refusal::Html { code } => Self::html(
                code,
                format!(
                    "<html><body><h1>{code} {}</h1>\nThe request was refused.\n</body></html>\n",
                    phrase(code)
                ),
            ),
            Refusal::Control { code, message } => Self::json(code, json!({"error": message})),
        }
    }
}

pub(super) fn phrase(code: u16) -> &'static str {
    StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason()).unwrap_or("Error")
}

pub(super) struct Answer {
    pub code: u16,
    pub headers: Vec<(&'static str, String)>,
    pub content: Content,
}

pub(super) enum Content {
    None,
    Json(Value),
    Text(&'static str, String),
}

impl Answer {
    pub fn json(code: u16, body: Value) -> Self {
        Self { code, headers: Vec::new(), content: Content::Json(body) }
    }

    pub fn html(code: u16, body: String) -> Self {
        Self { code, headers: Vec::new(), content: Content::Text("text/html; charset=utf-8", body) }
    }

    pub fn empty(code: u16) -> Self {
        Self { code, headers: Vec::new(), content: Content::None }
    }

    /// The success envelope of v1, with or without data.
    pub fn envelope(data: Option<Value>) -> Self {
        let mut body =
            json!({"status": {"type": "success", "code": 200, "message": "Success", "error": false}});
        if let Some(data) = data {
            body["data"] = data;
        }
        Self::json(200, body)
    }

    /// Converts the answer to an HTTP response.
    pub fn into_response(self) -> Response {
        let mut response = match self.content {
            Content::None => Response::new(Body::empty()),
            Content::Json(body) => typed("application/json; charset=utf-8", body.to_string()),
            Content::Text(kind, body) => typed(kind, body),
        };
        *response.status_mut() = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

fn typed(kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub(super) type Handled = Result<Answer, Refusal>;
