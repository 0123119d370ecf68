//! The command line. `run` and `demo` compose the program's modules; the other commands use a running daemon or
//! files.
//!
//! | file | what |
//! |---|---|
//! | `serve` | `run`: the daemon, from configuration to shutdown |
//! | `activation` | sockets that systemd holds open for the daemon |
//! | `opening` | opens the daemon's store: progress for systemd, waiting for free space |
//! | `compose` | builds connectors and access from a configuration |
//! | `rehearsal` | an accelerated clock for simulators |
//! | `notify` | notifications to systemd |
//! | `demo` | the whole product without setup |
//! | `dev` | simulators and the daemon on a tree, for authors of policies |
//! | `stage` | simulators and the daemon in one process, for both |
//! | `sign_in` | the seam to the console |
//! | `live`, `sentences` | journals of cases in words, as they grow |
//! | `help` | the commands in groups |
//! | `init` | a tree to start from |
//! | `simulate` | the simulators alone |
//! | `hurts` | settings of which `doctor` warns |
//! | `check`, `explain_code`, `effects`, `schema`, `doctor`, `store` | use files and connectors |
//! | `verdict` | differences of effects, worst first |
//! | `plan`, `foreseen` | preview of another tree, with a back-test by the daemon |
//! | `lsp` | a language server for editors |
//! | `test`, `junit` | runs policy tests; their results for build servers |
//! | `case_list`, `case_show`, `find` | cases for people; finds the case or person that somebody means |
//! | `client`, `cases`, `migrate`, `events`, `explain`, `policies`, `sweeps` | use a running daemon |
//! | `manual` | shell completions and manual pages |
//! | `read` | reads a policy tree on disk |
//! | `output` | the only module that prints |
//! | `style`, `when` | colors and the width of a terminal; times for people |

mod activation;
mod case_list;
mod case_show;
mod cases;
mod check;
mod client;
pub mod compose;
mod demo;
mod descriptors;
mod dev;
mod doctor;
mod effects;
mod events;
mod explain;
mod explain_code;
mod find;
mod foreseen;
mod help;
mod hurts;
mod init;
mod junit;
mod live;
mod lsp;
mod manual;
mod migrate;
mod notify;
mod opening;
mod output;
mod plan;
mod policies;
mod read;
mod rehearsal;
mod schema;
mod sentences;
mod serve;
mod sign_in;
mod simulate;
mod stage;
mod store;
mod style;
mod subject;
mod sweeps;
mod test;
mod verdict;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// Identity proofing as policy files
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Begin: proofd demo, then proofd init DIR && proofd dev DIR\nExit codes: 0 success, 1 failed or refused, 2 wrong use or bad configuration, 3 the daemon or a connector cannot be reached, 4 the store has accepted losses (store verify)"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print JSON; an error is then one JSON object on standard error
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the demo: simulated providers and mail, shipped policies, nothing to set up
    #[command(after_help = "Example: proofd demo --exit")]
    Demo(demo::Arguments),
    /// Write a tree to start from: policies, tests, mails and a configuration; overwrites nothing
    #[command(after_help = "Example: proofd init proofing --template registration")]
    Init(init::Arguments),
    /// Run simulators and the daemon on a policy tree, with reload and a faster clock; calls no real provider
    #[command(after_help = "Example: proofd init proofing && proofd dev proofing --speed 60")]
    Dev(dev::Arguments),
    /// Run the daemon
    #[command(after_help = "Example: proofd run --config /etc/proofd/proofd.yaml")]
    Run {
        /// Configuration file
        #[arg(long, env = "PROOFD_CONFIG", value_name = "FILE", default_value = client::DEFAULT_CONFIG)]
        config: PathBuf,
        /// Run on a faster clock; simulators on this machine only
        ///
        /// FACTOR is how many times faster, such as 600. FACTOR@ORIGIN counts from a time, such as
        /// 60@2026-01-05T09:00:00Z, so that several processes and restarts share one clock.
        #[arg(long, value_name = "FACTOR[@ORIGIN]")]
        rehearse: Option<rehearsal::Rehearsal>,
    },
    /// Check a policy tree and report every error
    #[command(after_help = "Example: proofd check policies --format sarif > check.sarif")]
    Check(check::Arguments),
    /// Run policy tests on a simulated clock
    #[command(after_help = "Example: proofd test policies --coverage --junit results.xml")]
    Test(test::Arguments),
    /// List the effects that policies can have, and the paths that lead to them
    #[command(after_help = "Example: proofd effects registration-proofing --diff ../edited/policies")]
    Effects(effects::Arguments),
    /// Preview a policy tree: tests, changed effects, back-test, open cases
    #[command(after_help = "Example: proofd plan ../edited/policies --export people.csv")]
    Plan(plan::Arguments),
    /// Explain a diagnosis of `check`: what it means and how to fix it
    #[command(after_help = "Example: proofd explain-code P0303")]
    ExplainCode {
        /// Number or name of the diagnosis, such as P0303 or missing-outcome; lists all if left out
        code: Option<String>,
    },
    /// Run the language server for editors on standard input and output
    ///
    /// Shows the diagnoses of `check` and failed policy tests while you type. Finds definitions and uses of blocks,
    /// steps, functions, templates, verifications, teams, queues and settings, and completes their names. Use it
    /// together with a YAML language server, which completes keys from the schema.
    #[command(after_help = lsp::EXAMPLES)]
    Lsp(lsp::Arguments),
    /// Print the JSON Schema of a file, for editors
    #[command(after_help = "Example: proofd schema policy > policy.schema.json")]
    Schema {
        /// The kind of file
        which: schema::Which,
    },
    /// Print the OpenAPI document of the HTTP API
    #[command(after_help = "Example: proofd openapi > openapi.json")]
    Openapi,
    /// Check the configuration, each connector, the store and the policies; sends nothing to people
    #[command(after_help = "Example: proofd doctor --config proofd.yaml --mail-to me@example.com")]
    Doctor(doctor::Arguments),
    /// List, show, decide and change cases
    #[command(after_help = "Example: proofd case decide CASE approve --reason 'seen in person'")]
    Case {
        #[command(flatten)]
        daemon: Daemon,
        #[command(subcommand)]
        command: cases::Command,
    },
    /// List, release or drop effects over a limit
    #[command(alias = "held", after_help = "Example: proofd limits release CASE --reason 'checked with HR'")]
    Limits {
        #[command(flatten)]
        daemon: Daemon,
        #[command(subcommand)]
        command: cases::Limits,
    },
    /// List and lift holds: suspensions and withheld roles, those of closed cases included
    #[command(after_help = "Example: proofd hold lift CASE --reason 'identity confirmed in person'")]
    Hold {
        #[command(flatten)]
        daemon: Daemon,
        #[command(subcommand)]
        command: cases::Hold,
    },
    /// Show, export or erase everything about one person
    #[command(after_help = "Example: proofd subject show user/17 --reason 'request of 3 May'")]
    Subject {
        #[command(flatten)]
        daemon: Daemon,
        #[command(subcommand)]
        command: subject::Command,
    },
    /// Send events to the daemon
    #[command(after_help = "Example: proofd event send hires.ndjson")]
    Event {
        #[command(flatten)]
        daemon: Daemon,
        #[command(subcommand)]
        command: events::Command,
    },
    /// Show, compare, release and revert the daemon's policies
    #[command(after_help = "Example: proofd policy reload")]
    Policy {
        #[command(flatten)]
        daemon: Daemon,
        #[command(subcommand)]
        command: policies::Command,
    },
    /// Explain why policies did or did not open a case for a person
    ///
    /// Prints the deciding clause, its values and the smallest change that would turn it. With --try, --with or
    /// --policies it is a dry run: an event that did not happen, other values, or an edited tree. A dry run records
    /// and opens nothing.
    #[command(after_help = "Example: proofd explain --subject user/17 --at 2026-01-05T09:00:00Z\n\
        Example: proofd explain --subject user/17 --try login.risk --with score=70 --policies ../edited/policies\n\
        Example: proofd explain --subject user/17 --try sweep")]
    Explain(explain::Arguments),
    /// List sweeps: schedules over the population
    #[command(after_help = "Example: proofd sweep list")]
    Sweep {
        #[command(flatten)]
        daemon: Daemon,
        #[command(subcommand)]
        command: sweeps::Command,
    },
    /// Verify, repair and inspect the store on this machine
    #[command(after_help = "Example: proofd store verify --config proofd.yaml")]
    Store {
        #[command(subcommand)]
        command: store::Command,
    },
    /// Run the simulators alone, to develop against them
    #[command(after_help = "Example: proofd simulate all")]
    Simulate(simulate::Arguments),
    /// Print completions for a shell
    #[command(
        after_help = "Example: proofd completions bash > /usr/share/bash-completion/completions/proofd"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all commands to a directory
    #[command(after_help = "Example: proofd man /usr/local/share/man/man1")]
    Man {
        /// Directory for one page per command; prints the main page if left out
        dir: Option<PathBuf>,
    },
}

/// How a command finds the daemon.
#[derive(Debug, Clone, Default, Args)]
struct Daemon {
    /// Address of the daemon, such as https://proofd.example.com; by default from the configuration
    #[arg(long, env = "PROOFD_URL", global = true)]
    url: Option<String>,
    /// File with the token; by default PROOFD_TOKEN, or a token of the configuration
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// Configuration of a daemon on this machine [default: /etc/proofd/proofd.yaml, else proofd.yaml here]
    #[arg(long, env = "PROOFD_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

/// The result of a command, as an exit code for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Ok,
    /// Failed or refused: a check failed, a case was not found, a decision was refused.
    No,
    /// Wrong use or bad configuration.
    Usage,
    /// A connector or the daemon could not be reached.
    Unreachable,
    /// The store has no new damage, but it has losses that were accepted. Or a person is erased, and a part is pending.
    NotWhole,
}

impl Ending {
    fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::NotWhole => 4,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending.code())
    }
}

/// An error with its exit code.
#[derive(Debug)]
struct Failed {
    ending: Ending,
    error: anyhow::Error,
}

impl Failed {
    fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { ending: Ending::Usage, error: error.into() }
    }

    fn unreachable(error: impl Into<anyhow::Error>) -> Self {
        Self { ending: Ending::Unreachable, error: error.into() }
    }

    fn no(error: impl Into<anyhow::Error>) -> Self {
        Self { ending: Ending::No, error: error.into() }
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self { ending: Ending::No, error }
    }
}

/// Runs the program: the whole of `main`.
pub fn main() -> ExitCode {
    let parsed = help::grouped(Cli::command()).try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let json = cli.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return output::failed(
                &Failed::no(anyhow::anyhow!("the runtime cannot be started: {error}")),
                json,
            );
        }
    };
    match runtime.block_on(dispatch(cli)) {
        Ok(ending) => ending.into(),
        Err(failed) => output::failed(&failed, json),
    }
}

/// Handles a parse error of clap; help and version are successful results.
fn misused(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().skip(1).take_while(|one| one != "--").any(|one| one == "--json");
    if error.use_stderr() && json {
        let message = error.render().to_string();
        let message = message.trim().trim_start_matches("error: ").to_owned();
        return output::failed(&Failed::usage(anyhow::anyhow!(message)), true);
    }
    error.exit()
}

async fn dispatch(cli: Cli) -> Result<Ending, Failed> {
    let json = cli.json;
    match cli.command {
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Init(arguments) => init::run(&arguments, json),
        Command::Run { config, rehearse } => serve::run(&config, rehearse).await,
        Command::Check(arguments) => check::run(&arguments, json),
        Command::Test(arguments) => test::run(&arguments, json),
        Command::Effects(arguments) => effects::run(&arguments, json),
        Command::Plan(arguments) => plan::run(&arguments, json).await,
        Command::ExplainCode { code } => explain_code::run(code.as_deref(), json),
        Command::Lsp(arguments) => lsp::run(arguments),
        Command::Schema { which } => Ok(schema::run(which)),
        Command::Openapi => {
            output::json(&crate::http::document());
            Ok(Ending::Ok)
        }
        Command::Doctor(arguments) => doctor::run(&arguments, json).await,
        Command::Case { daemon, command } => cases::run(&daemon, command, json).await,
        Command::Limits { daemon, command } => cases::limits(&daemon, command, json).await,
        Command::Hold { daemon, command } => cases::holds(&daemon, command, json).await,
        Command::Subject { daemon, command } => subject::run(&daemon, command, json).await,
        Command::Event { daemon, command } => events::run(&daemon, command, json).await,
        Command::Policy { daemon, command } => policies::run(&daemon, command, json).await,
        Command::Explain(arguments) => explain::run(arguments, json).await,
        Command::Sweep { daemon, command } => sweeps::run(&daemon, &command, json).await,
        Command::Store { command } => store::run(&command, json),
        Command::Simulate(arguments) => simulate::run(arguments).await,
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { dir } => manual::pages(dir.as_deref()),
    }
}
