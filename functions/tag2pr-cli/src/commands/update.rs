//! `tag2pr update`: rewrite markers in place, offline.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use tag2pr::image::ImageRef;
use tag2pr::manifests::NotRead;
use tag2pr::markers::{self, Change, FieldRule, NewImage, Setter};
use tag2pr::policy::PolicyName;
use tag2pr::problem::Problem;
use tag2pr::repository_settings::{self, RepositorySettings};
use tag2pr::seams::File;

use crate::output::{
    BAD, BOLD, CommandResult, DIM, During, Failure, Format, GOOD, PLAIN, beside, count, json, line, styled, visible,
};
use crate::{show, worktree};

/// Rewrite markers in place, offline.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::UPDATE)]
pub struct Args {
    /// The folder, or the file, that carries the markers; what Git ignores is passed over.
    path: PathBuf,

    /// What a policy selected: `flux-system:web=ghcr.io/acme/web:1.4.0`, with `@sha256:…` behind it for digests.
    #[arg(long, value_name = "NS:NAME=REF", required = true)]
    image: Vec<Image>,

    /// Show what would change as a unified diff, and change nothing.
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
    /// Links that were not followed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Problem>,
    #[serde(skip)]
    edited: Vec<(File, Vec<u8>)>,
}

pub fn run(args: &Args, format: Format) -> CommandResult {
    let wanted: BTreeMap<&PolicyName, &NewImage> =
        args.image.iter().map(|image| (&image.policy, &image.image)).collect();
    let found = worktree::read(&args.path).during(format!("reading {}", args.path.display()))?;
    let mut problems = found.problems;
    let rules = rules(&found.files).unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    let mut updated = Updated { changes: Vec::new(), problems, notes: Vec::new(), edited: Vec::new() };
    let mut marked = BTreeSet::new();
    for file in found.files {
        match markers::read(&file.path, &file.bytes, &rules) {
            Ok(read) => {
                if read.by_line {
                    updated.problems.extend(read.strays);
                }
                if read.markers.is_empty() {
                    continue;
                }
                marked.insert(file.path.clone());
            }
            Err(problem) => {
                updated.problems.push(problem);
                continue;
            }
        }
        let new = |setter: &Setter| wanted.get(&setter.policy).map(|image| (*image).clone());
        match markers::edit(&file.path, &file.bytes, &rules, &new) {
            Ok(edited) => {
                updated.problems.extend(edited.problems);
                if edited.changes.is_empty() {
                    continue;
                }
                match if args.dry_run { Ok(()) } else { write(&found.root.join(&file.path), &edited.bytes) } {
                    Ok(()) => {
                        updated.changes.extend(edited.changes);
                        updated.edited.push((file, edited.bytes));
                    }
                    Err(failure) => updated.problems.push(Problem::of(&file.path, failure.to_string())),
                }
            }
            Err(problem) => updated.problems.push(problem),
        }
    }
    let not_read = NotRead::of(&found.left_out, &rules, |file| marked.contains(file));
    updated.problems.extend(not_read.too_large);
    updated.problems.sort();
    updated.notes = not_read.links;
    match format {
        Format::Json => json(&updated),
        Format::Text => print(&updated, args.dry_run),
    }
    Ok(if updated.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The field rules of `.tag2pr.yaml`.
fn rules(files: &[File]) -> Result<Vec<FieldRule>, Problem> {
    let Some(file) = files.iter().find(|file| file.path == repository_settings::FILE) else { return Ok(Vec::new()) };
    Ok(RepositorySettings::parse(&String::from_utf8_lossy(&file.bytes))?.fields)
}

/// Writes the new bytes beside the old file, then renames: a reader sees the one or the other.
fn write(target: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> io::Result<()> {
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(bytes)?;
        fs::set_permissions(temporary.path(), fs::metadata(target)?.permissions())?;
        temporary.persist(target)?;
        Ok(())
    };
    written().during("not written")
}

fn print(updated: &Updated, dry_run: bool) {
    if dry_run {
        for (file, after) in &updated.edited {
            show::file_diff(&file.path, &file.bytes, after);
        }
    } else {
        for change in &updated.changes {
            line(styled(BOLD, visible(format!("{}:{}", change.file, change.line))));
            line(format!("  {}", styled(BAD, visible(format!("- {}", change.old)))));
            line(format!("  {}", styled(GOOD, visible(format!("+ {}", change.new)))));
        }
    }
    for problem in &updated.problems {
        beside(&format!("{} ", styled(BAD, "problem:")), PLAIN, &problem.to_string());
    }
    for note in &updated.notes {
        beside(&format!("{} ", styled(DIM, "note:")), PLAIN, &note.to_string());
    }
    let verb = if dry_run { "would change" } else { "changed" };
    line(styled(DIM, format!("{} {verb}", count(updated.changes.len(), "value", "values"))));
}
