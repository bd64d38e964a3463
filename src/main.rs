//! creditd's command line; all of it is in [`creditd::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    creditd::cli::run()
}
