//! The command line: what is asked for, and how it ends.

mod apply;
mod bench;
mod child;
mod doctor;
mod exit;
mod guard;
mod lab;
mod live;
mod profile;
mod prove;
mod recommend;
mod rollback;
mod show;
mod signals;
mod stop;
mod whatif;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use tracker_vm::process::say;

use exit::{Exit, UsageError};

/// Profiles Linux connection tracking and recommends its settings from what it saw.
#[derive(Parser)]
#[command(version, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    /// Which diagnostics go to stderr, those of the programs in the kernel included
    #[arg(long, global = true, value_name = "LEVEL", default_value = "warn")]
    log_level: LogLevel,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show what this machine offers, who sets its connection tracking, and what to mend
    Doctor(doctor::Args),
    /// Watch this machine's connection tracking and write a recording
    Profile(profile::Args),
    /// Show what a recording holds
    Show(show::Args),
    /// Recommend settings from one or more recordings
    Recommend(recommend::Args),
    /// Show what other settings would do, beside today's
    Whatif(whatif::Args),
    /// Write a plan's values, and remember the old ones
    Apply(apply::Args),
    /// Restore the values from before a plan was applied
    Rollback(rollback::Args),
    /// Try a plan on a real kernel in a virtual machine, with traffic like what was recorded
    Prove(prove::Args),
    /// Make known traffic between namespaces of its own
    #[command(subcommand)]
    Lab(lab::Command),
    /// Show what watching costs: the same flood unobserved and under several observers
    Bench(bench::Args),
}

/// Levels of diagnostics.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogLevel {
    /// None.
    Off,
    /// What failed.
    Error,
    /// What may be wrong.
    Warn,
    /// What was done.
    Info,
    /// Every oddity of an entry.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for log::LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::Off,
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    env_logger::Builder::new()
        .filter_level(cli.log_level.into())
        // What the loader says of every relocation is no diagnostic of this program.
        .filter_module("aya", log::LevelFilter::Warn)
        .filter_module("aya_obj", log::LevelFilter::Warn)
        .format_target(false)
        .format_timestamp(None)
        .init();
    let result = match &cli.command {
        Command::Doctor(args) => doctor::run(args, cli.log_level),
        Command::Profile(args) => profile::run(args, cli.log_level),
        Command::Show(args) => show::run(args),
        Command::Recommend(args) => recommend::run(args),
        Command::Whatif(args) => whatif::run(args),
        Command::Apply(args) => apply::run(args, cli.log_level),
        Command::Rollback(args) => rollback::run(args),
        Command::Prove(args) => prove::run(args),
        Command::Lab(command) => lab::run(command),
        Command::Bench(args) => bench::run(args),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = match cli.command {
                Command::Prove(_) | Command::Lab(lab::Command::Prove(_)) => {
                    exit::of_no_proof(&error)
                }
                _ => exit::of(&error),
            };
            if !exit::is_closed_pipe(&error) {
                // The errors hold the words of their causes.
                say(&format!("tracker: {error}"));
            }
            exit.into()
        }
    }
}

/// Prints to stdout. Closed by its reader (`| head`), it ends the program without a word.
fn print(text: &str) -> anyhow::Result<()> {
    write(text).map_err(|error| {
        let said = format!("stdout cannot be written: {error}. Make room where it goes");
        anyhow::Error::new(error).context(said)
    })
}

fn write(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Writes a file whole or not at all.
fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(|error| {
            // What could not be written whole is not left behind.
            let _ = std::fs::remove_file(&new);
            anyhow::anyhow!(
                "{} cannot be written: {error}. Name a file in a folder that you may write",
                path.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
