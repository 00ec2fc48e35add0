//! What stands in Git for one policy.

use std::collections::BTreeSet;

use crate::image::{Digest, ImageRef, Tag};
use crate::manifests::Manifests;
use crate::markers::Part;
use crate::policy::PolicyName;

/// The values that stand in Git for one policy, in some of the files.
#[derive(Default)]
pub(crate) struct InGit {
    pub(crate) marked: bool,
    pub(crate) tags: BTreeSet<String>,
    /// A value that should name a tag and names none, or digests that nobody says the tag of.
    pub(crate) tag_missing: bool,
    pub(crate) digests: BTreeSet<String>,
    /// A value that should hold a digest and holds none.
    pub(crate) digest_missing: bool,
}

impl InGit {
    pub(crate) fn of(manifests: &Manifests, policy: &PolicyName, covers: &dyn Fn(&str) -> bool) -> Self {
        let mut in_git = Self::default();
        let markers = manifests.markers.iter().filter(|(file, _)| covers(file));
        for marker in markers.flat_map(|(_, markers)| markers).filter(|marker| marker.setter.policy == *policy) {
            in_git.marked = true;
            match marker.setter.part {
                Part::Tag => {
                    in_git.tags.insert(marker.value.clone());
                }
                Part::Reference => {
                    let reference: Option<ImageRef> = marker.value.parse().ok();
                    in_git.digest_missing |= reference.as_ref().is_none_or(|reference| reference.digest.is_none());
                    in_git.tag_missing |= reference.as_ref().is_none_or(|reference| reference.tag.is_none());
                    if let Some(reference) = reference {
                        in_git.tags.extend(reference.tag.map(|tag| tag.to_string()));
                        in_git.digests.extend(reference.digest.map(|digest| digest.to_string()));
                    }
                }
                Part::Digest => match marker.value.parse::<Digest>() {
                    Ok(digest) => {
                        in_git.digests.insert(digest.to_string());
                    }
                    Err(_) => in_git.digest_missing = true,
                },
                Part::Name => {}
            }
        }
        in_git.tag_missing |= in_git.tags.is_empty() && (in_git.digest_missing || !in_git.digests.is_empty());
        in_git
    }

    /// The one value that all of them are, if they are one.
    pub(crate) fn unanimous(&self) -> Option<(Tag, Option<Digest>)> {
        let mut tags = self.tags.iter();
        let tag = tags.next()?.parse().ok()?;
        let digest = self.digests.first().and_then(|digest| digest.parse().ok());
        let one = tags.next().is_none() && !self.tag_missing && self.digests.len() <= 1;
        one.then_some((tag, digest.filter(|_| !self.digest_missing)))
    }
}
