//! Latin spellings of names that are written in another script at home. One letter there has several
//! romanizations; a key is one of them, and its ways are all of them. Used only if the document's country writes
//! that script: elsewhere `Ian` and `Jan` are two names.

use super::Table;

pub(super) const FROM_CYRILLIC: Table = &[
    // я, ия
    ("ia", &["ia", "ya", "ja", "iia", "iya", "ija"]),
    ("ya", &["ya", "ia", "ja", "iia", "iya", "ija"]),
    ("ja", &["ja", "ia", "ya", "iia", "iya", "ija"]),
    ("iia", &["iia", "ia", "ya", "ja", "iya", "ija"]),
    ("iya", &["iya", "ia", "ya", "ja", "iia", "ija"]),
    ("ija", &["ija", "ia", "ya", "ja", "iia", "iya"]),
    // ю
    ("iu", &["iu", "yu", "ju"]),
    ("yu", &["yu", "iu", "ju"]),
    ("ju", &["ju", "iu", "yu"]),
    // ё and е
    ("e", &["e", "ye", "ie", "je", "yo", "io", "jo"]),
    ("ye", &["ye", "e", "ie", "je", "yo", "io", "jo"]),
    ("je", &["je", "e", "ie", "ye"]),
    ("ie", &["ie", "e", "ye", "je"]),
    ("yo", &["yo", "io", "jo", "e", "ye"]),
    ("io", &["io", "yo", "jo", "e", "ye"]),
    ("jo", &["jo", "io", "yo", "e", "ye"]),
    // и, й, ы, ий, ый
    ("i", &["i", "y", "j", "ii", "iy", "ij", "yi", "yy"]),
    ("y", &["y", "i", "j", "ii", "iy", "ij", "yi", "yy", ""]),
    ("j", &["j", "i", "y", "dzh", "dj"]),
    ("ii", &["ii", "iy", "ij", "yi", "yy", "y", "i"]),
    ("iy", &["iy", "ii", "ij", "yi", "yy", "y", "i"]),
    ("ij", &["ij", "ii", "iy", "yi", "yy", "y", "i"]),
    ("yi", &["yi", "ii", "iy", "ij", "yy", "y", "i"]),
    ("yy", &["yy", "ii", "iy", "ij", "yi", "y", "i"]),
    // х, г
    ("kh", &["kh", "h", "x"]),
    ("h", &["h", "kh", "g", "x"]),
    ("g", &["g", "h"]),
    // ц, ч, ш, щ, ж, кс, в
    ("c", &["c", "ts", "tc", "tz", "ch"]),
    ("ts", &["ts", "tc", "tz", "c"]),
    ("tc", &["tc", "ts", "tz", "c"]),
    ("tz", &["tz", "ts", "tc", "c"]),
    ("ch", &["ch", "c", "tch"]),
    ("tch", &["tch", "ch", "c"]),
    ("sh", &["sh", "s"]),
    ("shch", &["shch", "sch", "sht"]),
    ("sch", &["sch", "shch", "sh"]),
    ("zh", &["zh", "z", "j"]),
    ("dzh", &["dzh", "j", "dj"]),
    ("dj", &["dj", "j", "dzh", "d"]),
    ("x", &["x", "ks", "kh", "h"]),
    ("ks", &["ks", "x"]),
    ("v", &["v", "w"]),
    ("w", &["w", "v"]),
];

pub(super) const FROM_GREEK: Table = &[
    // μπ, ντ, γγ, γκ
    ("b", &["b", "mp", "mb", "v"]),
    ("mp", &["mp", "b", "mb"]),
    ("mb", &["mb", "b", "mp"]),
    ("d", &["d", "nt", "nd"]),
    ("nt", &["nt", "d", "nd"]),
    ("nd", &["nd", "d", "nt"]),
    ("ng", &["ng", "gg", "gk", "nk"]),
    ("gg", &["gg", "ng", "gk"]),
    ("g", &["g", "gk", "y"]),
    // χ, φ, β, ξ, θ
    ("ch", &["ch", "h", "kh"]),
    ("h", &["h", "ch", "i"]),
    ("kh", &["kh", "ch", "h"]),
    ("ph", &["ph", "f"]),
    ("f", &["f", "ph", "v"]),
    ("v", &["v", "b", "f", "u"]),
    ("x", &["x", "ks"]),
    ("ks", &["ks", "x"]),
    ("th", &["th"]),
    // ου, ει, οι, η, υ
    ("u", &["u", "ou", "y"]),
    ("ou", &["ou", "u"]),
    ("i", &["i", "y", "ei", "oi"]),
    ("y", &["y", "i", "ei", "oi", "u"]),
    ("ei", &["ei", "i", "y"]),
    ("oi", &["oi", "i", "y"]),
    // κ
    ("c", &["c", "k"]),
    ("k", &["k", "c"]),
];
