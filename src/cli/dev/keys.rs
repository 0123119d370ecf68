//! Keys of `dev`: single keys on a terminal, lines otherwise, and buttons of the first page.

use std::io::{IsTerminal as _, Read as _};

use chrono::TimeDelta;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::when;
use crate::engine::clock::Scaled;
use crate::model::Clock as _;
use crate::simulate::front::Key;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressed {
    /// Sets the clock forward.
    Forward(TimeDelta),
    /// Sets the speed of the clock.
    Speed(i32),
    Help,
    Quit,
}

/// The keys, with their text for the page and for the help.
pub const BUTTONS: &[Key] = &[
    Key { key: 'h', label: "an hour passes" },
    Key { key: 'd', label: "a day passes" },
    Key { key: 'w', label: "a week passes" },
    Key { key: '1', label: "real time" },
    Key { key: '2', label: "a minute per second" },
    Key { key: '3', label: "an hour per second" },
    Key { key: '4', label: "a day per second" },
];

impl Pressed {
    fn of(key: char) -> Option<Self> {
        Some(match key {
            'h' => Self::Forward(TimeDelta::hours(1)),
            'd' => Self::Forward(TimeDelta::days(1)),
            'w' => Self::Forward(TimeDelta::weeks(1)),
            '1' => Self::Speed(1),
            '2' => Self::Speed(60),
            '3' => Self::Speed(3_600),
            '4' => Self::Speed(86_400),
            '?' => Self::Help,
            'q' => Self::Quit,
            _ => return None,
        })
    }
}

/// Carries out a key, and returns what it did.
pub fn press(pressed: Pressed, clock: &Scaled) -> String {
    match pressed {
        Pressed::Forward(by) => {
            clock.advance(by);
            format!("{} later: {}", when::span(by), when::moment(clock.now()))
        }
        Pressed::Speed(factor) => {
            clock.set_factor(factor);
            format!("the clock runs {}", speed(factor))
        }
        Pressed::Help | Pressed::Quit => format!("keys: {}", help()),
    }
}

/// The speed of the clock in words.
pub fn speed(factor: i32) -> String {
    match factor {
        1 => "in real time".to_owned(),
        60 => "a minute per second".to_owned(),
        3_600 => "an hour per second".to_owned(),
        86_400 => "a day per second".to_owned(),
        other => format!("{other} times as fast as real time"),
    }
}

pub fn help() -> String {
    let keys: Vec<_> = BUTTONS.iter().map(|Key { key, label }| format!("{key} {label}")).collect();
    format!("{}, ? help, q or Ctrl-C end", keys.join(", "))
}

/// Reads keys until it is dropped.
#[derive(Debug)]
pub struct Keys {
    pressed: UnboundedReceiver<char>,
    /// The terminal's settings, which are restored at the end.
    before: Option<Termios>,
}

impl Keys {
    /// Sends the characters of standard input, and receives them with those that others send.
    pub fn listen(send: UnboundedSender<char>, pressed: UnboundedReceiver<char>) -> Self {
        let before = std::io::stdin().is_terminal().then(single_keys).flatten();
        // A thread of its own: a read of a terminal cannot be interrupted, and must not hold up the end.
        std::thread::spawn(move || {
            for byte in std::io::stdin().lock().bytes() {
                let Ok(byte) = byte else { return };
                if send.send(char::from(byte)).is_err() {
                    return;
                }
            }
        });
        Self { pressed, before }
    }

    /// Returns the next key; none for one without a meaning.
    pub async fn next(&mut self) -> Option<Pressed> {
        match self.pressed.recv().await {
            Some(key) => Pressed::of(key),
            // The page holds a sender as long as it is served.
            None => std::future::pending().await,
        }
    }
}

/// Makes the terminal deliver each key at once and not print it. Ctrl-C still sends its signal.
fn single_keys() -> Option<Termios> {
    let before = tcgetattr(std::io::stdin()).ok()?;
    let mut now = before.clone();
    now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    tcsetattr(std::io::stdin(), OptionalActions::Now, &now).ok()?;
    Some(before)
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that is gone needs no settings.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_button_moves_the_clock() {
        for Key { key, label } in BUTTONS {
            let clock = Scaled::from_now(7);
            let (before, factor) = (clock.now(), clock.factor());
            let pressed = Pressed::of(*key).unwrap();
            press(pressed, &clock);
            let moved = clock.now() - before >= TimeDelta::hours(1) || clock.factor() != factor;
            assert!(moved, "{key} {label}");
        }
        assert_eq!((Pressed::of('\n'), Pressed::of('q')), (None, Some(Pressed::Quit)));
    }
}
