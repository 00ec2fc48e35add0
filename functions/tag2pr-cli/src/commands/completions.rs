//! `tag2pr completions`: what makes the Tab key work.

use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;
use serde_json::json;

use crate::output::{CommandResult, During, Format, json, raw};

/// Print a script that completes commands and options in a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::COMPLETIONS)]
pub struct Args {
    /// The shell that it is for.
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(args: &Args, mut command: Command, format: Format) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "tag2pr", &mut script);
    let script = String::from_utf8(script).during("writing the script")?;
    match format {
        Format::Json => json(&json!({ "shell": args.shell.to_string(), "script": script })),
        Format::Text => raw(&script),
    }
    Ok(ExitCode::SUCCESS)
}
