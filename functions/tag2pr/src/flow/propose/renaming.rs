//! Automations that share a branch share a proposal, and its record has the name of the first of them. When one is
//! added or removed, the first may be another: the record goes on under that name, and its pull request with it.

use std::collections::BTreeMap;

use super::Known;
use crate::manifests::Manifests;

/// Gives each record the name that its branch has now; of several for one branch the one that has it already counts.
pub(super) fn rename(proposed: &mut BTreeMap<String, Known>, manifests: &Manifests) {
    let name_now = |branch: &str| {
        let sharing = manifests.automations.iter().filter(|one| one.branch == branch && !one.is_direct);
        sharing.map(|automation| automation.name.as_str()).min()
    };
    let renamed = |known: &Known| name_now(&known.proposed.branch).is_some_and(|name| name != known.proposed.name);
    let former: Vec<String> =
        proposed.iter().filter(|(_, known)| renamed(known)).map(|(name, _)| name.clone()).collect();
    for old in former {
        let Some(mut known) = proposed.remove(&old) else { continue };
        let Some(name) = name_now(&known.proposed.branch) else { continue };
        known.formerly.insert(old);
        if let Some(there) = proposed.get_mut(name).filter(|there| there.proposed.branch == known.proposed.branch) {
            // What stands on the branch is ours, whichever record says so.
            for commits in [&mut there.before.commits, &mut there.proposed.commits] {
                let more: Vec<_> = known.proposed.commits.iter().filter(|id| !commits.contains(id)).cloned().collect();
                commits.extend(more);
            }
            there.formerly.append(&mut known.formerly);
        } else {
            known.before.name = name.to_owned();
            known.proposed.name = name.to_owned();
            proposed.insert(name.to_owned(), known);
        }
    }
}
