//! The commands in groups, as `proofd --help` lists them.

use std::fmt::Write as _;

use clap::Command;

/// The groups, in the order in which people meet them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Try", &["demo", "init", "dev", "simulate"]),
    ("Author", &["check", "test", "effects", "plan", "explain", "explain-code", "schema", "lsp"]),
    ("Operate", &["run", "doctor", "policy", "sweep", "event", "subject", "replicas", "store", "audit"]),
    ("Decide", &["case", "limits", "hold"]),
    ("More", &["openapi", "completions", "man", "help"]),
];

const TEMPLATE: &str =
    "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}{after-help}";

/// Lists the commands of the program in groups.
pub fn grouped(command: Command) -> Command {
    let mut text = String::new();
    for (group, names) in GROUPS {
        let _ = writeln!(text, "{group}:");
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            // A later version may have fewer commands than the groups name.
            if let Some(about) = about {
                let _ = writeln!(text, "  {name:<13} {about}");
            }
        }
        text.push('\n');
    }
    command.help_template(TEMPLATE).before_help(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::{GROUPS, grouped};

    #[test]
    fn every_command_is_in_one_group() {
        let text = grouped(super::super::Cli::command()).render_help().to_string();
        for command in super::super::Cli::command().get_subcommands() {
            let name = command.get_name();
            let groups = GROUPS.iter().filter(|(_, names)| names.contains(&name)).count();
            assert_eq!(groups, 1, "{name}");
            assert!(text.lines().any(|line| line.trim_start().starts_with(name)), "{name}: {text}");
        }
        for group in ["Try:", "Author:", "Operate:", "Decide:"] {
            assert!(text.contains(group), "{text}");
        }
    }

    #[test]
    fn every_command_has_a_text_and_an_example_and_every_argument_a_text() {
        let mut wrong = Vec::new();
        check(&super::super::Cli::command(), "proofd", &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    fn check(command: &Command, path: &str, wrong: &mut Vec<String>) {
        let blank = |text: Option<&clap::builder::StyledStr>| {
            text.is_none_or(|text| text.to_string().trim().is_empty())
        };
        if blank(command.get_about()) {
            wrong.push(format!("{path} has no text"));
        }
        for argument in command.get_arguments() {
            if blank(argument.get_help()) {
                wrong.push(format!("{path}: {} has no text", argument.get_id()));
            }
        }
        for command in command.get_subcommands() {
            check(command, &format!("{path} {}", command.get_name()), wrong);
        }
    }
}
