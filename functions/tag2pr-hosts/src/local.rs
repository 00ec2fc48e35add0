//! Pull requests of a repository without a forge: objects in the store, one for each.
//!
//! People answer them with Git alone: one whose commit the base branch contains is merged, and one whose branch is gone is
//! closed, as every forge has it. Over HTTP no history is known: there the base branch must stand at its commit.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tag2pr::keys::Key;
use tag2pr::seams::{
    Asks, CommitId, Draft, GitError, GitHost, GitRepository, HostError, Objects, PullRequest, RepositoryId, State,
    StoreError,
};
use tag2pr::store::{self, Stored};

use crate::asked::Asked;

/// How often another number is tried when somebody else takes the one that is next.
const ATTEMPTS: u32 = 10;

/// The pull requests of one repository and base, in an object store.
pub struct Local {
    repository: RepositoryId,
    objects: Arc<dyn Objects>,
    git: Arc<dyn GitRepository>,
    writer: String,
}

/// One pull request, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    number: u64,
    state: State,
    branch: String,
    base: String,
    head: CommitId,
    title: String,
    body: String,
    comments: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_draft: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reviewers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    assignees: Vec<String>,
}

impl Stored for Record {
    const FORMAT: u32 = 1;
}

impl Record {
    /// Once.
    fn say(&mut self, comment: &str) {
        if !self.comments.iter().any(|said| said == comment) {
            self.comments.push(comment.to_owned());
        }
    }
}

impl Local {
    /// Where the branches are is asked of the repository. `writer` names this process and what it does now: see
    /// [`store::update`].
    pub fn new(repository: RepositoryId, objects: Arc<dyn Objects>, git: Arc<dyn GitRepository>, writer: &str) -> Self {
        Self { repository, objects, git, writer: writer.to_owned() }
    }

    /// Everything that was said under it, oldest first.
    ///
    /// # Errors
    ///
    /// When there is no such pull request, or the store fails.
    pub async fn comments(&self, number: u64) -> Result<Vec<String>, HostError> {
        Ok(self.read(number).await?.comments)
    }

    /// Whether it is a draft, and what was asked for beside title and body.
    ///
    /// # Errors
    ///
    /// When there is no such pull request, or the store fails.
    pub async fn asked(&self, number: u64) -> Result<(bool, Asks), HostError> {
        let Record { is_draft, labels, reviewers, assignees, .. } = self.read(number).await?;
        Ok((is_draft, Asks { labels, reviewers, assignees, auto_merge: false }))
    }

    /// All pull requests of this repository, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn all(&self) -> Result<Vec<PullRequest>, HostError> {
        let mut all = Vec::new();
        for record in self.records().await? {
            all.push(self.seen(self.followed(record).await?));
        }
        Ok(all)
    }

    /// Newest first.
    async fn records(&self) -> Result<Vec<Record>, HostError> {
        let mut records = Vec::new();
        for key in self.objects.list(&Key::pull_requests(&self.repository)).await.map_err(|error| self.failed(error))? {
            let record = store::load::<Record>(&*self.objects, &key).await.map_err(|error| self.failed(error))?;
            records.extend(record.map(|record| record.value));
        }
        records.sort_by_key(|record| std::cmp::Reverse(record.number));
        Ok(records)
    }

    async fn read(&self, number: u64) -> Result<Record, HostError> {
        let key = Key::pull_request(&self.repository, number);
        let record = store::load(&*self.objects, &key).await.map_err(|error| self.failed(error))?;
        record.map(|record| record.value).ok_or_else(|| self.missing(number))
    }

    /// Changes one, and tells what it is then.
    async fn change(&self, number: u64, change: impl Fn(&mut Record) + Send + Sync) -> Result<Record, HostError> {
        let key = Key::pull_request(&self.repository, number);
        let mut changed = None;
        let decide = |before: Option<Record>| {
            let mut after = before.clone()?;
            change(&mut after);
            changed = Some(after.clone());
            (before.as_ref() != Some(&after)).then_some(after)
        };
        store::update(&*self.objects, &key, &self.writer, decide).await.map_err(|error| self.failed(error))?;
        changed.ok_or_else(|| self.missing(number))
    }

    async fn head(&self, branch: &str) -> Result<Option<CommitId>, HostError> {
        self.git.head(branch).await.map_err(|error| self.git_failed(error))
    }

    fn git_failed(&self, error: GitError) -> HostError {
        match error {
            GitError::Unavailable { url, reason, wait } => HostError::Unavailable { host: url, reason, wait },
            GitError::Refused { url, reason } => HostError::Refused { host: url, reason },
            error @ (GitError::Moved { .. } | GitError::MissingBranch { .. }) => self.refused(error.to_string()),
        }
    }

    /// What an open one is by what people did with Git since it was last [noted](GitHost::note).
    async fn followed(&self, record: Record) -> Result<Record, HostError> {
        if record.state != State::Open {
            return Ok(record);
        }
        let branch = self.head(&record.branch).await?;
        let (state, head) = match branch {
            _ if self.contains(&record.base, &record.head).await? => (State::Merged, record.head.clone()),
            Some(head) if self.contains(&record.base, &head).await? => (State::Merged, head),
            Some(head) => (State::Open, head),
            // Without a base nothing can be said.
            None if self.head(&record.base).await?.is_none() => (State::Open, record.head.clone()),
            None => (State::Closed, record.head.clone()),
        };
        Ok(Record { state, head, ..record })
    }

    async fn contains(&self, branch: &str, commit: &CommitId) -> Result<bool, HostError> {
        self.git.contains(branch, commit).await.map_err(|error| self.git_failed(error))
    }

    fn seen(&self, record: Record) -> PullRequest {
        PullRequest {
            number: record.number,
            url: format!("{}#{}", self.name(), record.number),
            state: record.state,
            branch: record.branch,
            head: record.head,
            title: record.title,
            body: record.body,
            is_draft: record.is_draft,
        }
    }

    /// `local:/srv/git/fleet.git@main`
    fn name(&self) -> String {
        format!("local:{}@{}", self.repository.path, self.repository.base)
    }

    fn missing(&self, number: u64) -> HostError {
        self.refused(format!("there is no pull request #{number}"))
    }

    fn refused(&self, reason: String) -> HostError {
        HostError::Refused { host: self.name(), reason }
    }

    fn moved(&self, reason: String) -> HostError {
        HostError::Moved { host: self.name(), reason }
    }

    fn contended(&self) -> HostError {
        self.unavailable("somebody else changes its pull requests".to_owned())
    }

    fn unavailable(&self, reason: String) -> HostError {
        HostError::Unavailable { host: self.name(), reason, wait: None }
    }

    fn failed(&self, error: StoreError) -> HostError {
        match error {
            StoreError::Conflict(_) => self.contended(),
            StoreError::Unavailable(_) => self.unavailable(error.to_string()),
            StoreError::Refused(_) => self.refused(error.to_string()),
        }
    }
}

#[async_trait]
impl GitHost for Local {
    async fn find(&self, branch: &str, base: &str) -> Result<Vec<PullRequest>, HostError> {
        let mut found = Vec::new();
        for record in self.records().await? {
            if record.branch == branch && record.base == base {
                found.push(self.seen(self.followed(record).await?));
            }
        }
        Ok(found)
    }

    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError> {
        let Draft { branch, base, title, body, is_draft } = draft;
        let head = self.head(branch).await?;
        let head = head.ok_or_else(|| self.refused(format!("there is no branch `{branch}`; push it first")))?;
        let onto = self.head(base).await?;
        let onto = onto.ok_or_else(|| self.refused(format!("there is no branch `{base}`; check `branch:`")))?;
        if head == onto {
            return Err(self.refused(format!("no commits between `{base}` and `{branch}`")));
        }
        for attempt in 0..ATTEMPTS {
            let records = self.records().await?;
            let same =
                |record: &&Record| record.state == State::Open && record.branch == *branch && record.base == *base;
            for record in records.iter().filter(same) {
                let now = self.followed(record.clone()).await?;
                if now.state == State::Open {
                    let number = now.number;
                    return Err(self.moved(format!("a pull request already exists for `{branch}`: #{number}")));
                }
                self.note(&self.seen(now)).await?;
            }
            let record = Record {
                number: records.first().map_or(1, |newest| newest.number + 1),
                state: State::Open,
                branch: branch.clone(),
                base: base.clone(),
                head: head.clone(),
                title: title.clone(),
                body: body.clone(),
                comments: Vec::new(),
                is_draft: *is_draft,
                labels: Vec::new(),
                reviewers: Vec::new(),
                assignees: Vec::new(),
            };
            let key = Key::pull_request(&self.repository, record.number);
            let created = store::create(&*self.objects, &key, &self.writer, &record).await;
            if created.map_err(|error| self.failed(error))? {
                return Ok(self.seen(record));
            }
            // Whoever took the number meanwhile may have opened this very one: look again.
            self.objects.pause(attempt).await;
        }
        Err(self.contended())
    }

    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError> {
        let head = self.head(&draft.branch).await?;
        let record = self.change(number, |record| {
            (record.title, record.body) = (draft.title.clone(), draft.body.clone());
            if let (State::Open, Some(head)) = (record.state, &head) {
                record.head = head.clone();
            }
        });
        Ok(self.seen(record.await?))
    }

    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError> {
        let now = self.followed(self.read(number).await?).await?;
        let state = if now.state == State::Merged { State::Merged } else { State::Closed };
        self.change(number, |record| {
            record.say(comment);
            if record.state == State::Open {
                (record.state, record.head) = (state, now.head.clone());
            }
        })
        .await?;
        Ok(())
    }

    async fn note(&self, pull: &PullRequest) -> Result<(), HostError> {
        self.change(pull.number, |record| {
            if record.state == State::Open {
                (record.state, record.head) = (pull.state, pull.head.clone());
            }
        })
        .await?;
        Ok(())
    }

    async fn comment(&self, number: u64, text: &str) -> Result<bool, HostError> {
        self.change(number, |record| record.say(text)).await?;
        Ok(true)
    }

    async fn ready(&self, number: u64) -> Result<(), HostError> {
        self.change(number, |record| record.is_draft &= record.state != State::Open).await?;
        Ok(())
    }

    async fn ask(&self, number: u64, asks: &Asks) -> Result<Vec<String>, HostError> {
        self.change(number, |record| {
            for (there, asked) in [
                (&mut record.labels, &asks.labels),
                (&mut record.reviewers, &asks.reviewers),
                (&mut record.assignees, &asks.assignees),
            ] {
                let new: Vec<String> = asked.iter().filter(|name| !there.contains(name)).cloned().collect();
                there.extend(new);
            }
        })
        .await?;
        let mut asked = Asked::default();
        asked.lacks("a repository without a forge", "auto-merge", asks.auto_merge);
        Ok(asked.remarks())
    }
}
