//! What the Flux objects of one configured repository say for another: an automation whose `sourceRef` is that one works
//! across the two.
//!
//! Nobody reads two repositories at once. Whoever looks at the one hands over what it says, and whoever looks at the other
//! reads it as if it stood there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::flux::{self, Found};
use crate::problem::Place;
use crate::repository_settings::{self, RepositorySettings};
use crate::seams::{File, RepositoryId};
use crate::store::Stored;

/// A repository among those that are configured beside it.
#[derive(Debug, Clone, Copy)]
pub struct Neighbours<'a> {
    /// The one that is read.
    pub here: &'a RepositoryId,
    /// All that are configured; it may be among them.
    pub configured: &'a [RepositoryId],
    /// What others say for it.
    pub elsewhere: &'a Elsewhere,
}

static NOTHING: Elsewhere = Elsewhere { said: Vec::new() };

impl<'a> Neighbours<'a> {
    /// A repository that has none.
    pub fn none(here: &'a RepositoryId) -> Self {
        Self { here, configured: &[], elsewhere: &NOTHING }
    }

    /// The others.
    pub(super) fn others(&self) -> impl Iterator<Item = &'a RepositoryId> {
        self.configured.iter().filter(|other| *other != self.here)
    }

    /// What those of the others say that still are configured.
    pub(super) fn said(&self) -> impl Iterator<Item = &'a Said> {
        self.elsewhere.said.iter().filter(|said| self.others().any(|other| *other == said.repository))
    }
}

/// What other repositories say for one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Elsewhere {
    /// In the order of the repositories.
    said: Vec<Said>,
}

impl Stored for Elsewhere {
    const FORMAT: u32 = 1;
}

impl Elsewhere {
    /// Takes what one repository says instead of what it said before; nothing if none. While one of the files of before is
    /// not read, that stands.
    pub fn take(
        &mut self,
        repository: &RepositoryId,
        files: Option<&BTreeMap<String, String>>,
        unread: &BTreeSet<String>,
    ) {
        let before = self.said.iter().find(|said| said.repository == *repository);
        if before.is_some_and(|before| before.files.keys().any(|file| unread.contains(file))) {
            return;
        }
        self.said.retain(|said| said.repository != *repository);
        self.said.extend(files.map(|files| Said { repository: repository.clone(), files: files.clone() }));
        self.said.sort_by(|a, b| a.repository.cmp(&b.repository));
    }
}

/// What one repository says for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Said {
    pub(super) repository: RepositoryId,
    /// Its files with Flux's objects, and its settings, by path.
    files: BTreeMap<String, String>,
}

impl Said {
    /// Reads it as it was read there: nothing was wrong with it.
    pub(super) fn read(&self) -> Voice<'_> {
        let file = |(path, text): (&String, &String)| File { path: path.clone(), bytes: text.clone().into_bytes() };
        let files: Vec<File> = self.files.iter().map(file).collect();
        let settings = self.files.get(repository_settings::FILE).map(|text| RepositorySettings::parse(text));
        let settings = settings.and_then(Result::ok).unwrap_or_default();
        Voice { of: Some(&self.repository), found: flux::read(&files), settings: Ok(settings) }
    }
}

/// What one repository says: this one, or one of the others.
pub(super) struct Voice<'a> {
    /// Another one; this one if none.
    pub(super) of: Option<&'a RepositoryId>,
    pub(super) found: Found,
    /// What `.tag2pr.yaml` says there, or why it cannot be read.
    pub(super) settings: Result<RepositorySettings, String>,
}

impl Voice<'_> {
    /// A place in its files, as people here find it.
    pub(super) fn place(&self, place: &Place) -> Place {
        match self.of {
            Some(other) => Place { file: format!("{}:{}", other.path, place.file), ..place.clone() },
            None => place.clone(),
        }
    }
}

/// What a repository says for others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForOthers {
    /// The repositories that its automations work on, beside itself.
    pub repositories: BTreeSet<RepositoryId>,
    /// Its files with Flux's objects, and its settings, by path; none if there are no such repositories.
    pub files: BTreeMap<String, String>,
    /// Files that were not read, and may say something, too.
    pub unread: BTreeSet<String>,
}

impl ForOthers {
    pub(super) fn of(repositories: BTreeSet<RepositoryId>, files: &[File], unread: BTreeSet<String>) -> Self {
        let matters = |file: &&File| {
            !repositories.is_empty()
                && (file.path == repository_settings::FILE || flux::wanted(&file.path, &file.bytes))
        };
        let text = |file: &File| Some((file.path.clone(), String::from_utf8(file.bytes.clone()).ok()?));
        let files = files.iter().filter(matters).filter_map(text).collect();
        Self { repositories, files, unread }
    }
}
