//! Pages, columns and cursors of lists in v2 and v1. This module must not know the listed items.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Ask, Content, Refusal};
use super::text::{decode, encode};

pub(super) type Row = Map<String, Value>;

/// Keeps the columns named in `fields`, otherwise the list's default columns.
pub(super) fn columns(ask: &Ask, row: Row, default: Option<&[&str]>) -> Row {
    let asked = ask.param("fields").map(|fields| fields.split(',').map(str::trim).collect::<Vec<_>>());
    let Some(keep) = asked.or_else(|| default.map(<[&str]>::to_vec)) else { return row };
    let keeps = |key: &str| keep.iter().any(|one| *one == key || one.starts_with(&format!("{key}.")));
    row.into_iter().filter(|(key, _)| keeps(key)).collect()
}

/// A v2 list: a bare array and headers. The cursor is only a page number, so rows move between pages during a
/// read. The Link header names an API version that clients should not use.
pub(super) fn pages<T>(
    ask: &Ask,
    items: Vec<T>,
    most: usize,
    subdomain: &str,
    row: impl Fn(T) -> Row,
) -> Result<Answer, Refusal> {
    let mut limit = ask.number("limit").unwrap_or(50);
    let mut page = ask.number("page").unwrap_or(1);
    if let Some(cursor) = ask.param("cursor").filter(|cursor| !cursor.is_empty()) {
        let text = decode(cursor).ok_or_else(|| Refusal::v2(400, "cursor is invalid"))?;
        for (key, value) in url::form_urlencoded::parse(text.as_bytes()) {
            match (key.as_ref(), value.parse()) {
                ("limit", Ok(value)) => limit = value,
                ("page", Ok(value)) => page = value,
                (_, Ok(_) | Err(_)) => return Err(Refusal::v2(400, "cursor is invalid")),
            }
        }
    }
    let limit = usize::try_from(limit).unwrap_or(0).clamp(1, most);
    let page = usize::try_from(page).unwrap_or(1).max(1);
    let total = items.len();
    let last = total.div_ceil(limit).max(1);
    let from = (page - 1).saturating_mul(limit);
    let shown: Vec<Row> = items.into_iter().skip(from).take(limit).map(row).collect();
    let cursor = |page: usize| encode(&format!("limit={limit}&page={page}"));
    let mut headers = vec![
        ("current-page", page.to_string()),
        ("page-items", limit.to_string()),
        ("total-count", total.to_string()),
        ("total-pages", last.to_string()),
    ];
    if page < last {
        let name = ask.path.rsplit('/').next().unwrap_or("");
        let link =
            format!("<https://{subdomain}.onelogin.com/api/v5/{name}?page={}>; rel=\"next\"", page + 1);
        headers.push(("after-cursor", cursor(page + 1)));
        headers.push(("link", link));
    }
    if page > 1 {
        headers.push(("before-cursor", cursor(page - 1)));
    }
    Ok(Answer { code: 200, headers, content: Content::Json(json!(shown)) })
}

/// A v1 list: an envelope with a keyset cursor, null at the end. Items come with their ids and sorted by them,
/// in either direction; only items of the page are converted to rows.
pub(super) fn envelope<T>(
    ask: &Ask,
    items: &[(i64, T)],
    most: usize,
    subdomain: &str,
    row: impl Fn(&T) -> Row,
) -> Result<Answer, Refusal> {
    let limit = usize::try_from(ask.number("limit").unwrap_or(50)).unwrap_or(0).clamp(1, most);
    let place = |cursor: &str| -> Result<usize, Refusal> {
        let bad = || Refusal::attribute("after_cursor is incorrect", "after_cursor");
        let at = decode(cursor)
            .and_then(|text| text.strip_prefix("id:::")?.parse::<i64>().ok())
            .ok_or_else(bad)?;
        Ok(items.iter().position(|(id, _)| *id == at).map_or(items.len(), |at| at + 1))
    };
    let (from, to) = match (ask.param("after_cursor"), ask.param("before_cursor")) {
        (Some(cursor), _) if !cursor.is_empty() => (place(cursor)?, usize::MAX),
        (_, Some(cursor)) if !cursor.is_empty() => {
            let end = place(cursor)?.saturating_sub(1);
            (end.saturating_sub(limit), end)
        }
        (Some(_) | None, Some(_) | None) => (0, usize::MAX),
    };
    let to = to.min(from.saturating_add(limit)).min(items.len());
    let shown = items.get(from..to).unwrap_or_default();
    let cursor = |item: Option<&(i64, T)>| item.map(|(id, _)| encode(&format!("id:::{id}")));
    let after = if to < items.len() { cursor(shown.last()) } else { None };
    let before = if from > 0 { cursor(shown.first()) } else { None };
    let link = |name: &str, cursor: &Option<String>| {
        cursor.as_ref().map(|cursor| format!("https://{subdomain}.onelogin.com{}?{name}={cursor}", ask.path))
    };
    let pagination = json!({
        "before_cursor": before, "after_cursor": after,
        "previous_link": link("before_cursor", &before), "next_link": link("after_cursor", &after)
    });
    let shown: Vec<Row> = shown.iter().map(|(_, item)| columns(ask, row(item), None)).collect();
    Ok(Answer::json(
        200,
        json!({"status": {"error": false, "code": 200, "type": "success", "message": "Success"},
               "pagination": pagination, "data": shown}),
    ))
}
