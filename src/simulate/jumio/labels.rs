//! The capabilities of the vendor's labels. This module must not know executions.

use super::execution::Outcome;

const USABILITY_WARNING: &[&str] = &["UNSUPPORTED_COUNTRY", "UNSUPPORTED_DOCUMENT_TYPE"];
const USABILITY: &[&str] = &[
    "BAD_QUALITY",
    "BLURRED",
    "BAD_QUALITY_IMAGE",
    "PART_OF_DOCUMENT_MISSING",
    "PART_OF_DOCUMENT_HIDDEN",
    "DAMAGED_DOCUMENT",
    "GLARE",
    "MISSING_MANDATORY_DATAPOINTS",
    "BLACK_WHITE",
    "MISSING_PAGE",
    "MISSING_SIGNATURE",
    "NOT_A_DOCUMENT",
    "PHOTOCOPY",
];
const IMAGE: &[&str] = &[
    "MANIPULATED_DOCUMENT",
    "DIGITAL_COPY",
    "DIGITAL_MANIPULATION",
    "FAKE",
    "SAMPLE",
    "WATERMARK",
    "PUNCHED",
    "GHOST_IMAGE_DIFFERENT",
    "MISMATCH_FRONT_BACK",
    "CHIP_MISSING",
    "OTHER_REJECTION",
];
const IMAGE_WARNING: &[&str] = &["DIFFERENT_PERSON", "REPEATED_FACE"];
const DATA_WARNING: &[&str] = &["DOCUMENT_EXPIRY_WITHIN_CONFIGURED_LIMIT"];
const DATA: &[&str] = &[
    "NFC_CERTIFICATE",
    "MISMATCHING_DATAPOINTS",
    "MRZ_CHECKSUM",
    "MISMATCHING_DATA_REPEATED_FACE",
    "MISMATCH_HRZ_MRZ_DATA",
    "HIGH_FRAUD_RISK",
    "CUSTOMER_FEEDBACK",
];
const LIVENESS_WARNING: &[&str] = &["AGE_DIFFERENCE"];
const LIVENESS: &[&str] = &[
    "LIVENESS_UNDETERMINED",
    "ID_USED_AS_SELFIE",
    "MULTIPLE_PEOPLE",
    "MANIPULATED",
    "NO_FACE_PRESENT",
    "FACE_NOT_FULLY_VISIBLE",
];

/// The labels that the simulator knows, without those of other checks than of a document and a face.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    let lists =
        [USABILITY, USABILITY_WARNING, IMAGE, IMAGE_WARNING, DATA, DATA_WARNING, LIVENESS, LIVENESS_WARNING];
    lists.into_iter().flatten().copied()
}

/// The capability and the label of `LABEL` or `capability:LABEL`. An unknown label belongs to imageChecks, where
/// most of the vendor's new labels have appeared.
pub(super) fn place(text: &str) -> (&str, &str) {
    if let Some(split) = text.split_once(':') {
        return split;
    }
    let capability = match text {
        label if USABILITY_WARNING.contains(&label) || USABILITY.contains(&label) => "usability",
        label if DATA_WARNING.contains(&label) || DATA.contains(&label) => "dataChecks",
        label if LIVENESS_WARNING.contains(&label) || LIVENESS.contains(&label) => "liveness",
        "NOT_POSSIBLE" | "NO_MATCH" | "NOT_MATCH" => "similarity",
        "ALERT" => "watchlistScreening",
        _ => "imageChecks",
    };
    (capability, text)
}

/// The outcome of a label in the mock dialect.
pub(super) fn outcome(label: &str) -> Outcome {
    let warns = [USABILITY_WARNING, IMAGE_WARNING, DATA_WARNING, LIVENESS_WARNING];
    match label {
        "OK" | "PASSED" | "MATCH" => Outcome::Pass,
        "NO_MATCH" | "NOT_MATCH" => Outcome::FaceMismatch,
        "NOT_POSSIBLE" | "ALERT" | "WARNING" => Outcome::Warn,
        label if warns.iter().any(|list| list.contains(&label)) => Outcome::Warn,
        _ => Outcome::Reject,
    }
}
