//! What a policy would have done with the deliveries.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use tag2pr::findings;
use tag2pr::hindsight::{self, Change};
use tag2pr::image::ImageName;
use tag2pr::ledger::News;
use tag2pr::seams::File;

use crate::output::{
    BAD, BOLD, CommandResult, DIM, During, Failure, Format, PLAIN, TITLE, beside, count, json, line, styled, visible,
};

/// Plays the news through every policy in a file, and shows when each would have selected what.
pub fn show(file: &Path, image: Option<&ImageName>, news: &[(ImageName, News)], format: Format) -> CommandResult {
    let bytes = fs::read(file).during(format!("reading {}", file.display()))?;
    let mut manifests = findings::read(vec![File { path: file.display().to_string(), bytes }]);
    manifests.judge_without_images();
    if manifests.policies.is_empty() {
        let problems: String = manifests.problems.iter().map(|problem| format!("\n  {problem}")).collect();
        return Err(Failure::new(format!("there is no ImagePolicy in {}{problems}", file.display())));
    }
    let mut all = Vec::new();
    for declared in &manifests.policies {
        let (own, policy) =
            declared.policy.as_ref().map_err(|reason| Failure::new(format!("{}: {reason}", declared.place)))?;
        let image = image.unwrap_or(own);
        let about: Vec<News> = news.iter().filter(|(of, _)| of == image).map(|(_, news)| news.clone()).collect();
        let changes = hindsight::changes(policy, &about);
        if format == Format::Text {
            print(&declared.name.to_string(), image, about.len(), &changes);
        }
        all.push(
            json!({ "policy": declared.name.to_string(), "image": image, "events": about.len(), "changes": changes }),
        );
    }
    if format == Format::Json {
        json(&json!({ "policies": all }));
    }
    Ok(ExitCode::SUCCESS)
}

fn print(name: &str, image: &ImageName, events: usize, changes: &[Change]) {
    line(format!(
        "{}  {}  {}",
        styled(TITLE, visible(name)),
        visible(image),
        styled(DIM, format!("{}, {}", count(events, "event", "events"), count(changes.len(), "change", "changes")))
    ));
    for change in changes {
        let prefix = format!("  {}  ", styled(DIM, format!("{:.0}", change.at)));
        match (&change.selected, &change.error) {
            (Some(selected), _) => {
                let digest = selected.digest.as_ref().map(|digest| format!("  {}", styled(DIM, digest.short())));
                line(format!("{prefix}{}{}", styled(BOLD, visible(&selected.tag)), digest.unwrap_or_default()));
            }
            (None, error) => {
                beside(&format!("{prefix}{} ", styled(BAD, "nothing:")), PLAIN, error.as_deref().unwrap_or_default());
            }
        }
    }
    if events == 0 {
        line(styled(DIM, "  no delivery names this image; if it is not the policy's, name it with --image"));
    }
}
