//! `tag2pr man`: manual pages.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Command;
use clap_mangen::Man;
use serde_json::json;

use crate::output::{CommandResult, During, Failure, Format, json, line, raw};

/// Print a manual page, or write all of them into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::MAN)]
pub struct Args {
    /// The command that the page is about; tag2pr itself if none is named.
    #[arg(value_name = "COMMAND")]
    command: Option<String>,

    /// Write the pages of all commands into this folder, which is made if need be: `tag2pr.1`, `tag2pr-serve.1` and so on.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

pub fn run(args: &Args, mut command: Command, format: Format) -> CommandResult {
    // Names below it get `tag2pr-` in front.
    command.build();
    match &args.dir {
        None => {
            let page = page(subject(&command, args.command.as_deref())?)?;
            match format {
                Format::Json => json(&json!({ "page": page })),
                Format::Text => raw(&page),
            }
        }
        Some(dir) => {
            let to = || format!("writing manual pages to {}", dir.display());
            fs::create_dir_all(dir).during(to())?;
            let mut written = Vec::new();
            for one in std::iter::once(&command).chain(command.get_subcommands()) {
                let file = dir.join(format!("{}.1", one.get_display_name().unwrap_or(one.get_name())));
                fs::write(&file, page(one.clone())?).during(to())?;
                written.push(file.display().to_string());
            }
            match format {
                Format::Json => json(&json!({ "written": written })),
                Format::Text => written.iter().for_each(line),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn subject(command: &Command, name: Option<&str>) -> Result<Command, Failure> {
    match name {
        None => Ok(command.clone()),
        Some(name) => command.find_subcommand(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            Failure::new(format!("there is no command `{name}`: {}", tag2pr::problem::suggest(name, &known)))
        }),
    }
}

fn page(command: Command) -> Result<String, Failure> {
    let title = command.get_display_name().unwrap_or(command.get_name()).to_uppercase();
    let page = Man::new(command).title(title).source(concat!("tag2pr ", env!("CARGO_PKG_VERSION"))).manual("tag2pr");
    let mut bytes = Vec::new();
    page.render(&mut bytes).during("writing the manual page")?;
    let text = String::from_utf8(bytes).during("writing the manual page")?;
    // What stands below the options has headings of its own, which manuals call so.
    let sections = [("Where to begin:", "WHERE TO BEGIN"), ("Examples:", "EXAMPLES"), ("Exit codes:", "EXIT STATUS")];
    let text = text.replace(".SH EXTRA\n", "");
    Ok(sections.iter().fold(text, |text, (heading, section)| {
        text.replace(&format!("{heading}\n"), &format!(".SH \"{section}\"\n.nf\n"))
    }))
}
