//! What one commit's files say, kept for the next one: who knows the id of a file knows what is in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::flux;
use crate::markers::Marker;
use crate::repository_settings;
use crate::seams::{File, Ids, LeftOut, Seen, Snapshot};

/// Another version may read the same bytes otherwise.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The marked values of one commit's files, by what the files are known by in Git.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// The version of the program that read them.
    version: String,
    /// The ids of the folders, by path.
    folders: BTreeMap<String, String>,
    /// The files that matter, by path.
    files: BTreeMap<String, FileRead>,
    /// What no snapshot holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<LeftOut>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileRead {
    /// Its id.
    id: String,
    /// Its marked values, if they are all that matters of it: settings and Flux's objects are read again, and so is what
    /// could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    markers: Option<Vec<Marker>>,
}

impl Reading {
    /// What a snapshot can be known by. Of its files only those are told that it did not read again.
    pub(super) fn of(snapshot: &mut Snapshot, before: Option<&Self>) -> Self {
        let Ids { folders, files } = std::mem::take(&mut snapshot.ids);
        let file = |(path, id): (String, String)| {
            let known = before.filter(|_| snapshot.known.contains(&path)).and_then(|before| before.files.get(&path));
            let markers = known.and_then(|known| known.markers.clone());
            (path, FileRead { id, markers })
        };
        Self {
            version: VERSION.to_owned(),
            files: files.into_iter().map(file).collect(),
            folders,
            left_out: snapshot.left_out.clone(),
        }
    }

    /// Keeps the marked values of a file that was read, unless more matters of it.
    pub(super) fn keep(&mut self, file: &File, markers: &[Marker]) {
        if file.path == repository_settings::FILE || flux::wanted(&file.path, &file.bytes) {
            return;
        }
        if let Some(read) = self.files.get_mut(&file.path) {
            read.markers = Some(markers.to_vec());
        }
    }

    /// The marked values of files that were not read again.
    pub(super) fn known<'a>(&'a self, paths: &'a BTreeSet<String>) -> impl Iterator<Item = (String, Vec<Marker>)> + 'a {
        paths.iter().filter_map(|path| Some((path.clone(), self.files.get(path)?.markers.clone()?)))
    }

    /// What a snapshot needs not read again; nothing of it if another version of the program read it.
    pub fn seen(&self) -> Option<Seen> {
        let known = self.files.iter().filter(|(_, file)| file.markers.is_some());
        (self.version == VERSION).then(|| Seen {
            ids: Ids {
                folders: self.folders.clone(),
                files: self.files.iter().map(|(path, file)| (path.clone(), file.id.clone())).collect(),
            },
            left_out: self.left_out.clone(),
            known: known.map(|(path, _)| path.clone()).collect(),
        })
    }
}
