//! Romanizations of names from other scripts, given in Latin letters. One original letter has several romanizations: a
//! key is one of them, and its values are all of them. They apply only if the document's country writes that script;
//! elsewhere `Ian` and `Jan` are two names.

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
    ("e", &["e", "ye", "ie", "je", "yo"]),
    ("ye", &["ye", "e", "ie", "je", "yo", "io", "jo"]),
    ("je", &["je", "e", "ie", "ye"]),
    ("ie", &["ie", "e", "ye", "je"]),
    ("yo", &["yo", "io", "jo", "e", "ye"]),
    ("io", &["io", "yo", "jo", "e", "ye"]),
    ("jo", &["jo", "io", "yo", "e", "ye"]),
    // и, й, ы, ий, ый
    ("i", &["i", "y", "j", "ii", "iy", "ij", "yi", "yy"]),
    ("y", &["y", "i", "j", "ii", "iy", "ij", "yi", "yy"]),
    ("j", &["j", "i", "y", "dzh"]),
    ("ii", &["ii", "iy", "ij", "yi", "yy", "y", "i"]),
    ("iy", &["iy", "ii", "ij", "yi", "yy", "y", "i"]),
    ("ij", &["ij", "ii", "iy", "yi", "yy", "y", "i"]),
    ("yi", &["yi", "ii", "iy", "ij", "yy", "y", "i"]),
    ("yy", &["yy", "ii", "iy", "ij", "yi", "y", "i"]),
    // х
    ("kh", &["kh", "h", "x"]),
    ("h", &["h", "kh", "x"]),
    // ц, ч, ш, щ, ж, кс, в
    ("c", &["c", "ts", "tc", "tz"]),
    ("ts", &["ts", "tc", "tz", "c"]),
    ("tc", &["tc", "ts", "tz", "c"]),
    ("tz", &["tz", "ts", "tc", "c"]),
    ("ch", &["ch", "tch"]),
    ("tch", &["tch", "ch"]),
    ("shch", &["shch", "sch", "sht"]),
    ("sch", &["sch", "shch", "sh"]),
    ("zh", &["zh", "j"]),
    ("dzh", &["dzh", "j"]),
    ("x", &["x", "ks", "kh", "h"]),
    ("ks", &["ks", "x"]),
    ("v", &["v", "w"]),
    ("w", &["w", "v"]),
];

/// Ukraine and Belarus print г as H.
pub(super) const WITH_H: Table = &[("g", &["g", "h"])];

/// Serbia and its neighbors print š, ž, č, ć and đ without their marks.
pub(super) const WITHOUT_MARKS: Table =
    &[("sh", &["sh", "s"]), ("zh", &["zh", "z"]), ("ch", &["ch", "c"]), ("dj", &["dj", "d"])];

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
    ("h", &["h", "ch"]),
    ("kh", &["kh", "ch", "h"]),
    ("ph", &["ph", "f"]),
    ("f", &["f", "ph", "v"]),
    ("v", &["v", "f", "u"]),
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
