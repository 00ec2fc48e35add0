//! `tag2pr schema`: the JSON Schema of the configuration files, for editors and for other tools.

use std::process::ExitCode;

use tag2pr::config::Config;
use tag2pr::repository_settings::RepositorySettings;

use crate::output::{CommandResult, json};

/// Print the JSON Schema of a configuration file.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::SCHEMA)]
pub struct Args {
    /// Which file: `tag2pr.yaml` of a deployment, or `.tag2pr.yaml` of a manifests repository.
    #[arg(value_enum, default_value_t = File::Deployment, hide_possible_values = true)]
    file: File,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum File {
    #[value(name = "tag2pr.yaml")]
    Deployment,
    #[value(name = ".tag2pr.yaml")]
    Repository,
}

pub fn run(args: &Args) -> CommandResult {
    json(&match args.file {
        File::Deployment => schemars::schema_for!(Config),
        File::Repository => schemars::schema_for!(RepositorySettings),
    });
    Ok(ExitCode::SUCCESS)
}
