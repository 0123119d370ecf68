//! `store verify`: prints what the check of a store found.

use anyhow::anyhow;
use serde::Serialize;

use super::super::when;
use super::{Ending, Failed, Place, compose, directory, failed, output, store};
use crate::engine::replay::{self, Replayed};

/// The findings, or why decisions could not be repeated.
#[derive(Debug, Serialize)]
struct Verified {
    #[serde(flatten)]
    store: store::Report,
    /// Whether the journal holds the given head.
    holds_head: Option<bool>,
    decisions: Option<Replayed>,
    decisions_left_out: Option<String>,
}

pub(super) fn verify(place: &Place, head: Option<store::Head>, json: bool) -> Result<Ending, Failed> {
    let (dir, settings) = match &place.dir {
        Some(dir) => (dir.clone(), Err(anyhow!("--dir has no configuration; use --config FILE"))),
        None => {
            let configured = compose::read(&place.config).map_err(Failed::usage)?;
            // An unreadable secret must not prevent a check of the store.
            (directory(&configured.config)?, configured.settings())
        }
    };
    let holds_head = head.map(|head| store::holds(&dir, head)).transpose().map_err(failed)?;
    let verified = match settings {
        Ok(settings) => replay::verify(&dir, &settings).map(|(store, found)| Verified {
            store,
            holds_head,
            decisions: Some(found),
            decisions_left_out: None,
        }),
        Err(why) => store::verify(&dir).map(|store| Verified {
            store,
            holds_head,
            decisions: None,
            decisions_left_out: Some(format!("{why:#}")),
        }),
    };
    let verified = verified.map_err(failed)?;
    if json {
        output::json(&verified);
    } else {
        tell_store(&verified.store);
        match holds_head {
            Some(true) => output::line("the journal contains the head given with --head"),
            Some(false) => output::line(
                "the journal does not contain the head given with --head: it is shorter, or another journal",
            ),
            None => {}
        }
        verified.decisions.iter().for_each(tell_decisions);
        if let Some(why) = &verified.decisions_left_out {
            output::line(&format!("decisions were not repeated: {why}"));
        }
    }
    let differs = verified.store.different > 0
        || verified.store.lost.is_some()
        || holds_head == Some(false)
        || verified.decisions.is_some_and(|decisions| decisions.different > 0);
    Ok(match (differs, verified.store.accepted_losses.is_empty()) {
        (true, _) => Ending::No,
        (false, true) => Ending::Ok,
        (false, false) => Ending::NotWhole,
    })
}

fn tell_store(report: &store::Report) {
    output::line(&format!("{} records, chain head {}", report.records, report.head));
    for difference in &report.differences {
        output::line(&format!("  differs: {difference}"));
    }
    for order in &report.redactions {
        let records = order.records.map_or_else(
            || "the journal still has to be rewritten".to_owned(),
            |records| format!("{records} records redacted"),
        );
        output::line(&format!(
            "  removed by record {} of {} ({}): {records}",
            order.entry,
            order.at.format("%F %T UTC"),
            order.class.word()
        ));
    }
    for accepted in &report.accepted_losses {
        output::line(&format!(
            "  accepted loss of {}: {}; reason: {}",
            when::moment(accepted.at),
            accepted.loss,
            output::visible(&accepted.reason)
        ));
        for case in &accepted.cases {
            output::line(&format!("    case {case}"));
        }
    }
    if let Some(lost) = &report.lost {
        output::line(&format!("lost: {lost}"));
        return;
    }
    output::line(if report.differences.is_empty() {
        "the state matches the journal"
    } else {
        "the state differs from the journal; move the directory `state` away and start the daemon to rebuild it"
    });
}

fn tell_decisions(decisions: &Replayed) {
    for difference in &decisions.differences {
        output::line(&format!("  decided differently: {difference}"));
    }
    let others = decisions.elsewhere + decisions.unrecorded;
    let left = match others {
        0 => String::new(),
        some => format!("; {some} made under another configuration or version are skipped"),
    };
    output::line(&match decisions.different {
        0 => format!("{} decisions repeated with the same result{left}", decisions.decided),
        some => format!("{some} of {} repeated decisions differ{left}", decisions.decided),
    });
}
