//! The switch between the light and the dark theme.

use axum::extract::Form;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::login::local;
use super::visit::{THEME, guards};

#[derive(Debug, Deserialize)]
pub struct Theme {
    theme: String,
    #[serde(default)]
    next: String,
}

/// POST `/theme`.
pub async fn theme(Form(chosen): Form<Theme>) -> Response {
    let word = match chosen.theme.as_str() {
        "dark" => "dark",
        "light" => "light",
        _ => "auto",
    };
    let mut response = (guards(), Redirect::to(local(&chosen.next))).into_response();
    let cookie = format!("{THEME}={word}; Path=/; Max-Age=31536000; SameSite=Strict");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
