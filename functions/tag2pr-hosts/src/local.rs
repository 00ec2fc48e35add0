//! Pull requests of a repository without a forge: objects in the store, one for each.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tag2pr::keys::Key;
use tag2pr::seams::{
    CommitId, Draft, Expected, GitError, GitHost, GitRepository, HostError, Objects, PullRequest, RepositoryId, State,
    StoreError, Version,
};

/// The version of the format that is written.
const FORMAT: u32 = 1;

/// How often a writer that lost a race tries again.
const ATTEMPTS: u32 = 10;

/// The pull requests of one repository and base, in an object store.
pub struct Local {
    repository: RepositoryId,
    objects: Arc<dyn Objects>,
    git: Arc<dyn GitRepository>,
}

/// One pull request, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    format: u32,
    /// Goes up with every change, so that no two states of it are the same bytes.
    generation: u64,
    number: u64,
    state: State,
    branch: String,
    base: String,
    head: CommitId,
    title: String,
    body: String,
    comments: Vec<String>,
}

impl Local {
    /// Where the branches are is asked of the repository.
    pub fn new(repository: RepositoryId, objects: Arc<dyn Objects>, git: Arc<dyn GitRepository>) -> Self {
        Self { repository, objects, git }
    }

    /// Records that a person merged it. The merge itself is made with Git.
    ///
    /// # Errors
    ///
    /// When there is no such pull request, or the store fails.
    pub async fn merge(&self, number: u64) -> Result<(), HostError> {
        self.settle(number, State::Merged, None).await
    }

    /// Records that a person closed it without merging.
    ///
    /// # Errors
    ///
    /// When there is no such pull request, or the store fails.
    pub async fn close_by_person(&self, number: u64) -> Result<(), HostError> {
        self.settle(number, State::Closed, None).await
    }

    /// One that is open takes this state and stays at the commit that its branch has now; a comment is made once.
    async fn settle(&self, number: u64, state: State, comment: Option<&str>) -> Result<(), HostError> {
        let (record, _) = self.read(number).await?;
        let head = self.head(&record.branch).await?.unwrap_or(record.head);
        self.change(number, |record| {
            if let Some(comment) = comment.filter(|comment| !record.comments.iter().any(|said| said == comment)) {
                record.comments.push(comment.to_owned());
            }
            if record.state == State::Open {
                (record.state, record.head) = (state, head.clone());
            }
        })
        .await?;
        Ok(())
    }

    /// Everything that was said under it, oldest first.
    ///
    /// # Errors
    ///
    /// When there is no such pull request, or the store fails.
    pub async fn comments(&self, number: u64) -> Result<Vec<String>, HostError> {
        Ok(self.read(number).await?.0.comments)
    }

    /// All pull requests of this repository, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn all(&self) -> Result<Vec<PullRequest>, HostError> {
        let mut all = Vec::new();
        for record in self.records().await? {
            all.push(self.seen(record).await?);
        }
        Ok(all)
    }

    /// Newest first.
    async fn records(&self) -> Result<Vec<Record>, HostError> {
        let mut records = Vec::new();
        for key in self.objects.list(&Key::pull_requests(&self.repository)).await.map_err(|error| self.failed(error))? {
            if let Some((record, _)) = self.get(&key).await? {
                records.push(record);
            }
        }
        records.sort_by_key(|record| std::cmp::Reverse(record.number));
        Ok(records)
    }

    async fn get(&self, key: &Key) -> Result<Option<(Record, Version)>, HostError> {
        let object = self.objects.get(key).await.map_err(|error| self.failed(error))?;
        let Some(object) = object else { return Ok(None) };
        match serde_json::from_slice::<Record>(&object.bytes) {
            Ok(record) if record.format <= FORMAT => Ok(Some((record, object.version))),
            Ok(record) => {
                let format = record.format;
                Err(self.refused(format!("`{key}` has format {format}, newer than {FORMAT}; use a newer tag2pr")))
            }
            Err(error) => Err(self.refused(format!("`{key}` is no pull request: {error}; mend or remove it"))),
        }
    }

    async fn read(&self, number: u64) -> Result<(Record, Version), HostError> {
        let found = self.get(&Key::pull_request(&self.repository, number)).await?;
        found.ok_or_else(|| self.refused(format!("there is no pull request #{number}")))
    }

    /// Changes one, again from what is there if somebody else was faster.
    async fn change(&self, number: u64, change: impl Fn(&mut Record) + Send + Sync) -> Result<Record, HostError> {
        for attempt in 0..ATTEMPTS {
            let (old, version) = self.read(number).await?;
            let mut record = old.clone();
            change(&mut record);
            if record == old {
                return Ok(record);
            }
            record.generation += 1;
            match self.put(&record, Expected::Unchanged(&version)).await {
                Ok(()) => return Ok(record),
                Err(StoreError::Conflict(_)) => self.objects.pause(attempt).await,
                Err(error) => return Err(self.failed(error)),
            }
        }
        Err(self.contended())
    }

    async fn put(&self, record: &Record, expected: Expected<'_>) -> Result<(), StoreError> {
        let key = Key::pull_request(&self.repository, record.number);
        let mut bytes = serde_json::to_vec_pretty(record).map_err(|error| StoreError::Refused(error.to_string()))?;
        bytes.push(b'\n');
        self.objects.put(&key, bytes, expected).await.map(|_| ())
    }

    async fn head(&self, branch: &str) -> Result<Option<CommitId>, HostError> {
        self.git.head(branch).await.map_err(|error| match error {
            GitError::Unavailable { url, reason } => HostError::Unavailable { host: url, reason },
            GitError::Refused { url, reason } => HostError::Refused { host: url, reason },
            error @ (GitError::Moved { .. } | GitError::MissingBranch { .. }) => self.refused(error.to_string()),
        })
    }

    /// An open one is where its branch is; what became of the branch later does not touch the others.
    async fn seen(&self, record: Record) -> Result<PullRequest, HostError> {
        let head = match record.state {
            State::Open => self.head(&record.branch).await?.unwrap_or(record.head),
            State::Merged | State::Closed => record.head,
        };
        Ok(PullRequest {
            number: record.number,
            url: format!("{}#{}", self.name(), record.number),
            state: record.state,
            branch: record.branch,
            head,
            title: record.title,
            body: record.body,
        })
    }

    /// `local:/srv/git/fleet.git@main`
    fn name(&self) -> String {
        format!("local:{}@{}", self.repository.path, self.repository.base)
    }

    fn refused(&self, reason: String) -> HostError {
        HostError::Refused { host: self.name(), reason }
    }

    fn contended(&self) -> HostError {
        HostError::Unavailable { host: self.name(), reason: "somebody else changes its pull requests".to_owned() }
    }

    fn failed(&self, error: StoreError) -> HostError {
        match error {
            StoreError::Conflict(_) => self.contended(),
            StoreError::Unavailable(_) => HostError::Unavailable { host: self.name(), reason: error.to_string() },
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
                found.push(self.seen(record).await?);
            }
        }
        Ok(found)
    }

    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError> {
        let Draft { branch, base, title, body } = draft;
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
            if let Some(open) = records.iter().find(same) {
                let number = open.number;
                return Err(self.refused(format!("a pull request already exists for `{branch}`: #{number}")));
            }
            let record = Record {
                format: FORMAT,
                generation: 0,
                number: records.first().map_or(1, |newest| newest.number + 1),
                state: State::Open,
                branch: branch.clone(),
                base: base.clone(),
                head: head.clone(),
                title: title.clone(),
                body: body.clone(),
                comments: Vec::new(),
            };
            // Whoever took the number meanwhile may have opened this very one: look again.
            match self.put(&record, Expected::Absent).await {
                Ok(()) => return self.seen(record).await,
                Err(StoreError::Conflict(_)) => self.objects.pause(attempt).await,
                Err(error) => return Err(self.failed(error)),
            }
        }
        Err(self.contended())
    }

    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError> {
        let record = self
            .change(number, |record| (record.title, record.body) = (draft.title.clone(), draft.body.clone()))
            .await?;
        self.seen(record).await
    }

    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError> {
        self.settle(number, State::Closed, Some(comment)).await
    }
}
