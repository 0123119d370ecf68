//! What a shadow policy would have done.

use crate::api::shadow::{ShadowEnd, ShadowLine};
use crate::case::shadow;

impl From<shadow::Line> for ShadowLine {
    fn from(shadow::Line { at, step, would }: shadow::Line) -> Self {
        Self { at, step, would }
    }
}

impl From<shadow::End> for ShadowEnd {
    fn from(end: shadow::End) -> Self {
        match end {
            shadow::End::Closed { result, at } => Self::Closed { result, at },
            shadow::End::InGrace { result, until } => Self::InGrace { result, until },
            shadow::End::Stuck { because } => Self::Stuck { because },
            shadow::End::Unknown { because } => Self::Unknown { because },
        }
    }
}
