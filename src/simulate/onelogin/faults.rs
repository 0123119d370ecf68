//! What goes wrong between a client and the tenant, and with what its answers look like.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Ask, Content, Refusal};
use super::knobs::{Fault, Mishap};
use super::tenant::Tenant;

impl Tenant {
    /// The fault that strikes this request, if any; counters go down.
    pub fn strike(&mut self, ask: &Ask) -> Option<Fault> {
        let matches = |fault: &Fault| {
            fault.path.as_ref().is_none_or(|prefix| ask.path.starts_with(prefix.as_str()))
                && fault.method.as_ref().is_none_or(|method| *method == ask.method)
                && fault.count != Some(0)
        };
        for fault in self.knobs.faults.iter_mut().filter(|fault| matches(fault)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if let Some(count) = &mut fault.count {
                *count -= 1;
            }
            return Some(fault.clone());
        }
        None
    }
}

impl Fault {
    pub(super) fn delay(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.delay_ms.into())
    }

    /// Whether the request reaches the tenant at all.
    pub(super) fn lets_act(&self) -> bool {
        self.after_effect
            || matches!(
                self.what,
                Mishap::Slow
                    | Mishap::Truncated
                    | Mishap::WrongTypes
                    | Mishap::MissingFields
                    | Mishap::ExtraFields
            )
    }

    /// What the client gets instead of the real answer.
    pub(super) fn spoil(&self, ask: &Ask, answer: Answer) -> Answer {
        let mut answer = self.spoilt(ask, answer);
        answer.headers.extend(self.retry_after.map(|seconds| ("retry-after", seconds.to_string())));
        answer
    }

    fn spoilt(&self, ask: &Ask, answer: Answer) -> Answer {
        match self.what {
            Mishap::Slow => answer,
            Mishap::Unavailable => Refusal::Html { code: 503 }.into(),
            Mishap::ServerError => ask.refuse(500, "Internal Server Error").into(),
            Mishap::Unauthorized => ask.refuse(401, "Unauthorized").into(),
            Mishap::TooManyRequests => Refusal::Html { code: 429 }.into(),
            Mishap::Closed => Answer { code: 200, headers: Vec::new(), content: Content::Broken },
            Mishap::Hang => Answer { code: 200, headers: Vec::new(), content: Content::Never },
            Mishap::Html => Answer::html(200, "<html><body>We will be back soon.</body></html>".into()),
            Mishap::Huge => Answer::json(200, json!("x".repeat(10_000_000))),
            Mishap::Truncated => {
                let Content::Json(body) = &answer.content else { return answer };
                let mut text = body.to_string();
                let mut half = text.len() / 2;
                while !text.is_char_boundary(half) {
                    half -= 1;
                }
                text.truncate(half);
                Answer { content: Content::Text("application/json; charset=utf-8", text), ..answer }
            }
            Mishap::WrongTypes => reshape(answer, wrong),
            Mishap::MissingFields => reshape(answer, missing),
            Mishap::ExtraFields => reshape(answer, extra),
        }
    }
}

fn reshape(answer: Answer, with: fn(Value) -> Value) -> Answer {
    match answer.content {
        Content::Json(body) => Answer { content: Content::Json(with(body)), ..answer },
        Content::None | Content::Text(..) | Content::Broken | Content::Never => answer,
    }
}

fn wrong(value: Value) -> Value {
    match value {
        Value::String(_) => json!(17),
        Value::Number(number) => json!(format!("n{number}")),
        Value::Bool(flag) => json!(if flag { "yes" } else { "no" }),
        Value::Null => Value::Null,
        Value::Array(items) => json!({"items": items.into_iter().map(wrong).collect::<Vec<_>>()}),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, wrong(value))).collect(),
    }
}

fn missing(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(missing).collect(),
        Value::Object(map) => {
            let kept: Map<String, Value> = map
                .into_iter()
                .enumerate()
                .filter(|(place, _)| place % 2 == 1)
                .map(|(_, (key, value))| (key, missing(value)))
                .collect();
            Value::Object(kept)
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

fn extra(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(extra).collect(),
        Value::Object(map) => {
            let mut map: Map<String, Value> =
                map.into_iter().map(|(key, value)| (key, extra(value))).collect();
            map.insert("unheard_of".into(), json!({"deep": [1, {"er": null}]}));
            Value::Object(map)
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}
