//! One proposal in the making: what each policy asks for is decided, and the files are edited.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::choice::{Choice, Unclear};
use super::in_git::InGit;
use super::pool::heard_of;
use super::{Answer, Contents, Evidence, Hold, Line, Outcome, Plan};
use crate::due::{self, Wait};
use crate::image::{Digest, ImageName, Tag};
use crate::ledger::Entry;
use crate::manifests::{Automation, DeclaredPolicy, Manifests};
use crate::markers::{self, Change, Marker, NewImage, Part, Setter};
use crate::origin::{self, Origin, SourceChange};
use crate::policy::{DigestReflection, Known, PolicyName, Step};
use crate::proposal::{Bump, Held, Parts, markdown, minute, name};
use crate::seams::File;
use crate::stages::Trial;

/// A proposal in the making.
pub(super) struct Draft<'a> {
    name: &'a str,
    /// The automations that share it: a hold may have been made while another one was the first, or while what shares a
    /// pull request was another setting.
    sharing: BTreeSet<&'a str>,
    /// Those of them that are in no parts: what is held for a part is held for the whole.
    whole: BTreeSet<&'a str>,
    evidence: &'a Evidence<'a>,
    files: BTreeMap<&'a str, Vec<u8>>,
    changes: Vec<Change>,
    bumps: Vec<Bump>,
    held: Vec<Held>,
    first_seen: Option<Timestamp>,
    heard: Option<Timestamp>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(automations: &[&'a Automation], evidence: &'a Evidence<'a>) -> Self {
        let sharing = automations.iter().flat_map(|one| [one.name.as_str(), one.whole.as_str()]).collect();
        let name = automations[0].name.as_str();
        Self {
            name,
            sharing,
            whole: automations.iter().filter(|one| one.name == one.whole).map(|one| one.name.as_str()).collect(),
            evidence,
            files: BTreeMap::new(),
            changes: Vec::new(),
            bumps: Vec::new(),
            held: Vec::new(),
            first_seen: None,
            heard: None,
        }
    }

    /// What a proposal is composed of, when everything is added.
    pub(super) fn finish(self, branch: &str, automations: &[&Automation]) -> Parts {
        Parts {
            name: self.name.to_owned(),
            automation: automations[0].whole.clone(),
            branch: branch.to_owned(),
            is_direct: automations[0].is_direct,
            author: automations[0].author.clone(),
            message: automations.iter().find_map(|automation| automation.message.clone()),
            wishes: automations[0].wishes.clone(),
            bumps: self.bumps,
            held: self.held,
            changes: self.changes,
            files: self.files.into_iter().map(|(path, bytes)| File { path: path.to_owned(), bytes }).collect(),
            heard: self.heard,
            otherwise_at: self.first_seen.unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    /// Adds what one automation changes.
    pub(super) fn add(
        &mut self,
        automation: &Automation,
        choices: &BTreeMap<&PolicyName, Choice<'_>>,
        plan: &mut Plan,
    ) {
        let mut wanted: BTreeMap<&PolicyName, NewImage> = BTreeMap::new();
        let mut stood: BTreeMap<&PolicyName, Digest> = BTreeMap::new();
        let first_line = plan.lines.len();
        for declared in self.evidence.manifests.policies.iter().filter(|policy| automation.applies(policy)) {
            let Some(choice) = choices.get(&declared.name) else { continue };
            let in_git = InGit::of(self.evidence.manifests, &declared.name, &|file| automation.covers(file));
            let before = choice.policy.as_ref().ok().and_then(|(image, _)| {
                let chosen = choice.chosen.as_ref().ok().map(|chosen| &chosen.tag);
                self.stood(image, &in_git, chosen)
            });
            let (outcome, new) = self.decide(declared, choice, &in_git, plan);
            if let (Outcome::Waiting(_), Ok((image, _)), Ok(chosen)) = (&outcome, &choice.policy, &choice.chosen) {
                // Asked at once with the question what the tag points at: most often that is known.
                let entry = self.evidence.ledgers.get(*image).and_then(|ledger| ledger.get(chosen.tag.as_str()));
                for digest in entry.and_then(Entry::last_digest).into_iter().chain(&before) {
                    self.origin(image, digest, &mut plan.origins);
                }
            }
            plan.waits.extend(choice.of_age.filter(|_| in_git.marked).map(|until| self.too_young_until(until)));
            let soaking = choice.soaking.as_ref().filter(|_| in_git.marked);
            plan.waits.extend(soaking.and_then(|soaking| Some(self.soaks(soaking.time?))));
            if let (Outcome::Held(reason), Ok((_, policy)), Ok(chosen)) = (&outcome, &choice.policy, &choice.chosen) {
                let (policy, image) = (declared.name.clone(), policy.image.clone());
                self.held.push(Held { policy, image, tag: chosen.tag.to_string(), reason: reason.clone() });
            }
            let is_told = matches!(outcome, Outcome::Soaking(_));
            let tag = choice.chosen.as_ref().ok().map(|chosen| chosen.tag.to_string());
            plan.lines.push(Line {
                proposal: self.name.to_owned(),
                policy: declared.name.clone(),
                image: choice.policy.as_ref().map_or_else(|_| String::new(), |(_, policy)| policy.image.clone()),
                tag,
                outcome,
                passed_over: choice.passed_over.clone(),
                soaking: soaking.filter(|_| !is_told).map(|soaking| soaking.text.clone()),
                in_git: if in_git.tags.is_empty() { in_git.digests } else { in_git.tags },
                why: choice.why.clone(),
                considered: choice.considered.clone(),
            });
            if let Some(new) = new {
                wanted.insert(&declared.name, new);
                stood.extend(before.map(|digest| (&declared.name, digest)));
            }
        }
        let changes = self.edit(automation, &wanted, plan);
        for line in &mut plan.lines[first_line..] {
            let own: Vec<&Change> = changes.iter().filter(|change| change.setter.policy == line.policy).collect();
            if own.is_empty() {
                continue;
            }
            line.outcome = Outcome::Changes;
            let declared = self.evidence.manifests.policies.iter().find(|declared| declared.name == line.policy);
            if let (Some(declared), Some(choice), Some(new)) =
                (declared, choices.get(&line.policy), wanted.get(&line.policy))
            {
                let source = self.source(choice, stood.get(&line.policy), &mut plan.origins);
                self.bump(choice, declared, new, &own, source);
            }
        }
        self.changes.extend(changes);
    }

    /// What shall stand in Git for one policy; nothing if what stands there shall stay.
    fn decide(
        &self,
        declared: &DeclaredPolicy,
        choice: &Choice<'_>,
        in_git: &InGit,
        plan: &mut Plan,
    ) -> (Outcome, Option<NewImage>) {
        let (image, policy) = match &choice.policy {
            Ok(policy) => *policy,
            Err(reason) => return (Outcome::NothingSelected(reason.clone()), None),
        };
        if !in_git.marked {
            return (Outcome::NoMarker, None);
        }
        let chosen = match &choice.chosen {
            Ok(chosen) => chosen,
            Err(reason) => {
                let soaking = choice.soaking.as_ref().map(|soaking| Outcome::Soaking(soaking.text.clone()));
                return (soaking.unwrap_or_else(|| Outcome::NothingSelected(reason.clone())), None);
            }
        };
        let tag = chosen.tag.as_str();
        // Of several values the highest ranked counts: one of them is enough to see that this would be a step back. One
        // that is no longer at the registry cannot stay.
        let ledger = self.evidence.ledgers.get(image);
        let to = heard_of(ledger, tag);
        let mut unknown = None;
        let asked_for =
            self.evidence.holds.steps_back.iter().any(|step| step.policy == declared.name && step.to == chosen.tag);
        let staying = in_git.tags.iter().filter(|there| !asked_for && self.gone(image, there).is_none());
        for there in staying {
            let there = heard_of(ledger, there);
            match policy.step(&there, &to) {
                Step::Forward => {}
                Step::Backwards => {
                    let (in_git, policy) = (there.tag.to_owned(), declared.name.clone());
                    return (Outcome::Backwards { in_git, policy, to: chosen.tag.clone() }, None);
                }
                Step::Unknown => unknown = unknown.or(Some(there)),
            }
        }
        if let Some(there) = unknown {
            return (Outcome::Incomparable(which_is_newer(&there, &to)), None);
        }
        let same_tag = !in_git.tag_missing && in_git.tags.iter().all(|there| there == tag);
        let settled = match policy.digest {
            DigestReflection::Never => same_tag && in_git.digests.is_empty(),
            DigestReflection::IfNotPresent => same_tag && !in_git.digest_missing && in_git.digests.len() == 1,
            DigestReflection::Always => false,
        };
        let new = |digest: Option<String>| NewImage { name: policy.image.clone(), tag: tag.to_owned(), digest };
        if settled {
            // Names may still differ, and that needs nobody's word.
            let kept = match policy.digest {
                DigestReflection::Never => None,
                DigestReflection::IfNotPresent | DigestReflection::Always => in_git.digests.first().cloned(),
            };
            return (Outcome::UpToDate, Some(new(kept)));
        }
        let question = (image.clone(), chosen.tag.clone());
        let digest = match self.evidence.answers.get(&question) {
            None => {
                plan.questions.insert(question);
                return (Outcome::Waiting("the registry has not been asked yet".to_owned()), None);
            }
            Some(Answer::Gone) => {
                let reason = format!("{} says that there is no tag {tag} (any more)", image.registry());
                return (Outcome::Gone(reason), None);
            }
            Some(Answer::NoAnswer { reason, later: true }) => return (Outcome::Waiting(reason.clone()), None),
            Some(Answer::NoAnswer { reason, later: false }) => return (Outcome::NotConfirmed(reason.clone()), None),
            Some(Answer::Digest(digest)) => Some(digest),
            Some(Answer::NotAsked(digest)) => digest.as_ref(),
        };
        let held = self
            .evidence
            .holds
            .holds
            .iter()
            .find(|hold| self.is_concerned(hold) && hold.is_on(&declared.name, tag, digest));
        if let Some(hold) = held {
            return (Outcome::Held(hold.reason.clone()), None);
        }
        if let (Some(age), Some(digest)) = (declared.minimum_age, digest)
            && let Some((until, of_age)) = self.too_young(image, &chosen.tag, digest, age)
        {
            plan.waits.extend(of_age.map(|until| self.too_young_until(until)));
            return (Outcome::TooYoung(until), None);
        }
        if let Some(gate) = choice.gate.as_ref().filter(|gate| !matches!(gate.trial(tag, digest), Trial::Proved(_))) {
            let reason =
                format!("waits: what {tag} points at now has not stood in {} for long enough", gate.after.name);
            return (Outcome::Soaking(reason), None);
        }
        if let Some(unclear) = &choice.unclear {
            return (inside(image, chosen.tag.as_str(), unclear, plan), None);
        }
        match (policy.digest, digest) {
            (DigestReflection::Never, _) => (Outcome::UpToDate, Some(new(None))),
            (_, Some(digest)) => (Outcome::UpToDate, Some(new(Some(digest.to_string())))),
            (_, None) => (
                Outcome::NotConfirmed(format!(
                    "the policy wants a digest, no delivery gave one for {tag}, and {} is configured not to be asked",
                    image.registry()
                )),
                None,
            ),
        }
    }

    /// Whether a hold was made on this proposal, or on the policy's part of it.
    fn is_concerned(&self, hold: &Hold) -> bool {
        if hold.proposal == Hold::EVERY {
            return true;
        }
        let is_part_of = |whole: &&str| hold.proposal.strip_prefix(*whole).is_some_and(|rest| rest.starts_with('.'));
        let part = name::whole(&hold.proposal, &hold.policy.name);
        self.sharing.contains(hold.proposal.as_str())
            || part.is_some_and(|whole| self.sharing.contains(whole))
            || self.whole.iter().any(is_part_of)
    }

    /// When the registry was found not to have a tag any more; none if it has it, as far as is known.
    fn gone(&self, image: &ImageName, tag: &str) -> Option<Timestamp> {
        self.evidence.ledgers.get(image).and_then(|ledger| ledger.gone(tag))
    }

    /// What a tag points at may be younger than the tag: until when, if it is too young.
    fn too_young(
        &self,
        image: &ImageName,
        tag: &Tag,
        digest: &Digest,
        age: SignedDuration,
    ) -> Option<(String, Option<Timestamp>)> {
        let entry = self.evidence.ledgers.get(image).and_then(|ledger| ledger.get(tag.as_str()));
        match entry.and_then(|entry| entry.digests.get(digest)) {
            Some(first) if self.evidence.now.duration_since(first.seen) >= age => None,
            Some(first) => {
                let reason = format!(
                    "what {tag} points at now was first seen {}, and the policy wants an age that it has not reached",
                    minute(first.seen)
                );
                Some((reason, first.seen.checked_add(age).ok()))
            }
            None => Some((format!("since when {tag} points at what it does now is not known yet"), None)),
        }
    }

    fn soaks(&self, (since, until): (Timestamp, Timestamp)) -> Wait {
        Wait { proposal: self.name.to_owned(), why: due::Why::Soaking, since, until }
    }

    fn too_young_until(&self, until: Timestamp) -> Wait {
        Wait { proposal: self.name.to_owned(), why: due::Why::TooYoung, since: self.evidence.now, until }
    }

    /// Edits the files below the automation's path, on top of what was edited before.
    fn edit(
        &mut self,
        automation: &Automation,
        wanted: &BTreeMap<&PolicyName, NewImage>,
        plan: &mut Plan,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        if wanted.is_empty() {
            return changes;
        }
        let manifests = self.evidence.manifests;
        let wanted = |setter: &Setter| wanted.get(&setter.policy).cloned();
        let mut files: Vec<(&str, &[u8])> = Vec::new();
        for (path, markers) in manifests.markers.iter().filter(|(path, _)| automation.covers(path)) {
            match (self.files.get(path.as_str()), manifests.bytes(path)) {
                (Some(edited), _) => files.push((path, edited)),
                (None, _) if markers::are_right(markers, &wanted) => {}
                (None, Some(bytes)) => files.push((path, bytes)),
                (None, None) => {
                    plan.unread.insert(path.clone());
                }
            }
        }
        let edited = markers::edit_all(&files, &manifests.rules, &wanted);
        let paths: Vec<&str> = files.into_iter().map(|(path, _)| path).collect();
        for (path, edited) in paths.into_iter().zip(edited) {
            match edited {
                Ok(edited) => {
                    plan.problems.extend(edited.problems);
                    if !edited.changes.is_empty() {
                        self.files.insert(path, edited.bytes);
                        changes.extend(edited.changes);
                    }
                }
                Err(problem) => plan.problems.push(problem),
            }
        }
        changes
    }

    /// What the tag that was chosen points at, as the registry confirmed it.
    fn confirmed(&self, choice: &Choice<'_>) -> Option<&'a Digest> {
        let ((image, _), chosen) = choice.policy.as_ref().ok().zip(choice.chosen.as_ref().ok())?;
        match self.evidence.answers.get(&((*image).clone(), chosen.tag.clone()))? {
            Answer::Digest(digest) => Some(digest),
            Answer::NotAsked(digest) => digest.as_ref(),
            Answer::Gone | Answer::NoAnswer { .. } => None,
        }
    }

    /// What the one value in Git points at, as far as is known: of a tag that stays, nobody knows what it was.
    fn stood(&self, image: &ImageName, in_git: &InGit, chosen: Option<&Tag>) -> Option<Digest> {
        let (tag, digest) = in_git.unanimous()?;
        if digest.is_none() && chosen == Some(&tag) {
            return None;
        }
        let heard_of = || self.evidence.ledgers.get(image)?.heard_of(tag.as_str())?.last_digest().cloned();
        digest.or_else(heard_of)
    }

    /// What changed in the source, as far as the images say it.
    fn source(
        &self,
        choice: &Choice<'_>,
        before: Option<&Digest>,
        asked: &mut BTreeSet<Contents>,
    ) -> Option<SourceChange> {
        let (image, _) = choice.policy.as_ref().ok()?;
        let before = before.and_then(|digest| self.origin(image, digest, asked));
        let after = self.confirmed(choice).and_then(|digest| self.origin(image, digest, asked))?;
        origin::compare(before, after)
    }

    /// Where a digest was built from; if nobody has asked yet, that is to be asked.
    fn origin(&self, image: &ImageName, digest: &Digest, asked: &mut BTreeSet<Contents>) -> Option<&'a Origin> {
        let known = self.evidence.ledgers.get(image).and_then(|ledger| ledger.origin(digest));
        let contents = (image.clone(), digest.clone());
        if known.is_none() && !self.evidence.silent.contains(&contents) {
            asked.insert(contents);
        }
        known
    }

    fn bump(
        &mut self,
        choice: &Choice<'_>,
        declared: &DeclaredPolicy,
        new: &NewImage,
        changes: &[&Change],
        source: Option<SourceChange>,
    ) {
        let Ok(chosen) = &choice.chosen else { return };
        let policy = &declared.name;
        let confirmed = self.confirmed(choice).cloned();
        let from = former(changes);
        self.first_seen = self.first_seen.max(chosen.first_seen);
        let ledger = choice.policy.as_ref().ok().and_then(|(image, _)| self.evidence.ledgers.get(image));
        let entry = ledger.and_then(|ledger| ledger.get(chosen.tag.as_str()));
        let pointed = entry.and_then(|entry| Some(entry.digests.get(confirmed.as_ref()?)?.seen));
        self.heard = self.heard.max(chosen.first_seen).max(chosen.pushed_at).max(pointed);
        if let Some(bump) = self.bumps.iter_mut().find(|bump| bump.policy == *policy) {
            // Another automation of the same branch has brought it already.
            bump.from.extend(from);
            bump.moved &= changes.iter().all(|change| change.keeps_tag());
            return;
        }
        let mut why = choice.why.clone();
        if let Ok((image, _)) = &choice.policy {
            why.extend(from.iter().filter_map(|tag| Some(no_longer_there(tag, self.gone(image, tag)?))));
        }
        self.bumps.push(Bump {
            policy: policy.clone(),
            place: format!("{}:{}", declared.place.file, declared.place.line),
            image: new.name.clone(),
            from,
            moved: changes.iter().all(|change| change.keeps_tag()),
            tag: chosen.tag.to_string(),
            digest: confirmed,
            pushed_at: chosen.pushed_at,
            actor: chosen.actor.clone(),
            delivery: chosen.delivery.clone(),
            why,
            instead_of: None,
            source,
        });
    }
}

/// Every tag that is marked with a policy, wherever it stands.
pub(super) fn tags_in_git<'a>(manifests: &'a Manifests, policy: &PolicyName) -> BTreeSet<&'a str> {
    let markers = manifests.markers.values().flatten().filter(|marker| marker.setter.policy == *policy);
    let tag = |marker: &'a Marker| match marker.setter.part {
        Part::Tag => Some(marker.value.as_str()),
        Part::Reference => {
            let reference = marker.value.split_once('@').map_or(marker.value.as_str(), |(before, _)| before);
            Some(reference.rsplit_once(':').map_or("", |(_, tag)| tag))
        }
        Part::Name | Part::Digest => None,
    };
    markers.filter_map(tag).collect()
}

/// What becomes of a tag of which it is not known what it holds.
fn inside(image: &ImageName, tag: &str, unclear: &Unclear, plan: &mut Plan) -> Outcome {
    let registry = image.registry();
    match unclear {
        Unclear::Unasked(digest) => {
            plan.contents.insert((image.clone(), digest.clone()));
            Outcome::Waiting(format!("the registry has not been asked yet what {tag} holds"))
        }
        Unclear::Answered(Answer::NoAnswer { reason, later: true }) => Outcome::Waiting(reason.clone()),
        Unclear::Answered(Answer::NoAnswer { reason, later: false }) => Outcome::NotConfirmed(reason.clone()),
        Unclear::Answered(_) => {
            Outcome::Gone(format!("{registry} says that there is no such image as {tag} was (any more)"))
        }
        Unclear::NotToBeAsked => Outcome::NotConfirmed(format!(
            "the policy wants certain platforms, and {registry} is configured not to be asked what {tag} holds"
        )),
    }
}

/// Why nobody knows whether a tag was pushed after the one in Git, and what will mend that.
fn which_is_newer(in_git: &Known<'_>, tag: &Known<'_>) -> String {
    let (there, tag) = (in_git.tag, tag.tag);
    match in_git.first_seen {
        Some(seen) => format!(
            "{there} stands in Git, and when it was pushed is not known: only a listing told of it, first {}. {tag} was not \
             pushed after that, so it may be older; {there} stays until a newer push",
            minute(seen)
        ),
        None => format!(
            "{there} stands in Git, and no delivery or listing has told of it, so {tag} may be older; {there} stays until \
             somebody writes another"
        ),
    }
}

fn no_longer_there(tag: &str, since: Timestamp) -> String {
    format!(
        "{}, which stands in Git, is no longer at the registry: it answers that there is no such tag, and its complete \
         list of {} lacks it.",
        markdown::code(tag),
        minute(since)
    )
}

/// What stood there: the tags, and other parts of images only where no tag did.
fn former(changes: &[&Change]) -> BTreeSet<String> {
    let tags = |change: &&&Change| matches!(change.setter.part, Part::Reference | Part::Tag);
    let old = |change: &&Change| change.shown().0;
    let from: BTreeSet<String> = changes.iter().filter(tags).map(old).collect();
    if from.is_empty() { changes.iter().map(old).collect() } else { from }
}
