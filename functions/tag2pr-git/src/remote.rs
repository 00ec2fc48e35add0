//! A repository behind a URL: list, fetch, push.

use std::collections::BTreeSet;

use git2::Oid;
use reqwest::Url;
use tag2pr::repository_url::RepositoryUrl;
use tag2pr::seams::{CommitId, File, GitError, NewCommit, Snapshot, Wanted};

use crate::cache::Cache;
use crate::http::{Http, Service, printable};
use crate::refs::Refs;
use crate::{Failure, OpenError, Settings, Signer, branch_of, moved, objects, packs, receive_pack, upload_pack};

pub(crate) struct Remote {
    url: String,
    http: Http,
    cache: Cache,
    largest_file: usize,
    /// Who takes what is pushed: where, and what it can do. Asked once, and again when a push went wrong.
    receiver: Option<(Url, Refs)>,
}

impl Remote {
    pub(crate) fn open(url: &RepositoryUrl, settings: &Settings) -> Result<Self, OpenError> {
        let url = url.to_string();
        let http = Http::new(&url, settings)?;
        let cache = Cache::open(&settings.cache, &url, settings.largest_cache)
            .map_err(|source| OpenError::Cache { path: settings.cache.clone(), source })?;
        Ok(Self { url, http, cache, largest_file: settings.largest_file, receiver: None })
    }

    pub(crate) fn head(&mut self, name: &str) -> Result<Option<Oid>, GitError> {
        self.healed(|remote| Ok(remote.list(Service::UploadPack)?.1.find(name)))
    }

    pub(crate) fn snapshot(&mut self, name: &str, wanted: &Wanted) -> Result<Option<Snapshot>, GitError> {
        self.cache.trim();
        self.healed(|remote| match remote.fetch(name)? {
            Some((head, refs)) => {
                let mut snapshot = objects::snapshot(remote.cache.git()?, head, wanted, remote.largest_file)?;
                let branch = |(name, id): (String, Oid)| (branch_of(&name).to_owned(), CommitId(id.to_string()));
                snapshot.branches = refs.branches.into_iter().map(branch).collect();
                Ok(Some(snapshot))
            }
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

    /// What libgit2 says of its own files means that they are broken: they are made anew, and the work is tried once more. So it is
    /// after half an answer.
    fn healed<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, Failure>) -> Result<T, GitError> {
        match work(self) {
            Err(Failure::Git(_)) => self.cache.drop_all(),
            Err(Failure::Exchange(_)) => {}
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
            Failure::Exchange(reason) => self.http.unavailable(format!("the exchange went wrong: {reason}")),
        })
    }

    fn list(&self, service: Service) -> Result<(Url, Refs), Failure> {
        let (base, body) = self.http.refs(service)?;
        Ok((base, Refs::read(body)?))
    }

    /// Lists, and fetches the one commit if it is not here.
    fn fetch(&mut self, name: &str) -> Result<Option<(Oid, Refs)>, Failure> {
        let (base, refs) = self.list(Service::UploadPack)?;
        let Some(head) = refs.find(name) else { return Ok(None) };
        let git = self.cache.git()?;
        if !git.odb()?.exists(head) {
            // What was fetched before is named, so that the server sends only what is new.
            let kept = format!("refs/remotes/origin/{}", branch_of(name));
            let pack = upload_pack::fetch(&self.http, &base, &refs, head, git.refname_to_id(&kept).ok())?;
            packs::keep(pack, &git.path().join("objects/pack"), objects::threads())?;
            git.find_commit(head)?;
            git.reference(&kept, head, true, "tag2pr: fetch")?;
        }
        Ok(Some((head, refs)))
    }

    fn offer(&mut self, name: &str, commit: Oid, expected: Option<Oid>) -> Result<(), Failure> {
        if !self.cache.git()?.odb()?.exists(commit) {
            let reason = format!("commit {commit} is not known here: take a snapshot and make it again");
            return Err(self.http.unavailable(reason).into());
        }
        // One who pushes what is there already wants to know whether it still is.
        if self.receiver.is_none() || expected == Some(commit) {
            let (_, refs) = self.receiver.insert(self.list(Service::ReceivePack)?);
            let found = refs.find(name);
            // What is somewhere else is not touched, what is there already is not sent again.
            if found != expected {
                return Err(moved(name, found, expected).into());
            }
            if found == Some(commit) {
                return Ok(());
            }
        }
        let Some((base, refs)) = self.receiver.take() else { return Ok(()) };
        let pack = receive_pack::pack(self.cache.git()?, commit)?;
        // The old value that is named guards the branch, better than ancestry would.
        let report = receive_pack::push(&self.http, &base, &refs, name, (expected, commit), &pack)?;
        self.receiver = Some((base, refs));
        match report.rejected {
            None => Ok(()),
            Some(status) => {
                let status = printable(status.as_bytes());
                Err(self.rejection(name, expected, &status, &printable(&report.said))?.into())
            }
        }
    }

    /// Why the server did not move the ref, after a second look at it.
    fn rejection(&self, name: &str, expected: Option<Oid>, status: &str, said: &str) -> Result<GitError, Failure> {
        let (_, refs) = self.list(Service::UploadPack)?;
        let found = refs.find(name);
        if found != expected {
            return Ok(moved(name, found, expected));
        }
        let branch = branch_of(name);
        let inside = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
        let in_the_way = refs.branches.iter().find(|(other, _)| inside(other, name) || inside(name, other));
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
