//! The list of cases: filters in the address, search, pages.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::api::bounds::CaseCursor;
use crate::api::cases::{CaseLine, CaseQuery};
use crate::http::answer::Answer;
use crate::http::extract::Query;
use crate::http::{AppState, Problem, cases};

use super::nav::Place;
use super::visit::Visit;

/// The filters of the address. An empty one is none, and an unknown one matches nothing worse than the whole list.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Filters {
    text: String,
    state: String,
    policy: String,
    queue: String,
    assignee: String,
    outcome: String,
    cursor: String,
}

#[derive(Debug, Serialize)]
struct List {
    filters: Filters,
    items: Vec<CaseLine>,
    /// The address of the next page.
    next: Option<String>,
    views: Vec<View>,
    policies: Vec<String>,
    states: &'static [(&'static str, &'static str)],
}

/// A saved view: a link.
#[derive(Debug, Serialize)]
struct View {
    label: &'static str,
    path: String,
    here: bool,
}

const STATES: &[(&str, &str)] = &[
    ("", "any state"),
    ("open", "open"),
    ("in_review", "in review"),
    ("waiting", "waiting"),
    ("in_grace", "in grace"),
    ("over_limit", "over limit"),
    ("stuck", "stuck"),
    ("running", "running"),
    ("closed", "closed"),
];

const VIEWS: &[(&str, &str)] = &[
    ("All", ""),
    ("Open", "state=open"),
    ("In review", "state=in_review"),
    ("Waiting for the person", "state=waiting"),
    ("In grace", "state=in_grace"),
    ("Over limit", "state=over_limit"),
    ("Stuck", "state=stuck"),
    ("Closed", "state=closed"),
];

impl Filters {
    fn query(&self) -> CaseQuery {
        let given = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        CaseQuery {
            policy: given(&self.policy),
            state: self.state.parse().ok(),
            outcome: given(&self.outcome),
            text: given(&self.text),
            queue: given(&self.queue),
            assignee: given(&self.assignee),
            cursor: CaseCursor::new(self.cursor.clone()).ok(),
            ..CaseQuery::default()
        }
    }

    /// The address of these filters, without the empty ones.
    fn address(&self, cursor: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let pairs = [
            ("text", self.text.as_str()),
            ("state", &self.state),
            ("policy", &self.policy),
            ("queue", &self.queue),
            ("assignee", &self.assignee),
            ("outcome", &self.outcome),
            ("cursor", cursor.unwrap_or_default()),
        ];
        query.extend_pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
        query.finish()
    }
}

/// GET `/cases`.
pub async fn list(visit: Visit, Query(filters): Query<Filters>) -> Result<Response, Problem> {
    let doors: AppState = visit.doors.clone();
    let Answer(page) = cases::list(State(doors), Query(filters.query())).await?;
    let here = filters.address(None);
    let views = VIEWS.iter().map(|(label, query)| View {
        label,
        path: if query.is_empty() { "/cases".to_owned() } else { format!("/cases?{query}") },
        here: here == *query,
    });
    let view = List {
        next: page.next.as_deref().map(|cursor| format!("/cases?{}", filters.address(Some(cursor)))),
        items: page.items,
        views: views.collect(),
        policies: visit.doors.engine().active().set.policies.keys().cloned().collect(),
        states: STATES,
        filters,
    };
    visit.page("cases.html", "Cases", Place::Cases, &view)
}
