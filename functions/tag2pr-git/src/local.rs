//! A repository on this disk: its branches are read and written in place.
//!
//! libgit2 has no shallow fetch from a path, and none is needed: the objects are here already. Hooks do not run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use git2::{ErrorCode, Oid, Repository};
use tag2pr::seams::{CommitId, File, GitError, NewCommit, Snapshot, Wanted};

use crate::{Failure, OpenError, Signer, branch_of, moved, objects};

pub(crate) struct Local {
    git: Repository,
    path: String,
    largest_file: usize,
}

impl Local {
    pub(crate) fn open(path: &Path, largest_file: usize) -> Result<Self, OpenError> {
        let shown = path.display().to_string();
        let git = Repository::open(path).map_err(|source| OpenError::Local { path: shown.clone(), source })?;
        Ok(Self { git, path: shown, largest_file })
    }

    pub(crate) fn head(&self, name: &str) -> Result<Option<Oid>, GitError> {
        self.find(name).map_err(|failure| self.told(failure))
    }

    pub(crate) fn contains(&self, name: &str, commit: Oid) -> Result<bool, GitError> {
        let contains = || {
            let Some(head) = self.find(name)? else { return Ok(false) };
            Ok(head == commit || (self.git.odb()?.exists(commit) && self.git.graph_descendant_of(head, commit)?))
        };
        contains().map_err(|failure: Failure| self.told(failure))
    }

    pub(crate) fn snapshot(&self, name: &str, wanted: &Wanted) -> Result<Option<Snapshot>, GitError> {
        let snapshot = || {
            let branches = self.branches()?;
            let Some(head) = self.find(name)? else { return Ok(None) };
            let snapshot = objects::snapshot(&self.git, head, wanted, self.largest_file)?;
            Ok(Some(Snapshot { branches, ..snapshot }))
        };
        snapshot().map_err(|failure: Failure| self.told(failure))
    }

    pub(crate) fn read(&self, commit: Oid, paths: &BTreeSet<String>) -> Result<Vec<File>, GitError> {
        objects::read(&self.git, &self.path, commit, paths).map_err(|failure| self.told(failure))
    }

    pub(crate) fn commit(&self, parent: Oid, commit: &NewCommit, signer: Option<&Signer>) -> Result<Oid, GitError> {
        objects::commit(&self.git, &self.path, parent, commit, signer).map_err(|failure| self.told(failure))
    }

    pub(crate) fn push(&self, name: &str, commit: Oid, expected: Option<Oid>) -> Result<(), GitError> {
        let push = || {
            let found = self.find(name)?;
            if found != expected {
                return Err(moved(name, found, expected).into());
            }
            if found == Some(commit) {
                return Ok(());
            }
            if self.is_checked_out(name) {
                let reason = format!(
                    "branch `{}` is checked out there, and its files would not follow: check out another branch, or use \
                     a bare repository",
                    branch_of(name)
                );
                return Err(GitError::Refused { url: self.path.clone(), reason }.into());
            }
            // Compared once more under the lock of the reference.
            let old = expected.unwrap_or(Oid::ZERO_SHA1);
            match self.git.reference_matching(name, commit, true, old, "tag2pr: push") {
                Ok(_) => Ok(()),
                Err(error) if matches!(error.code(), ErrorCode::Modified | ErrorCode::Exists) => {
                    Err(moved(name, self.find(name)?, expected).into())
                }
                Err(error) => Err(error.into()),
            }
        };
        push().map_err(|failure: Failure| self.told(failure))
    }

    fn find(&self, name: &str) -> Result<Option<Oid>, Failure> {
        match self.git.refname_to_id(name) {
            Ok(id) => Ok(Some(id)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn branches(&self) -> Result<BTreeMap<String, CommitId>, Failure> {
        let mut branches = BTreeMap::new();
        for reference in self.git.references_glob("refs/heads/*")? {
            let reference = reference?;
            if let (Ok(name), Ok(commit)) = (reference.name(), reference.peel_to_commit()) {
                branches.insert(branch_of(name).to_owned(), CommitId(commit.id().to_string()));
            }
        }
        Ok(branches)
    }

    fn is_checked_out(&self, name: &str) -> bool {
        let head = self.git.find_reference("HEAD").ok();
        let target = head.as_ref().and_then(|head| head.symbolic_target().ok().flatten());
        !self.git.is_bare() && target == Some(name)
    }

    fn told(&self, failure: Failure) -> GitError {
        let url = self.path.clone();
        match failure {
            Failure::Said(error) => error,
            Failure::Git(error) if error.code() == ErrorCode::Locked => {
                GitError::Unavailable { url, reason: error.message().to_owned(), wait: None }
            }
            Failure::Git(error) => GitError::Refused { url, reason: error.message().to_owned() },
            Failure::Exchange(reason) => GitError::Unavailable { url, reason, wait: None },
        }
    }
}
