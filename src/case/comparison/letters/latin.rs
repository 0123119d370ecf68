//! Latin letters that are not a base letter with a diacritic, or that zones write with two letters.

use super::Table;

pub(super) const LETTERS: Table = &[
    ("ä", &["a", "ae"]),
    ("å", &["a", "aa"]),
    ("æ", &["ae"]),
    ("ð", &["d", "dh"]),
    ("đ", &["d", "dj"]),
    ("ə", &["e", "a"]),
    ("ħ", &["h"]),
    ("ı", &["i"]),
    ("ł", &["l"]),
    ("ñ", &["n", "nxx"]),
    ("ŋ", &["n", "ng"]),
    ("ö", &["o", "oe"]),
    ("ø", &["o", "oe"]),
    ("œ", &["oe"]),
    ("ß", &["ss"]),
    ("þ", &["th"]),
    ("ŧ", &["t"]),
    ("ü", &["u", "ue", "uxx"]),
    ("ÿ", &["y", "ij"]),
];
