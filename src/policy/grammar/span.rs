//! Help texts for lengths of time in another notation.

/// Returns the help for a text that is not a valid length of time.
pub(super) fn meant(text: &str, expected: &str) -> String {
    let text = text.trim();
    let number = text.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ',')).count();
    let (number, rest) = text.split_at(number);
    let unit = unit(rest.trim());
    let whole = number.parse::<u32>().ok();
    match (whole, unit) {
        (Some(0), Some(_)) => "zero is not allowed; write a duration such as 14d".to_owned(),
        (Some(number), Some("mo")) => {
            format!("m means minutes and there is no unit for months: write {}d", u64::from(number) * 30)
        }
        (Some(number), Some(unit)) if text == format!("{number}{unit}") => {
            format!("the maximum is 100y, or 1000bd; write {expected}")
        }
        (Some(number), Some(unit)) => {
            format!("write {number}{unit}, without a space and with the short unit")
        }
        (None, Some(unit)) if !number.is_empty() => part(number, unit)
            .unwrap_or_else(|| format!("fractions are not allowed: use a smaller unit, such as {expected}")),
        _ => format!("write {expected}"),
    }
}

/// Converts a fraction such as `1.5d` to whole units of the next smaller size.
fn part(number: &str, unit: &str) -> Option<String> {
    let (size, smaller) = match unit {
        "m" => (60.0, "s"),
        "h" => (60.0, "m"),
        "d" => (24.0, "h"),
        "w" => (7.0, "d"),
        _ => return None,
    };
    let whole = number.replace(',', ".").parse::<f64>().ok()? * size;
    let exact = whole.fract() == 0.0 && (1.0..1e6).contains(&whole);
    exact.then(|| format!("fractions are not allowed: write {whole}{smaller}"))
}

/// Returns the short unit for a word.
fn unit(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "wk" | "week" | "weeks" => "w",
        "mo" | "mon" | "month" | "months" => "mo",
        "y" | "yr" | "year" | "years" => "y",
        "bd" | "business day" | "business days" | "working days" | "workdays" => "bd",
        _ => return None,
    })
}
