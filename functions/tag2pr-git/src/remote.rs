//! A repository behind a URL: list, fetch, push.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use git2::{AutotagOption, Direction, FetchOptions, Oid, PushOptions, RemoteCallbacks};
use tag2pr::repository_url::RepositoryUrl;
use tag2pr::seams::{File, GitError, NewCommit, Snapshot, Wanted};

use crate::cache::Cache;
use crate::transport::{Http, REMOTE, connected, printable};
use crate::{Failure, OpenError, Settings, Signer, branch_of, moved, objects};

pub(crate) struct Remote {
    url: String,
    http: Arc<Http>,
    cache: Cache,
    largest_file: usize,
}

impl Remote {
    pub(crate) fn open(url: &RepositoryUrl, settings: &Settings) -> Result<Self, OpenError> {
        let url = url.to_string();
        let http = Http::new(&url, settings)?;
        let cache = Cache::open(&settings.cache, &url, settings.largest_cache)
            .map_err(|source| OpenError::Cache { path: settings.cache.clone(), source })?;
        Ok(Self { url, http, cache, largest_file: settings.largest_file })
    }

    pub(crate) fn head(&mut self, name: &str) -> Result<Option<Oid>, GitError> {
        self.healed(|remote| Ok(find(&remote.list()?, name)))
    }

    pub(crate) fn snapshot(&mut self, name: &str, wanted: &Wanted) -> Result<Option<Snapshot>, GitError> {
        self.cache.trim();
        self.healed(|remote| match remote.fetch(name)? {
            Some(head) => Ok(Some(objects::snapshot(remote.cache.git()?, head, wanted, remote.largest_file)?)),
            None => Ok(None),
        })
    }

    pub(crate) fn read(&mut self, commit: Oid, paths: &BTreeSet<String>) -> Result<Vec<File>, GitError> {
        let read = match self.cache.git() {
            Ok(git) => objects::read(git, &self.url, commit, paths),
            Err(error) => Err(error.into()),
        };
        self.told(read)
    }

    pub(crate) fn commit(&mut self, parent: Oid, commit: &NewCommit, signer: Option<&Signer>) -> Result<Oid, GitError> {
        let made = match self.cache.git() {
            Ok(git) => objects::commit(git, &self.url, parent, commit, signer),
            Err(error) => Err(error.into()),
        };
        self.told(made)
    }

    pub(crate) fn push(&mut self, name: &str, commit: Oid, expected: Option<Oid>) -> Result<(), GitError> {
        let pushed = self.offer(name, commit, expected);
        self.told(pushed)
    }

    /// What libgit2 says of its own files means that they are broken: they are made anew, and the work is tried once more.
    fn healed<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, Failure>) -> Result<T, GitError> {
        match work(self) {
            Err(Failure::Git(_)) => self.cache.drop_all(),
            result => return self.told(result),
        }
        let again = work(self);
        self.told(again)
    }

    fn told<T>(&mut self, result: Result<T, Failure>) -> Result<T, GitError> {
        result.map_err(|failure| match failure {
            Failure::Said(error) => error,
            Failure::Git(error) => {
                self.cache.drop_all();
                self.http.unavailable(format!("the exchange went wrong, the next one begins anew: {}", error.message()))
            }
        })
    }

    fn list(&mut self) -> Result<Vec<(String, Oid)>, Failure> {
        let git = self.cache.git()?;
        connected(&self.http, || {
            let mut remote = git.remote_anonymous(REMOTE)?;
            let connection = remote.connect_auth(Direction::Fetch, None, None)?;
            Ok(heads(connection.list()?))
        })
    }

    /// Lists, and fetches the one commit if it is not here.
    fn fetch(&mut self, name: &str) -> Result<Option<Oid>, Failure> {
        let git = self.cache.git()?;
        connected(&self.http, || {
            let mut remote = git.remote_anonymous(REMOTE)?;
            let mut connection = remote.connect_auth(Direction::Fetch, None, None)?;
            let Some(head) = find(&heads(connection.list()?), name) else { return Ok(None) };
            if git.odb()?.exists(head) {
                return Ok(Some(head));
            }
            // What was fetched before is named, so that the server sends only what is new.
            let kept = format!("refs/remotes/origin/{}", branch_of(name));
            let mut options = FetchOptions::new();
            options.depth(1).download_tags(AutotagOption::None).update_fetchhead(false);
            connection.remote().fetch(&[format!("+{name}:{kept}")], Some(&mut options), None)?;
            Ok(Some(git.refname_to_id(&kept)?))
        })
    }

    /// Pushes. libgit2 reports success when the server rejected the ref: only the status of the ref tells.
    fn offer(&mut self, name: &str, commit: Oid, expected: Option<Oid>) -> Result<(), Failure> {
        let git = self.cache.git()?;
        if !git.odb()?.exists(commit) {
            let reason = format!("commit {commit} is not known here: take a snapshot and make it again");
            return Err(self.http.unavailable(reason).into());
        }
        let found = Cell::new(None);
        let rejected = RefCell::new(None);
        let said = RefCell::new(Vec::new());
        let sent = connected(&self.http, || {
            let mut callbacks = RemoteCallbacks::new();
            callbacks.push_negotiation(|updates| {
                let old = updates.first().map(git2::PushUpdate::src).filter(|id| !id.is_zero());
                found.set(Some(old));
                // What is there already is not sent again, what is somewhere else is not touched.
                if old == expected && old != Some(commit) { Ok(()) } else { Err(git2::Error::from_str("stopped")) }
            });
            callbacks.push_update_reference(|_, status| {
                *rejected.borrow_mut() = status.map(|status| printable(status.as_bytes()));
                Ok(())
            });
            callbacks.sideband_progress(|bytes| {
                said.borrow_mut().extend_from_slice(bytes);
                true
            });
            let mut options = PushOptions::new();
            options.remote_callbacks(callbacks);
            let mut remote = git.remote_anonymous(REMOTE)?;
            // Forced: the old value that is named guards it, better than ancestry would.
            remote.push(&[format!("+{commit}:{name}")], Some(&mut options)).map_err(Failure::from)
        });
        match found.get() {
            Some(old) if old != expected => return Err(moved(name, old, expected).into()),
            Some(old) if old == Some(commit) => return Ok(()),
            Some(_) | None => sent?,
        }
        match rejected.into_inner() {
            None => Ok(()),
            Some(status) => Err(self.rejection(name, expected, &status, &printable(&said.into_inner()))?.into()),
        }
    }

    /// Why the server did not move the ref, after a second look at it.
    fn rejection(&mut self, name: &str, expected: Option<Oid>, status: &str, said: &str) -> Result<GitError, Failure> {
        let heads = self.list()?;
        let found = find(&heads, name);
        if found != expected {
            return Ok(moved(name, found, expected));
        }
        let branch = branch_of(name);
        let inside = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
        let in_the_way = heads.iter().find(|(other, _)| inside(other, name) || inside(name, other));
        let reason = match in_the_way {
            Some((other, _)) => {
                let other = branch_of(other);
                format!("branch `{branch}` can't be beside branch `{other}`: delete `{other}` ({status})")
            }
            // Somebody else holds the ref, and is about to move it.
            None if status.contains("failed to update ref") || status.contains("cannot lock ref") => {
                let reason = format!("{status}, somebody else pushes it now");
                return Ok(GitError::Moved { branch: branch.to_owned(), reason });
            }
            None => {
                let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
                format!("{status}{said}: check whether the token may push to branch `{branch}`")
            }
        };
        Ok(GitError::Refused { url: self.url.clone(), reason })
    }
}

fn heads(list: &[git2::RemoteHead<'_>]) -> Vec<(String, Oid)> {
    list.iter().map(|head| (head.name().to_owned(), head.oid())).collect()
}

fn find(heads: &[(String, Oid)], name: &str) -> Option<Oid> {
    heads.iter().find(|(head, _)| head == name).map(|(_, id)| *id)
}
