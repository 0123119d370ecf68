//! Colors of text on a terminal. None with NO_COLOR, with TERM=dumb, or if the output is not a terminal.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

/// The meaning of a color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Strong,
    Faint,
    Good,
    Warning,
    Bad,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
        }
    }
}

/// Returns whether standard output shows colors.
pub fn colors() -> bool {
    static COLORS: OnceLock<bool> = OnceLock::new();
    *COLORS.get_or_init(|| {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        wanted(
            std::io::stdout().is_terminal(),
            set("NO_COLOR").is_some(),
            set("TERM").is_some_and(|term| term == "dumb"),
        )
    })
}

fn wanted(terminal: bool, no_color: bool, dumb: bool) -> bool {
    terminal && !no_color && !dumb
}

/// Returns the text in a color, if colors are shown.
pub fn paint(tone: Tone, text: &str) -> String {
    if colors() && !text.is_empty() {
        format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
    } else {
        text.to_owned()
    }
}

/// The columns of the terminal; a pipe has the width of a usual one.
pub fn width() -> usize {
    const USUAL: usize = 100;
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let asked = || {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    };
    given.or_else(asked).unwrap_or(USUAL).max(40)
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn colors_need_a_terminal_that_did_not_refuse_them() {
        for (terminal, no_color, dumb, expected) in [
            (true, false, false, true),
            (true, true, false, false),
            (true, false, true, false),
            (false, false, false, false),
        ] {
            assert_eq!(wanted(terminal, no_color, dumb), expected, "{terminal} {no_color} {dumb}");
        }
    }
}
