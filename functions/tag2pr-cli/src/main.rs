//! `tag2pr`: the pipeline with a window at each step.
//!
//! Exit codes: 0 done, 1 findings or failure, 2 wrong usage.

// A program exports nothing: `pub` says what a module offers to the others.
#![allow(unreachable_pub)]

mod commands;
mod help;
mod inbox;
mod listener;
mod log;
mod markdown;
mod output;
mod readonly;
mod renewal;
mod report;
mod senders;
mod show;
mod signals;
mod table;
mod tags;
mod worktree;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::output::Format;

/// A registry says "this image was pushed"; seconds later a pull request stands in the GitOps repository, with the one
/// line changed and the reason for it underneath.
#[derive(Debug, Parser)]
#[command(name = "tag2pr", version, max_term_width = 100, disable_help_subcommand = true, after_help = help::TAG2PR)]
struct Cli {
    /// How results are printed: `text`, or `json`, which is a stable interface.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value_t = Format::Text,
        hide_possible_values = true,
        display_order = 100
    )]
    output: Format,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole way on this machine in seconds: a manifests repository, a registry's delivery, the pull request.
    Demo(commands::demo::Args),
    /// Listen for deliveries and open pull requests: the functions behind one local HTTP listener.
    Serve(commands::serve::Args),
    /// Send recorded deliveries through the real pipeline once more.
    Replay(commands::replay::Args),
    /// Say what a delivery means: who sent it, what was pushed, what is ignored and why.
    Decode(commands::decode::Args),
    /// Say why a policy selects this tag, and why not the others.
    Explain(commands::explain::Args),
    /// Find what is wrong with policies, markers and automations, and how to mend it.
    Check(commands::check::Args),
    /// Rewrite markers in place, offline.
    Update(commands::update::Args),
    /// One pass over the configured repositories, without a listener: for a CI job or cron.
    Propose(commands::propose::Args),
    /// List the tags of every image that a policy names, and find what deliveries missed.
    Sweep(commands::sweep::Args),
    /// Say how things stand: policies, proposals, sources, and what needs somebody.
    Status(commands::status::Args),
    /// Hold a tag: it is not proposed any more, newer ones are.
    Hold(commands::holds::HoldArgs),
    /// Release what is held: after a closed pull request, a rollback, or `hold`.
    Release(commands::holds::ReleaseArgs),
    /// Write a first tag2pr.yaml, and say what to enter at the registry.
    Init(commands::init::Args),
    /// Print the JSON Schema of a configuration file.
    Schema(commands::schema::Args),
    /// Print a script that completes commands and options in a shell.
    Completions(commands::completions::Args),
    /// Print a manual page, or write all of them into a folder.
    Man(commands::man::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&format!("no threads to run on: {error}")),
    };
    let result = runtime.block_on(async {
        match &cli.command {
            Command::Demo(args) => commands::demo::run(args, cli.output).await,
            Command::Serve(args) => commands::serve::run(args, cli.output).await,
            Command::Replay(args) => commands::replay::run(args, cli.output).await,
            Command::Decode(args) => commands::decode::run(args, cli.output),
            Command::Explain(args) => commands::explain::run(args, cli.output).await,
            Command::Check(args) => commands::check::run(args, cli.output),
            Command::Update(args) => commands::update::run(args, cli.output),
            Command::Propose(args) => commands::propose::run(args, cli.output).await,
            Command::Sweep(args) => commands::sweep::run(args, cli.output).await,
            Command::Status(args) => commands::status::run(args, cli.output).await,
            Command::Hold(args) => commands::holds::hold(args, cli.output).await,
            Command::Release(args) => commands::holds::release(args, cli.output).await,
            Command::Init(args) => commands::init::run(args, cli.output),
            Command::Schema(args) => commands::schema::run(args),
            Command::Completions(args) => commands::completions::run(args, Cli::command(), cli.output),
            Command::Man(args) => commands::man::run(args, Cli::command(), cli.output),
        }
    });
    // A blocked name look-up must not keep a finished command alive.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(failure) => output::failure(&failure.to_string()),
    }
}
