//! A forge in memory: pull requests with state, people who merge and close them, and calls that fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::commands::PREFIX;
use crate::seams::{Asks, Comment, CommitId, Draft, GitHost, GitRepository as _, HostError, PullRequest, State};
use crate::testing::repository::FakeRepository;

/// What the errors of this forge name as its address.
const HOST: &str = "https://forge.test";

/// The person who merges and closes, unless another is named.
const PERSON: &str = "alice";

/// Our own account there.
const OURS: &str = "tag2pr";

/// A pull request as somebody sees it who looks at the forge from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Open, merged or closed.
    pub state: State,
    /// The branch it is made from.
    pub branch: String,
    /// The branch it is for.
    pub base: String,
    /// The commit of its branch when the forge last looked; that of a merged or closed one stays.
    pub head: CommitId,
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
    /// Everything that was written under it, oldest first.
    pub comments: Vec<String>,
    /// The numbers of those that people wrote, with whether they may write to the repository.
    pub said: Vec<(usize, bool)>,
    /// Whether it is not ready yet.
    pub is_draft: bool,
    /// What was asked for beside title and body.
    pub asks: Asks,
    /// Who owns the fork that its branch is in; `None` for a branch of the repository itself.
    pub fork: Option<String>,
    /// Who merged or closed it.
    pub ended_by: Option<String>,
}

/// How one call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The forge does not answer, and nothing has happened.
    Down,
    /// The forge has done it, and its answer is lost.
    AnswerLost,
    /// The forge asks to come again, and nothing has happened.
    RateLimited {
        /// When.
        until: Timestamp,
        /// How long that is from now.
        wait: SignedDuration,
    },
}

/// A forge in memory. Like GitHub, it refuses a second open pull request for the same branch and base, one from a
/// branch that does not exist, and one without a change.
pub struct FakeHost {
    git: Arc<FakeRepository>,
    world: Mutex<World>,
}

#[derive(Default)]
struct World {
    pulls: Vec<Pull>,
    numbered: u64,
    /// How the next calls go; `None` for one that is answered.
    faults: VecDeque<Option<Fault>>,
    racing: bool,
    overtaken: bool,
    discreet: bool,
    calls: usize,
}

impl FakeHost {
    /// A forge in front of a repository: it asks there where a branch is, and what changed a file.
    pub fn new(git: Arc<FakeRepository>) -> Self {
        Self { git, world: Mutex::default() }
    }

    /// A person merges it: `alice`.
    ///
    /// # Panics
    ///
    /// When there is no such pull request.
    pub fn merge(&self, number: u64) {
        self.settle(number, State::Merged, PERSON);
    }

    /// A person closes it without merging: `alice`.
    ///
    /// # Panics
    ///
    /// When there is no such pull request.
    pub fn close_by_person(&self, number: u64) {
        self.close_by(number, PERSON);
    }

    /// A person of this name closes it without merging.
    ///
    /// # Panics
    ///
    /// When there is no such pull request.
    pub fn close_by(&self, number: u64, person: &str) {
        self.settle(number, State::Closed, person);
    }

    /// A person marks a draft as ready.
    ///
    /// # Panics
    ///
    /// When there is no such pull request.
    pub fn made_ready_by_person(&self, number: u64) {
        let mut world = self.world();
        let pull = world.pulls.iter_mut().find(|pull| pull.number == number);
        pull.unwrap_or_else(|| panic!("there is no pull request #{number}")).is_draft = false;
    }

    /// A person writes a comment, who may or may not write to the repository.
    ///
    /// # Panics
    ///
    /// When there is no such pull request.
    pub fn said(&self, number: u64, may_write: bool, text: &str) {
        let mut world = self.world();
        let pull = world.pulls.iter_mut().find(|pull| pull.number == number);
        let pull = pull.unwrap_or_else(|| panic!("there is no pull request #{number}"));
        pull.said.push((pull.comments.len(), may_write));
        pull.comments.push(text.to_owned());
    }

    /// An administrator deletes it, as some forges allow: as if it had never been.
    pub fn delete(&self, number: u64) {
        self.world().pulls.retain(|pull| pull.number != number);
    }

    /// A person opens one again that was closed.
    ///
    /// # Panics
    ///
    /// When there is no such pull request.
    pub fn reopen(&self, number: u64) {
        let mut world = self.world();
        let pull = world.pulls.iter_mut().find(|pull| pull.number == number);
        let pull = pull.unwrap_or_else(|| panic!("there is no pull request #{number}"));
        (pull.state, pull.ended_by) = (State::Open, None);
    }

    fn settle(&self, number: u64, state: State, person: &str) {
        let mut world = self.world();
        let pull = world.pulls.iter_mut().find(|pull| pull.number == number);
        let pull = pull.unwrap_or_else(|| panic!("there is no pull request #{number}"));
        (pull.state, pull.ended_by) = (state, Some(person.to_owned()));
    }

    /// Somebody opens one from a branch of this name in a fork.
    pub fn opened_from_fork(&self, owner: &str, branch: &str, base: &str) -> u64 {
        let draft = Draft {
            branch: branch.to_owned(),
            base: base.to_owned(),
            title: "A stranger's change".to_owned(),
            body: String::new(),
            is_draft: false,
        };
        let head = CommitId("f".repeat(40));
        self.world().open(&draft, head, Some(owner.to_owned())).number
    }

    /// Every pull request that there ever was and that nobody deleted, oldest first.
    pub fn pulls(&self) -> Vec<Pull> {
        self.world().pulls.clone()
    }

    /// The pull requests that wait for a person.
    pub fn open_pulls(&self) -> Vec<Pull> {
        self.pulls().into_iter().filter(|pull| pull.state == State::Open).collect()
    }

    /// How often the forge was asked for anything.
    pub fn calls(&self) -> usize {
        self.world().calls
    }

    /// The next call that has no fault yet fails like this.
    pub fn fails_once(&self, fault: Fault) {
        self.fails_after(0, fault);
    }

    /// The next call fails like this that has no fault yet and comes after so many good ones.
    pub fn fails_after(&self, good: usize, fault: Fault) {
        let mut world = self.world();
        world.faults.extend(std::iter::repeat_n(None, good));
        world.faults.push_back(Some(fault));
    }

    /// The next call gets no answer, and nothing happens.
    pub fn unavailable_once(&self) {
        self.fails_once(Fault::Down);
    }

    /// The next call does its work, and its answer is lost.
    pub fn answer_lost_once(&self) {
        self.fails_once(Fault::AnswerLost);
    }

    /// From now on a second open pull request for the same branch and base is accepted, as forges do when the two are
    /// opened at the same time.
    pub fn racing(&self) {
        self.world().racing = true;
    }

    /// The next pull request that is to be opened is opened by another worker, a moment before.
    pub fn overtaken_once(&self) {
        self.world().overtaken = true;
    }

    /// From now on it gives no answer to who merged or closed a pull request, nor to what changed a file.
    pub fn discreet(&self) {
        self.world().discreet = true;
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call: takes its fault, and fails if nothing is to happen.
    fn begin(&self) -> Result<Option<Fault>, HostError> {
        let mut world = self.world();
        world.calls += 1;
        match world.faults.pop_front().flatten() {
            Some(Fault::Down) => Err(unavailable("connection refused".to_owned())),
            Some(Fault::RateLimited { until, wait }) => {
                let reason = format!("rate limit exceeded until {until}");
                Err(HostError::Unavailable { host: HOST.to_owned(), reason, wait: Some(wait) })
            }
            fault => Ok(fault),
        }
    }

    async fn head(&self, branch: &str) -> Result<Option<CommitId>, HostError> {
        self.git.head(branch).await.map_err(|error| unavailable(error.to_string()))
    }

    /// Lets the open pull requests of a branch follow it.
    async fn follow(&self, branch: &str) -> Result<(), HostError> {
        if let Some(head) = self.head(branch).await? {
            let mut world = self.world();
            let open = world.pulls.iter_mut().filter(|pull| pull.state == State::Open && pull.fork.is_none());
            open.filter(|pull| pull.branch == branch).for_each(|pull| pull.head = head.clone());
        }
        Ok(())
    }
}

impl World {
    fn open(&mut self, draft: &Draft, head: CommitId, fork: Option<String>) -> Pull {
        self.numbered += 1;
        let pull = Pull {
            number: self.numbered,
            state: State::Open,
            branch: draft.branch.clone(),
            base: draft.base.clone(),
            head,
            title: draft.title.clone(),
            body: draft.body.clone(),
            comments: Vec::new(),
            said: Vec::new(),
            is_draft: draft.is_draft,
            asks: Asks::default(),
            fork,
            ended_by: None,
        };
        self.pulls.push(pull.clone());
        pull
    }

    fn pull(&mut self, number: u64) -> Result<&mut Pull, HostError> {
        let pull = self.pulls.iter_mut().find(|pull| pull.number == number);
        pull.ok_or_else(|| refused(format!("there is no pull request #{number}")))
    }
}

#[async_trait]
impl GitHost for FakeHost {
    async fn find(&self, branch: &str, base: &str) -> Result<Vec<PullRequest>, HostError> {
        let fault = self.begin()?;
        self.follow(branch).await?;
        let ours = |pull: &&Pull| pull.branch == branch && pull.base == base && pull.fork.is_none();
        let found = self.world().pulls.iter().rev().filter(ours).map(seen).collect();
        answer(fault, found)
    }

    async fn open(&self, draft: &Draft) -> Result<PullRequest, HostError> {
        let fault = self.begin()?;
        let Draft { branch, base, .. } = draft;
        let head = self.head(branch).await?;
        let head = head.ok_or_else(|| refused(format!("there is no branch `{branch}`")))?;
        let onto = self.head(base).await?;
        let onto = onto.ok_or_else(|| refused(format!("there is no branch `{base}`")))?;
        if head == onto {
            return Err(refused(format!("no commits between {base} and {branch}")));
        }
        let mut world = self.world();
        if std::mem::take(&mut world.overtaken) {
            world.open(draft, head.clone(), None);
        }
        let same = |pull: &Pull| pull.state == State::Open && pull.branch == *branch && pull.base == *base;
        if !world.racing && world.pulls.iter().any(|pull| same(pull) && pull.fork.is_none()) {
            return Err(moved(format!("a pull request already exists for {branch}")));
        }
        answer(fault, seen(&world.open(draft, head, None)))
    }

    async fn update(&self, number: u64, draft: &Draft) -> Result<PullRequest, HostError> {
        let fault = self.begin()?;
        self.follow(&draft.branch).await?;
        let mut world = self.world();
        let pull = world.pull(number)?;
        (pull.title, pull.body) = (draft.title.clone(), draft.body.clone());
        answer(fault, seen(pull))
    }

    async fn close(&self, number: u64, comment: &str) -> Result<(), HostError> {
        let fault = self.begin()?;
        let mut world = self.world();
        let pull = world.pull(number)?;
        if !pull.comments.iter().any(|said| said == comment) {
            pull.comments.push(comment.to_owned());
        }
        if pull.state == State::Open {
            (pull.state, pull.ended_by) = (State::Closed, Some(OURS.to_owned()));
        }
        answer(fault, ())
    }

    async fn ended_by(&self, number: u64) -> Result<Option<String>, HostError> {
        let fault = self.begin()?;
        let mut world = self.world();
        if world.discreet {
            return Err(unavailable("it does not say who".to_owned()));
        }
        answer(fault, world.pull(number)?.ended_by.clone())
    }

    async fn last_change(&self, path: &str, branch: &str) -> Result<Option<CommitId>, HostError> {
        let fault = self.begin()?;
        if self.world().discreet {
            return Err(unavailable("it does not say with which commit".to_owned()));
        }
        answer(fault, self.git.last_change(branch, path))
    }

    async fn comment(&self, number: u64, text: &str) -> Result<bool, HostError> {
        let fault = self.begin()?;
        let mut world = self.world();
        let pull = world.pull(number)?;
        if !pull.comments.iter().any(|said| said == text) {
            pull.comments.push(text.to_owned());
        }
        answer(fault, true)
    }

    async fn commands(&self, number: u64, after: u64) -> Result<Vec<Comment>, HostError> {
        let fault = self.begin()?;
        let mut world = self.world();
        let pull = world.pull(number)?;
        let said = pull.said.iter().filter_map(|&(index, may_write)| {
            let body = pull.comments.get(index)?.clone();
            Some(Comment { id: index as u64 + 1, body, may_write })
        });
        answer(fault, said.filter(|one| one.id > after && one.body.starts_with(PREFIX)).collect())
    }

    fn reads_commands(&self) -> bool {
        true
    }

    async fn ready(&self, number: u64) -> Result<(), HostError> {
        let fault = self.begin()?;
        let mut world = self.world();
        let pull = world.pull(number)?;
        pull.is_draft &= pull.state != State::Open;
        answer(fault, ())
    }

    async fn ask(&self, number: u64, asks: &Asks) -> Result<Vec<String>, HostError> {
        let fault = self.begin()?;
        let mut world = self.world();
        world.pull(number)?.asks = Asks { auto_merge: false, ..asks.clone() };
        answer(fault, asks.auto_merge.then(|| "this forge has no auto-merge".to_owned()).into_iter().collect())
    }
}

fn seen(pull: &Pull) -> PullRequest {
    PullRequest {
        number: pull.number,
        url: format!("{HOST}/acme/fleet/pull/{}", pull.number),
        state: pull.state,
        branch: pull.branch.clone(),
        head: pull.head.clone(),
        title: pull.title.clone(),
        body: pull.body.clone(),
        is_draft: pull.is_draft,
    }
}

fn answer<T>(fault: Option<Fault>, value: T) -> Result<T, HostError> {
    match fault {
        None => Ok(value),
        Some(_) => Err(unavailable("connection closed before the answer".to_owned())),
    }
}

fn refused(reason: String) -> HostError {
    HostError::Refused { host: HOST.to_owned(), reason }
}

fn moved(reason: String) -> HostError {
    HostError::Moved { host: HOST.to_owned(), reason }
}

fn unavailable(reason: String) -> HostError {
    HostError::Unavailable { host: HOST.to_owned(), reason, wait: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::conformance;
    use crate::testing::repository::Entry;
    use conformance::host::World;

    struct Forge {
        repository: Arc<FakeRepository>,
        host: FakeHost,
    }

    impl Forge {
        fn new() -> Self {
            let repository = Arc::new(FakeRepository::with("main", &[]));
            Self { host: FakeHost::new(repository.clone()), repository }
        }
    }

    #[async_trait]
    impl World for Forge {
        fn host(&self) -> &dyn GitHost {
            &self.host
        }
        async fn push(&self, branch: &str) -> CommitId {
            self.repository.push_by_somebody_else(branch, &[Entry::file("web.yaml", branch)], "Update")
        }
        async fn change(&self, branch: &str, path: &str) -> Option<CommitId> {
            let text = self.repository.log(branch).len().to_string();
            Some(self.repository.push_by_somebody_else(branch, &[Entry::file(path, text)], "Change"))
        }
        async fn merge(&self, number: u64) {
            self.host.merge(number);
        }
        async fn close_by_person(&self, number: u64) {
            self.host.close_by_person(number);
        }
        async fn reopen(&self, number: u64) -> bool {
            self.host.reopen(number);
            true
        }
        async fn comments(&self, number: u64) -> Vec<String> {
            let pull = self.host.pulls().into_iter().find(|pull| pull.number == number);
            pull.map(|pull| pull.comments).unwrap_or_default()
        }
        async fn is_draft(&self, number: u64) -> bool {
            self.host.pulls().iter().any(|pull| pull.number == number && pull.is_draft)
        }
        async fn said(&self, number: u64, may_write: bool, text: &str) {
            self.host.said(number, may_write, text);
        }
        async fn asked(&self, number: u64) -> Asks {
            let pull = self.host.pulls().into_iter().find(|pull| pull.number == number);
            pull.map(|pull| pull.asks).unwrap_or_default()
        }
        async fn opened_from_fork(&self, branch: &str, base: &str) -> bool {
            self.host.opened_from_fork("mallory", branch, base);
            true
        }
        fn fails_once(&self, fault: Fault) -> bool {
            self.host.fails_once(fault);
            true
        }
    }

    #[test]
    fn it_does_what_every_forge_must() {
        pollster::block_on(conformance::host::host(&Forge::new()));
    }

    #[test]
    fn in_a_race_two_stand_open_for_one_branch() {
        let forge = Forge::new();
        pollster::block_on(forge.push("tag2pr/web"));
        let draft = Draft {
            branch: "tag2pr/web".to_owned(),
            base: "main".to_owned(),
            title: "web: 1.4.0".to_owned(),
            body: String::new(),
            is_draft: false,
        };
        forge.host.racing();
        pollster::block_on(forge.host.open(&draft)).unwrap();
        pollster::block_on(forge.host.open(&draft)).unwrap();
        let numbers: Vec<u64> = forge.host.open_pulls().iter().map(|pull| pull.number).collect();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(forge.host.calls(), 2);
    }
}
