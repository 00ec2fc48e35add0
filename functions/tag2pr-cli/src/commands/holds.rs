//! `tag2pr hold` and `tag2pr release`: stop a tag, and let it go.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;
use tag2pr::flow::holds;
use tag2pr::image::Tag;
use tag2pr::plan::Hold;
use tag2pr::policy::PolicyName;
use tag2pr_connect::{Deployment, Settings};

use crate::inbox::writer;
use crate::output::{CommandResult, DIM, During, Format, json, line, note, styled, visible};

/// Hold a tag: it is not proposed any more, newer ones are.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::HOLD)]
pub struct HoldArgs {
    /// The policy that selects it.
    #[arg(value_name = "NS/NAME", value_parser = policy)]
    policy: PolicyName,

    /// The tag.
    tag: Tag,

    /// Why, for those who wonder.
    #[arg(long, value_name = "TEXT", default_value = "held by hand")]
    reason: String,

    /// The configuration; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in $TAG2PR_STORE.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Release what is held: after a closed pull request, a rollback, or `hold`.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::RELEASE)]
pub struct ReleaseArgs {
    /// The policy that selects it.
    #[arg(value_name = "NS/NAME", value_parser = policy)]
    policy: PolicyName,

    /// The tag; by default all that are held of this policy.
    tag: Option<Tag>,

    /// Let the policy go back to this tag, once, although one that ranks higher stands in Git. It still has to select it.
    #[arg(long, value_name = "TAG", conflicts_with = "tag")]
    to: Option<Tag>,

    /// The configuration; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in $TAG2PR_STORE.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn policy(text: &str) -> Result<PolicyName, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(PolicyName { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err("write the policy as NAMESPACE/NAME".to_owned()),
    }
}

pub async fn hold(args: &HoldArgs, format: Format) -> CommandResult {
    let deployment = connect(args.config.as_ref()).await?;
    let (HoldArgs { policy, tag, reason, .. }, objects) = (args, deployment.objects());
    let mut done = Vec::new();
    for repository in deployment.repositories() {
        let writer = writer("hold");
        let holding = holds::hold(objects, &repository.id, policy, tag, reason, &writer, Timestamp::now());
        let is_new = holding.await.during(format!("holding {tag} in {}", repository.id))?;
        done.push((&repository.id, is_new));
    }
    match format {
        Format::Json => json(&json!({
            "policy": policy.to_string(),
            "tag": tag,
            "reason": reason,
            "repositories": done.iter().map(|(id, is_new)| json!({ "repository": id.to_string(), "new": is_new })).collect::<Vec<_>>(),
        })),
        Format::Text => {
            for (id, is_new) in done {
                let how = if is_new { "held" } else { "held already" };
                line(visible(format!("{id}: {policy} {tag}: {how}")));
            }
            next_look();
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn release(args: &ReleaseArgs, format: Format) -> CommandResult {
    let deployment = connect(args.config.as_ref()).await?;
    if let Some(to) = &args.to {
        return step_back(&deployment, &args.policy, to, format).await;
    }
    let (ReleaseArgs { policy, tag, .. }, objects) = (args, deployment.objects());
    let mut released: Vec<(String, Hold)> = Vec::new();
    for repository in deployment.repositories() {
        let writer = writer("release");
        let releasing = holds::release(objects, &repository.id, policy, tag.as_ref(), &writer);
        let of_one = releasing.await.during(format!("releasing in {}", repository.id))?;
        released.extend(of_one.into_iter().map(|hold| (repository.id.to_string(), hold)));
    }
    match format {
        Format::Json => {
            let released = released.iter().map(|(id, hold)| json!({ "repository": id, "hold": hold }));
            json(&json!({ "released": released.collect::<Vec<_>>() }));
        }
        Format::Text if released.is_empty() => {
            let what = tag.as_ref().map_or_else(|| "nothing".to_owned(), |tag| format!("no tag {tag}"));
            line(visible(format!("{what} is held of {policy}")));
        }
        Format::Text => {
            for (id, Hold { tag, reason, .. }) in &released {
                line(visible(format!("{id}: {policy} {tag}: released; it was held: {reason}")));
            }
            next_look();
        }
    }
    Ok(if released.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn step_back(deployment: &Deployment, policy: &PolicyName, to: &Tag, format: Format) -> CommandResult {
    let repositories = deployment.repositories().iter().map(|repository| &repository.id);
    for repository in repositories.clone() {
        let writer = writer("release");
        let stepping = holds::step_back(deployment.objects(), repository, policy, to, &writer, Timestamp::now());
        stepping.await.during(format!("releasing in {repository}"))?;
    }
    match format {
        Format::Json => {
            let repositories: Vec<String> = repositories.map(ToString::to_string).collect();
            json(&json!({ "policy": policy.to_string(), "to": to, "repositories": repositories }));
        }
        Format::Text => {
            for repository in repositories {
                line(visible(format!("{repository}: {policy} may go back to {to}, once")));
            }
            next_look();
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn connect(config: Option<&PathBuf>) -> Result<Deployment, crate::output::Failure> {
    let settings = Settings::read(config.map(PathBuf::as_path)).await.during("reading the configuration")?;
    Deployment::connect(&settings).await.during("connecting")
}

fn next_look() {
    note(styled(DIM, "the next look at the repository takes it up; `tag2pr propose` looks now"));
}
