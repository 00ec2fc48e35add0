//! `tag2pr update`: rewrite markers in place, offline.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use tag2pr::image::ImageRef;
use tag2pr::markers::{self, Change, NewImage};
use tag2pr::policy::PolicyName;
use tag2pr::problem::Problem;

use crate::output::{
    BAD, BOLD, CommandResult, DIM, During, Failure, Format, GOOD, PLAIN, beside, count, json, line, styled, visible,
};
use crate::worktree;

/// Rewrite markers in place, offline.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder whose files carry the markers.
    path: PathBuf,

    /// What a policy selected: `flux-system:web=ghcr.io/acme/web:1.4.0`, with `@sha256:…` behind it for digests.
    #[arg(long, value_name = "NS:NAME=REF", required = true)]
    image: Vec<Image>,

    /// Show what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone)]
struct Image {
    policy: PolicyName,
    image: NewImage,
}

impl std::str::FromStr for Image {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (policy, image) = text.split_once('=').ok_or("write NAMESPACE:NAME=IMAGE:TAG")?;
        let (namespace, name) = policy.split_once(':').ok_or("write the policy as NAMESPACE:NAME")?;
        let image: ImageRef = image.parse().map_err(|error| format!("{error}"))?;
        let tag = image.tag.ok_or("the image has no tag: write IMAGE:TAG")?;
        Ok(Self {
            policy: PolicyName { namespace: namespace.to_owned(), name: name.to_owned() },
            image: NewImage {
                name: image.name,
                tag: tag.to_string(),
                digest: image.digest.map(|digest| digest.to_string()),
            },
        })
    }
}

#[derive(Serialize)]
struct Updated {
    changes: Vec<Change>,
    problems: Vec<Problem>,
}

pub fn run(args: &Args, format: Format) -> CommandResult {
    let wanted: BTreeMap<&PolicyName, &NewImage> =
        args.image.iter().map(|image| (&image.policy, &image.image)).collect();
    let found = worktree::read(&args.path).during(format!("reading {}", args.path.display()))?;
    let mut updated = Updated { changes: Vec::new(), problems: found.problems };
    for file in found.files {
        if !markers::wanted(&file.path, &file.bytes) {
            continue;
        }
        match markers::edit(&file.path, &file.bytes, &|setter| wanted.get(&setter.policy).map(|image| (*image).clone()))
        {
            Ok(edited) => {
                updated.problems.extend(edited.problems);
                if edited.changes.is_empty() {
                    continue;
                }
                match if args.dry_run { Ok(()) } else { write(&args.path, &file.path, &edited.bytes) } {
                    Ok(()) => updated.changes.extend(edited.changes),
                    Err(failure) => updated.problems.push(Problem::of(&file.path, failure.to_string())),
                }
            }
            Err(problem) => updated.problems.push(problem),
        }
    }
    match format {
        Format::Json => json(&updated),
        Format::Text => print(&updated, args.dry_run),
    }
    Ok(if updated.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes the new bytes beside the old file, then renames: a reader sees the one or the other.
fn write(root: &Path, path: &str, bytes: &[u8]) -> Result<(), Failure> {
    let target = if root.is_file() { root.to_owned() } else { root.join(path) };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> io::Result<()> {
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(bytes)?;
        fs::set_permissions(temporary.path(), fs::metadata(&target)?.permissions())?;
        temporary.persist(&target)?;
        Ok(())
    };
    written().during("not written")
}

fn print(updated: &Updated, dry_run: bool) {
    for change in &updated.changes {
        line(styled(BOLD, visible(format!("{}:{}", change.file, change.line))));
        line(format!("  {}", styled(BAD, visible(format!("- {}", change.old)))));
        line(format!("  {}", styled(GOOD, visible(format!("+ {}", change.new)))));
    }
    for problem in &updated.problems {
        beside(&format!("{} ", styled(BAD, "problem:")), PLAIN, &problem.to_string());
    }
    let verb = if dry_run { "would change" } else { "changed" };
    line(styled(DIM, format!("{} {verb}", count(updated.changes.len(), "value", "values"))));
}
