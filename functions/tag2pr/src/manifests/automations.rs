//! Automations: Flux's objects that propose to this repository and base, and those of `.tag2pr.yaml`.

use std::collections::BTreeSet;

use super::elsewhere::{Neighbours, Voice};
use super::stages::{self, BrokenStage};
use super::{Automation, DeclaredPolicy};
use crate::due::Settle;
use crate::flux::{Found, GitRepository, ImageUpdateAutomation};
use crate::problem::Place;
use crate::proposal::message::MessageTemplate;
use crate::proposal::{Wishes, name};
use crate::repository_settings::{FILE, Grouping, Name, ProposalSettings, place};
use crate::repository_url::RepositoryUrl;
use crate::seams::{Author, RepositoryId};

/// The automations that count here, and those that do not.
#[derive(Default)]
pub(super) struct Followed {
    pub(super) automations: Vec<Automation>,
    /// With the reason.
    pub(super) passed_over: Vec<(Place, String)>,
    pub(super) broken_stages: Vec<BrokenStage>,
    /// The other repositories that automations of this one are for.
    pub(super) elsewhere: BTreeSet<RepositoryId>,
}

/// What the first voice says, which is that of the repository itself, and what the others say for it.
pub(super) fn follow(voices: &[Voice<'_>], policies: &[DeclaredPolicy], neighbours: Neighbours<'_>) -> Followed {
    let mut all = Followed::default();
    let mut followed = Vec::new();
    for voice in voices {
        for declared in &voice.found.automations {
            let is_for = match &voice.settings {
                Ok(settings) => voice.is_for(declared, settings.take_over, neighbours),
                Err(reason) => IsFor::Nothing(reason.clone()),
            };
            match is_for {
                IsFor::Here(automation) => followed.push(*automation),
                IsFor::Others(others) => all.elsewhere.extend(others),
                IsFor::Nothing(reason) => all.passed_over.push((declared.object.place.clone(), reason)),
            }
        }
    }
    let here = neighbours.here;
    let own = || voices.first().into_iter().flat_map(|voice| &voice.settings).flat_map(|settings| &settings.proposals);
    for own in own().filter(|own| !own.is_about_all()) {
        let path = own.path.as_deref().map(plain_path);
        let own = of_settings(own);
        match followed.iter_mut().find(|automation| automation.name == own.name) {
            Some(automation) => automation.path = path.unwrap_or_else(|| std::mem::take(&mut automation.path)),
            None => followed.push(own),
        }
    }
    let about = |automation: &Automation| -> Vec<&ProposalSettings> {
        own().filter(|own| own.is_about_all() || name_of(&own.name.value) == automation.whole).collect()
    };
    for automation in &mut followed {
        let about = about(automation);
        automation.wishes = wishes(automation, &about);
        automation.is_direct = about.iter().filter_map(|own| own.direct).next_back().unwrap_or(false);
    }
    let (staged, broken) = stages::arrange(followed, &about);
    for (automation, broken) in broken {
        all.passed_over.push((automation.place, broken.to_string()));
        all.broken_stages.push(broken);
    }
    for automation in staged {
        match about(&automation).iter().filter_map(|own| own.group).next_back() {
            None | Some(Grouping::Automation) => all.automations.push(automation),
            Some(Grouping::Policy) => all.automations.extend(for_each_policy(&automation, policies)),
        }
    }
    for automation in all.automations.iter_mut().filter(|automation| automation.is_direct) {
        automation.branch.clone_from(&here.base);
    }
    all
}

/// The name of an automation's proposal.
pub(super) fn name_of(Name(automation): &Name) -> String {
    name::of(&automation.namespace, &automation.name)
}

/// An automation in parts: one for each policy that it applies.
fn for_each_policy(automation: &Automation, policies: &[DeclaredPolicy]) -> Vec<Automation> {
    let part = |policy: &DeclaredPolicy| Automation {
        name: name::part(&automation.name, &policy.name.name),
        branch: name::part(&automation.branch, &policy.name.name),
        only: Some(policy.name.clone()),
        ..automation.clone()
    };
    policies.iter().filter(|policy| automation.applies(policy)).map(part).collect()
}

/// So many settle windows are waited for at most, unless something else is said.
const SETTLES: i32 = 10;

/// What `.tag2pr.yaml` says of pull requests; what is said later counts more, lists add up.
fn wishes(automation: &Automation, about: &[&ProposalSettings]) -> Wishes {
    let mut wishes = Wishes::default();
    let (mut window, mut at_most) = (None, None);
    for own in about {
        if let Some(title) = &own.title {
            wishes.title = Some(MessageTemplate {
                text: title.value.clone(),
                place: place(title),
                values: automation.message.as_ref().map(|message| message.values.clone()).unwrap_or_default(),
                automation: name::automation(&automation.whole),
                path: automation.path.clone(),
            });
        }
        window = own.settle.or(window);
        at_most = own.settle_at_most.or(at_most);
        wishes.frozen.extend(own.frozen.iter().cloned());
        wishes.is_draft = own.draft.unwrap_or(wishes.is_draft);
        wishes.asks.auto_merge = own.auto_merge.unwrap_or(wishes.asks.auto_merge);
        for (all, more) in [
            (&mut wishes.asks.labels, &own.labels),
            (&mut wishes.asks.reviewers, &own.reviewers),
            (&mut wishes.asks.assignees, &own.assignees),
        ] {
            let new: Vec<String> = more.iter().filter(|name| !all.contains(name)).cloned().collect();
            all.extend(new);
        }
    }
    wishes.settle = window.map(|window| Settle {
        window: window.0,
        at_most: at_most.map_or(window.0.saturating_mul(SETTLES), |most| most.0),
    });
    wishes
}

fn of_settings(own: &ProposalSettings) -> Automation {
    let name = name_of(&own.name.value);
    Automation {
        place: place(&own.name),
        branch: format!("tag2pr/{name}"),
        namespace: own.name.value.0.namespace.clone(),
        selector: None,
        path: plain_path(own.path.as_deref().unwrap_or_default()),
        wishes: Wishes::default(),
        author: author(None, None),
        message: None,
        whole: name.clone(),
        only: None,
        after: None,
        is_direct: false,
        name,
    }
}

fn author(name: Option<&String>, email: Option<&String>) -> Author {
    let given = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
    Author {
        name: given(name).unwrap_or_else(|| "tag2pr".to_owned()),
        email: given(email).unwrap_or_else(|| "tag2pr@users.noreply.github.com".to_owned()),
    }
}

/// Where an automation works.
enum IsFor {
    Here(Box<Automation>),
    /// On these other configured repositories; none if it is of no interest here whether it works on any.
    Others(Vec<RepositoryId>),
    /// On none, for this reason.
    Nothing(String),
}

impl Voice<'_> {
    /// What an automation means for this repository and base, or for others that are configured, or why it means nothing.
    fn is_for(&self, declared: &ImageUpdateAutomation, take_over: bool, neighbours: Neighbours<'_>) -> IsFor {
        let here = neighbours.here;
        let source = source(declared, &self.found);
        // Flux's own GitRepository often is not in Git; then it can only be the repository that the automation stands in.
        let is_named = |id: &RepositoryId| source.is_some_and(|source| is_at(&source.url.value, id));
        if self.of.is_some() {
            let automation = is_named(here).then(|| automation(declared, source, take_over, here));
            // Whoever looks at the other repository says why it means nothing.
            return match automation.and_then(Result::ok) {
                Some(automation) => IsFor::Here(Box::new(self.placed(automation))),
                None => IsFor::Others(Vec::new()),
            };
        }
        let mut others = neighbours.others().filter(|other| is_named(other)).peekable();
        if is_named(here) || others.peek().is_none() {
            if let Some(source) = source.filter(|_| here.host != "local" && !is_named(here)) {
                let url = &source.url.value;
                return IsFor::Nothing(format!(
                    "its source is another repository, {url}, which is not configured here"
                ));
            }
            return match automation(declared, source, take_over, here) {
                Ok(automation) => IsFor::Here(Box::new(automation)),
                Err(reason) => IsFor::Nothing(reason),
            };
        }
        let mut reason = None;
        let mut fits = Vec::new();
        for other in others {
            match automation(declared, source, take_over, other) {
                Ok(_) => fits.push(other.clone()),
                Err(why) => reason = Some(why),
            }
        }
        reason.filter(|_| fits.is_empty()).map_or(IsFor::Others(fits), IsFor::Nothing)
    }

    fn placed(&self, mut automation: Automation) -> Automation {
        automation.place = self.place(&automation.place);
        if let Some(message) = &mut automation.message {
            message.place = self.place(&message.place);
        }
        automation
    }
}

/// The repository that an automation names, if it is in Git.
fn source<'a>(declared: &ImageUpdateAutomation, found: &'a Found) -> Option<&'a GitRepository> {
    let namespace = declared.object.namespace.as_deref().unwrap_or_default();
    let namespace = declared.source.namespace.as_deref().unwrap_or(namespace);
    found.git_repositories.iter().find(|source| {
        source.object.name == declared.source.name
            && source.object.namespace.as_deref().unwrap_or_default() == namespace
    })
}

/// What an automation means for a repository and base, or why it means nothing.
fn automation(
    declared: &ImageUpdateAutomation,
    source: Option<&GitRepository>,
    take_over: bool,
    here: &RepositoryId,
) -> Result<Automation, String> {
    let namespace = declared.object.namespace.clone().unwrap_or_default();
    if declared.suspend && !take_over {
        return Err(format!("it is suspended; `takeOver: true` in {FILE} lets tag2pr act in Flux's place"));
    }
    if let Some(strategy) = declared.strategy.as_ref().filter(|strategy| strategy.value != "Setters") {
        return Err(format!("`{}` is no update strategy: Flux knows `Setters` only", strategy.value));
    }
    let checkout = declared.checkout.as_ref().or_else(|| source.and_then(|source| source.reference.as_ref()));
    let branch = match checkout {
        Some(reference) if reference.tag.is_some() || reference.semver.is_some() || reference.commit.is_some() => {
            return Err("it checks out a tag or a commit, which nothing can be proposed to".to_owned());
        }
        Some(reference) => reference
            .name
            .as_deref()
            .and_then(|name| name.strip_prefix("refs/heads/"))
            .or(reference.branch.as_ref().map(|at| at.value.as_str())),
        None => None,
    };
    if let Some(branch) = branch.filter(|branch| *branch != here.base) {
        return Err(format!("it is for the branch `{branch}`, and this is `{}`", here.base));
    }
    let name = name::of(&namespace, &declared.object.name);
    let push = declared.push_branch.as_ref().map(|at| at.value.as_str()).filter(|push| *push != here.base);
    let path = plain_path(declared.path.as_ref().map_or("", |at| &at.value));
    let message = declared.message_template.as_ref().filter(|template| !template.value.is_empty());
    Ok(Automation {
        place: declared.object.place.clone(),
        wishes: Wishes::default(),
        message: message.map(|template| MessageTemplate {
            text: template.value.clone(),
            place: template.place.clone(),
            values: declared.message_template_values.clone(),
            automation: (namespace.clone(), declared.object.name.clone()),
            path: path.clone(),
        }),
        branch: push.map_or_else(|| format!("tag2pr/{name}"), str::to_owned),
        selector: declared.policies.clone(),
        path,
        author: author(declared.author_name.as_ref(), declared.author_email.as_ref()),
        whole: name.clone(),
        only: None,
        after: None,
        is_direct: false,
        name,
        namespace,
    })
}

fn is_at(url: &str, repository: &RepositoryId) -> bool {
    RepositoryUrl::parse(url).is_ok_and(|url| url.identify(&repository.base) == *repository)
}

/// A path without `.`, `..` and empty segments; `..` never leads above the root.
pub(super) fn plain_path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leads_out_of_the_repository() {
        assert_eq!(plain_path("./flux/clusters/production/"), "flux/clusters/production");
        assert_eq!(plain_path("../../etc/./x/../passwd"), "etc/passwd");
        assert_eq!(plain_path("."), "");
    }
}
