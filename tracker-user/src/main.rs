//! The `tracker` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tracker_user::cli::run()
}
