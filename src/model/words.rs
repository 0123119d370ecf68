//! Words of closed enums, as files, policies and answers write them. One list gives all four forms: a variant without
//! a word does not compile.

macro_rules! words {
    ($name:ident { $($variant:ident => $word:literal),* $(,)? }) => {
        impl $name {
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),*
                }
            }

            pub fn of_word(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|one| one.word() == word)
            }
        }
    };
}

pub(crate) use words;
