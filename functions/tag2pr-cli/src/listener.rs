//! The functions behind one local listener: HTTP in front, a worker for each repository behind.
//!
//! The inbox is the store, so a killed process continues where it was.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use jiff::Timestamp;
use tag2pr::endpoint::Answer;
use tag2pr::endpoint::status::{self, Wanted};
use tag2pr::flow::{Error, propose, sweep};
use tag2pr::seams::RepositoryId;
use tag2pr::status::metrics::Metrics;
use tag2pr_connect::{ConnectError, Deployment, Receiver, Settings};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::inbox::{self, writer};
use crate::renewal::{self, Current, Renewal, Renewed};

/// What happens behind the listener, for whoever shows it.
#[derive(Debug)]
pub enum Happened {
    /// A request was answered.
    Answered(Box<Answer>),
    /// A repository was looked at, for these reasons.
    Proposed(RepositoryId, Vec<String>, Result<Box<propose::Report>, Error>),
    /// Somebody who wants to know what happens could not be told.
    NotTold(String),
    /// Registries were listed.
    Swept(Result<sweep::Report, Error>),
    /// Secrets were read again.
    Renewed(Renewed),
}

/// A running listener.
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// What happens. Workers wait for whoever takes it out; answers do not, and are not shown while it is full.
    pub happened: mpsc::Receiver<Happened>,
    stop: watch::Sender<bool>,
    renew: Arc<Notify>,
}

/// How long after a failure a repository is looked at again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// How often the inbox is looked into unasked: another process may have put a poke there.
const LOOK: Duration = Duration::from_secs(60);

/// How often the sweep looks for what is due.
const SWEEP: Duration = Duration::from_secs(60);

/// How often what was refused is written down.
const COUNT: Duration = Duration::from_secs(60);

/// Headers, and then the body, must be complete within this time: slow senders must not hold connections for ever.
const SLOWEST: Duration = Duration::from_secs(10);

/// How long what is under way may take to end when the listener stops.
const GRACE: Duration = Duration::from_secs(5);

/// So much may have happened that nobody looked at yet.
const UNSEEN: usize = 128;

/// Starts to listen and to work. Every repository is looked at once at the start.
///
/// # Errors
///
/// When a secret, an address or the port cannot be used.
pub async fn start(settings: &Settings, listen: &str) -> Result<Listener, ConnectError> {
    let renewal = Renewal::start(settings).await?;
    let renew = Arc::clone(&renewal.asked);
    let unusable = |reason: String| ConnectError::Unusable { file: settings.file.clone(), reason };
    let cannot_listen = |error| {
        unusable(format!("cannot listen on {listen}: {error}; choose another with `listen:` or --listen HOST:PORT"))
    };
    let socket = TcpListener::bind(listen).await.map_err(cannot_listen)?;
    let address = socket.local_addr().map_err(|error| unusable(error.to_string()))?;
    let (tell, happened) = mpsc::channel(UNSEEN);
    let (stop, stopping) = watch::channel(false);

    let metrics: Arc<Mutex<Metrics>> = Arc::default();
    // By name: a repository that is configured twice has one worker.
    let deployment = renewal::now(&renewal.deployment());
    let names = deployment.repositories().iter().map(|repository| repository.id.clone());
    let pokers: BTreeMap<RepositoryId, Arc<Notify>> = names.map(|id| (id, Arc::default())).collect();
    for (repository, poked) in &pokers {
        let worker = Worker {
            deployment: renewal.deployment(),
            repository: repository.clone(),
            poked: Arc::clone(poked),
            tell: tell.clone(),
            metrics: Arc::clone(&metrics),
        };
        tokio::spawn(worker.work(stopping.clone()));
    }
    let workers: Vec<_> = pokers.values().cloned().collect();
    let sweeper = Sweeper {
        deployment: renewal.deployment(),
        workers: workers.clone(),
        tell: tell.clone(),
        metrics: Arc::clone(&metrics),
    };
    tokio::spawn(sweeper.work(stopping.clone()));
    let (receiver, deployment) = (renewal.receiver(), renewal.deployment());
    let door = Arc::new(Door { receiver, deployment, pokers, tell: tell.clone(), metrics });
    tokio::spawn(keep_counting(Arc::clone(&door), stopping.clone()));
    tokio::spawn(accept(socket, door, stopping.clone()));
    tokio::spawn(keep_renewing(renewal, workers, tell, stopping));
    Ok(Listener { address, happened, stop, renew })
}

impl Listener {
    /// Reads the secrets again, soon.
    pub fn renew(&self) {
        self.renew.notify_one();
    }

    /// Takes no more connections, and lets what is under way end.
    pub async fn stop(mut self, mut show: impl FnMut(&Happened)) {
        self.stop.send_replace(true);
        // Whoever is still at it holds an end of the channel.
        let ended = async {
            while let Some(happened) = self.happened.recv().await {
                show(&happened);
            }
        };
        let _ = timeout(GRACE, ended).await;
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

// ------------------------------------------------------------------------------------------------ HTTP

struct Door {
    receiver: Current<Receiver>,
    deployment: Current<Deployment>,
    pokers: BTreeMap<RepositoryId, Arc<Notify>>,
    tell: mpsc::Sender<Happened>,
    metrics: Arc<Mutex<Metrics>>,
}

/// Nothing that is done with numbers panics half-way.
fn locked(metrics: &Mutex<Metrics>) -> MutexGuard<'_, Metrics> {
    metrics.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(socket: TcpListener, door: Arc<Door>, mut stopping: watch::Receiver<bool>) {
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stopped(&mut stopping) => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: others will be closed.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let door = Arc::clone(&door);
        let service = service_fn(move |request: Request<Incoming>| {
            let door = Arc::clone(&door);
            // In a task of its own: a sender that hangs up early must not stop it half-way.
            let answering = tokio::spawn(async move { door.answer(request).await });
            async move { Ok::<_, Infallible>(answering.await.unwrap_or_else(|_| broken())) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(SLOWEST);
        let connection = connections.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A sender that goes away in the middle is no failure of ours.
            let _ = connection.await;
        });
    }
    drop(socket);
    connections.shutdown().await;
}

impl Door {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let answer = self.take(request).await;
        if let Ok(Some(delivery)) = &answer.outcome {
            let poked = delivery.reading.poked.iter().filter_map(|repository| self.pokers.get(repository));
            poked.for_each(|worker| worker.notify_one());
        }
        let heard = answer.heard.iter().flat_map(|heard| &heard.poked);
        heard.filter_map(|repository| self.pokers.get(repository)).for_each(|worker| worker.notify_one());
        locked(&self.metrics).answered(&answer);
        let response = answer.response.clone().map(|body| Full::new(Bytes::from(body)));
        // A terminal that stands still must not keep senders waiting.
        let _ = self.tell.try_send(Happened::Answered(Box::new(answer)));
        response
    }

    async fn take(&self, request: Request<Incoming>) -> Answer {
        let receiver = renewal::now(&self.receiver);
        let limit = receiver.config.limits.body.0;
        let (parts, body) = request.into_parts();
        match timeout(SLOWEST, Limited::new(body, limit).collect()).await {
            Ok(Ok(body)) => {
                let request = Request::from_parts(parts, body.to_bytes().to_vec());
                if let Some((Wanted::Metrics, in_path)) = Wanted::of(&request) {
                    return match status::admit(&receiver.viewers, in_path, &request) {
                        Ok(()) => status::metrics(self.numbers()),
                        Err(answer) => *answer,
                    };
                }
                receiver.answer(&request, &writer("receive"), Timestamp::now()).await
            }
            Ok(Err(error)) if error.is::<LengthLimitError>() => Answer::too_large(limit),
            Ok(Err(error)) => Answer::bad_request(&format!("the body ended early: {error}")),
            Err(_) => Answer::bad_request(&format!("the body took longer than {} s", SLOWEST.as_secs())),
        }
    }
}

/// Writes down what was refused, now and then and at the end.
async fn keep_counting(door: Arc<Door>, mut stopping: watch::Receiver<bool>) {
    let mut ends = false;
    while !ends {
        tokio::select! {
            () = sleep(COUNT) => {}
            () = stopped(&mut stopping) => ends = true,
        }
        renewal::now(&door.receiver).flush(&writer("receive"), Timestamp::now()).await;
    }
}

impl Door {
    fn numbers(&self) -> String {
        let mut metrics = locked(&self.metrics);
        metrics.registry_calls(renewal::now(&self.deployment).registry_calls());
        metrics.prometheus()
    }
}

fn broken() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"error\":\"this is a defect of tag2pr\"}\n")));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

// ------------------------------------------------------------------------------------------------ workers

struct Worker {
    deployment: Current<Deployment>,
    repository: RepositoryId,
    /// Keeps one notice while nobody waits, so none is missed between two looks.
    poked: Arc<Notify>,
    tell: mpsc::Sender<Happened>,
    metrics: Arc<Mutex<Metrics>>,
}

impl Worker {
    /// Looks at the repository whenever it was poked, and again after a failure.
    async fn work(self, mut stopping: watch::Receiver<bool>) {
        // Anything may have changed while nobody looked.
        let mut due = true;
        let mut failures = 0;
        let mut alone = None;
        let mut next = None;
        loop {
            due |= next.is_some_and(|next| next <= Timestamp::now());
            let deployment = renewal::now(&self.deployment);
            if let Some((causes, result)) = self.look(&deployment, due).await {
                due = result.is_err();
                next = result.as_ref().map_or(next, |report| report.prepared.due.first());
                failures = if due { failures + 1 } else { 0 };
                alone = result.as_ref().err().and_then(|error| left_alone(error, Timestamp::now()));
                locked(&self.metrics).proposed(&self.repository, &result.as_ref(), Timestamp::now());
                let happened = Happened::Proposed(self.repository.clone(), causes, result.map(Box::new));
                let _ = self.tell.send(happened).await;
                for reason in deployment.not_told() {
                    let _ = self.tell.send(Happened::NotTold(reason)).await;
                }
            }
            tokio::select! {
                () = self.rest(failures, alone, next) => {}
                () = stopped(&mut stopping) => return,
            }
        }
    }

    /// `None` if there is nothing to look for.
    async fn look(&self, deployment: &Deployment, due: bool) -> Option<(Vec<String>, Result<propose::Report, Error>)> {
        match inbox::waiting(deployment, &self.repository).await {
            Ok(pokes) if pokes.is_empty() && !due => None,
            Ok(pokes) => {
                let causes = pokes.iter().map(|poke| poke.stem().to_owned()).collect();
                Some((causes, inbox::serve(deployment, &self.repository, &pokes).await))
            }
            Err(error) => Some((Vec::new(), Err(error.into()))),
        }
    }

    /// Until the next poke, or until something is due. After a failure a poke shortens the wait, but not to nothing, and
    /// not to less than was asked for.
    async fn rest(&self, failures: u32, alone: Option<Timestamp>, next: Option<Timestamp>) {
        let longest = match failures {
            0 => next.map_or(LOOK, |next| until(next).min(LOOK)),
            failures => {
                let (least, longest) = patience(failures, alone.map(until).unwrap_or_default());
                sleep(least).await;
                longest - least
            }
        };
        let _ = timeout(longest, self.poked.notified()).await;
    }
}

/// Until when whoever gave no answer asks to be left alone.
fn left_alone(error: &Error, now: Timestamp) -> Option<Timestamp> {
    now.checked_add(error.wait(now)?).ok()
}

/// How long a repository is not looked at after so many failures in a row: at least, poked or not, and at most.
fn patience(failures: u32, alone: Duration) -> (Duration, Duration) {
    let least = RETRY.0.max(alone);
    let longest = (RETRY.0 * 2_u32.saturating_pow(failures.saturating_sub(1))).min(RETRY.1);
    (least, longest.max(least))
}

/// How long it is until then, a little more rather than less.
fn until(then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(Timestamp::now())).unwrap_or_default() + Duration::from_millis(1)
}

struct Sweeper {
    deployment: Current<Deployment>,
    workers: Vec<Arc<Notify>>,
    tell: mpsc::Sender<Happened>,
    metrics: Arc<Mutex<Metrics>>,
}

impl Sweeper {
    async fn work(self, mut stopping: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = sleep(SWEEP) => {}
                () = stopped(&mut stopping) => return,
            }
            let deployment = renewal::now(&self.deployment);
            let result = deployment.sweep(sweep::What::Due, &writer("sweep"), Timestamp::now()).await;
            for reason in deployment.not_told() {
                let _ = self.tell.send(Happened::NotTold(reason)).await;
            }
            // It is made anew for whoever asks here: this is the copy in the store. What fails is tried again.
            let _ = deployment.publish(BTreeMap::new(), &writer("status"), Timestamp::now()).await;
            if let Ok(report) = &result {
                locked(&self.metrics).swept(report);
                if !report.poked.is_empty() {
                    self.workers.iter().for_each(|worker| worker.notify_one());
                } else if report.sentences().is_empty() {
                    continue;
                }
            }
            let _ = self.tell.send(Happened::Swept(result)).await;
        }
    }
}

async fn keep_renewing(
    renewal: Renewal,
    workers: Vec<Arc<Notify>>,
    tell: mpsc::Sender<Happened>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut failed = false;
    loop {
        let renewed = tokio::select! {
            renewed = renewal.next(failed) => renewed,
            () = stopped(&mut stopping) => return,
        };
        failed = renewed.result.is_err();
        if renewed.asked && !failed {
            // Whatever failed for want of them need not wait.
            workers.iter().for_each(|worker| worker.notify_one());
        }
        if renewed.asked || failed {
            let _ = tell.send(Happened::Renewed(renewed)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use tag2pr::due::Rest;
    use tag2pr::seams::HostError;

    use super::*;

    #[test]
    fn a_failure_is_waited_for_longer_each_time_and_a_poke_shortens_that() {
        let seconds = |failures| {
            let (least, longest) = patience(failures, Duration::ZERO);
            (least.as_secs(), longest.as_secs())
        };
        assert_eq!([1, 2, 5, 9, u32::MAX].map(seconds), [(2, 2), (2, 4), (2, 32), (2, 300), (2, 300)]);
    }

    #[test]
    fn nobody_is_asked_before_the_time_that_it_named() {
        let minute = Duration::from_secs(60);
        assert_eq!(patience(1, minute), (minute, minute));
        assert_eq!(patience(9, minute), (minute, RETRY.1));
        assert_eq!(patience(9, 60 * minute), (60 * minute, 60 * minute));
    }

    #[test]
    fn the_time_is_in_the_error() {
        let now = Timestamp::from_second(1_760_000_000).unwrap();
        let then = now + SignedDuration::from_secs(90);
        let unavailable = |wait| {
            let (host, reason) = ("https://api.github.com".to_owned(), "rate limit exceeded".to_owned());
            Error::Host(HostError::Unavailable { host, reason, wait })
        };
        assert_eq!(left_alone(&unavailable(Some(SignedDuration::from_secs(90))), now), Some(then));
        assert_eq!(left_alone(&unavailable(None), now), None);
        let rest = Rest { until: then, reason: "rate limit exceeded".to_owned() };
        assert_eq!(left_alone(&Error::LeftAlone(rest.clone()), now), Some(then));
        let later = then + SignedDuration::from_secs(1);
        assert_eq!(left_alone(&Error::LeftAlone(rest), later), Some(later), "it is over");
    }
}
