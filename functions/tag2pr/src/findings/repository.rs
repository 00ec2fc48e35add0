//! Manifests of which nobody said to which repository and branch they belong.

use std::collections::BTreeMap;

use crate::flux;
use crate::manifests::{Manifests, Neighbours};
use crate::seams::{File, LeftOut, RepositoryId, Snapshot};

/// Reads the files of a folder. Its branch is taken to be the one that most of its automations check out, so that these
/// count as being for this repository.
pub fn read(files: Vec<File>) -> Manifests {
    read_with(files, Vec::new())
}

/// The same, where it is known what was left out.
pub fn read_with(files: Vec<File>, left_out: Vec<LeftOut>) -> Manifests {
    let found = flux::read(&files);
    let mut branches: BTreeMap<&str, usize> = BTreeMap::new();
    for automation in &found.automations {
        let source = found.git_repositories.iter().find(|source| source.object.name == automation.source.name);
        let checkout = automation.checkout.as_ref().or_else(|| source.and_then(|source| source.reference.as_ref()));
        let Some(reference) = checkout else { continue };
        let named = reference.name.as_deref().and_then(|name| name.strip_prefix("refs/heads/"));
        if let Some(branch) = named.or(reference.branch.as_ref().map(|at| at.value.as_str())) {
            *branches.entry(branch).or_default() += 1;
        }
    }
    let base = branches.iter().max_by_key(|(_, count)| **count).map_or("main", |(branch, _)| *branch);
    let here = RepositoryId { host: "local".to_owned(), path: String::new(), base: base.to_owned() };
    Manifests::read(Neighbours::none(&here), Snapshot { files, left_out, ..Snapshot::default() }, None)
}
