//! The functions behind one local listener: HTTP in front, a worker for each repository behind.
//!
//! The inbox is the store, so a killed process continues where it was.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use jiff::Timestamp;
use tag2pr::endpoint::Answer;
use tag2pr::flow::{Error, propose, sweep};
use tag2pr::keys::Key;
use tag2pr::seams::RepositoryId;
use tag2pr_connect::{ConnectError, Deployment, Receiver, Settings};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

/// What happens behind the listener, for whoever shows it.
#[derive(Debug)]
pub enum Happened {
    /// A request was answered.
    Answered(Answer),
    /// A repository was looked at.
    Proposed(RepositoryId, Result<propose::Report, Error>),
    /// Registries were listed.
    Swept(Result<sweep::Report, Error>),
}

/// A running listener.
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// What happens.
    pub happened: mpsc::UnboundedReceiver<Happened>,
}

/// How often a repository is looked at again after a failure, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// How often registries are listed.
const SWEEP: Duration = Duration::from_secs(15 * 60);

/// A header must be complete within this time: slow senders must not hold connections for ever.
const HEADERS: Duration = Duration::from_secs(10);

static CALLS: AtomicU64 = AtomicU64::new(0);

/// A name for one call, for what it writes: unlike every other call's.
pub fn writer(function: &str) -> String {
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    format!("{function}/{}-{}-{call}", Timestamp::now().as_millisecond(), std::process::id())
}

/// Starts to listen and to work. Every repository is looked at once at the start.
///
/// # Errors
///
/// When a secret, an address or the port cannot be used.
pub async fn start(settings: &Settings, listen: &str) -> Result<Listener, ConnectError> {
    let receiver = Arc::new(Receiver::connect(settings)?);
    let deployment = Arc::new(Deployment::connect(settings)?);
    let unusable = |reason: String| ConnectError::Unusable { file: settings.file.clone(), reason };
    let socket =
        TcpListener::bind(listen).await.map_err(|error| unusable(format!("cannot listen on {listen}: {error}")))?;
    let address = socket.local_addr().map_err(|error| unusable(error.to_string()))?;
    let (tell, happened) = mpsc::unbounded_channel();
    let poked = Arc::new(Notify::new());
    for repository in deployment.repositories() {
        tokio::spawn(work(Arc::clone(&deployment), repository.id.clone(), Arc::clone(&poked), tell.clone()));
    }
    tokio::spawn(keep_sweeping(Arc::clone(&deployment), Arc::clone(&poked), tell.clone()));
    tokio::spawn(accept(socket, receiver, poked, tell));
    Ok(Listener { address, happened })
}

async fn accept(
    socket: TcpListener,
    receiver: Arc<Receiver>,
    poked: Arc<Notify>,
    tell: mpsc::UnboundedSender<Happened>,
) {
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            // Out of file descriptors, most likely: others will be closed.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (receiver, poked, tell) = (Arc::clone(&receiver), Arc::clone(&poked), tell.clone());
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let (receiver, poked, tell) = (Arc::clone(&receiver), Arc::clone(&poked), tell.clone());
                async move {
                    let answer = answer(&receiver, request).await;
                    if let Ok(Some(delivery)) = &answer.outcome
                        && !delivery.reading.poked.is_empty()
                    {
                        poked.notify_waiters();
                    }
                    let response = answer.response.clone().map(|body| Full::new(Bytes::from(body)));
                    let _ = tell.send(Happened::Answered(answer));
                    Ok::<_, Infallible>(response)
                }
            });
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(HEADERS);
            // A sender that goes away in the middle is no failure of ours.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(receiver: &Receiver, request: Request<Incoming>) -> Answer {
    let limit = receiver.config.limits.body.0;
    let (parts, body) = request.into_parts();
    match Limited::new(body, limit).collect().await {
        Ok(body) => {
            let request = Request::from_parts(parts, body.to_bytes().to_vec());
            receiver.answer(&request, &writer("receive"), Timestamp::now()).await
        }
        Err(error) if error.is::<LengthLimitError>() => Answer::too_large(limit),
        Err(error) => Answer::bad_request(&format!("the body ended early: {error}")),
    }
}

/// Looks at one repository whenever it was poked, and again after a failure.
async fn work(
    deployment: Arc<Deployment>,
    repository: RepositoryId,
    poked: Arc<Notify>,
    tell: mpsc::UnboundedSender<Happened>,
) {
    let mut first = true;
    let mut wait = None;
    loop {
        // Asked for before looking, so that a poke in between is not missed.
        let next = poked.notified();
        let pokes = deployment.objects().list(&Key::pokes(&repository)).await;
        let waiting = pokes.as_ref().map_or(true, |pokes| !pokes.is_empty());
        if first || waiting {
            first = false;
            let result = match &pokes {
                Ok(_) => deployment.propose(&repository, &writer("propose"), Timestamp::now()).await,
                Err(error) => Err(Error::Unfinished(error.to_string())),
            };
            wait = match &result {
                Ok(_) => None,
                Err(_) => Some(wait.map_or(RETRY.0, |wait: Duration| (wait * 2).min(RETRY.1))),
            };
            if result.is_ok() {
                // Only the pokes that were there before we looked: a later one may know more.
                for key in pokes.iter().flatten() {
                    let _ = deployment.objects().delete(key).await;
                }
            } else {
                first = true;
            }
            let _ = tell.send(Happened::Proposed(repository.clone(), result));
        }
        match wait {
            Some(wait) => {
                let _ = tokio::time::timeout(wait, next).await;
            }
            None => next.await,
        }
    }
}

async fn keep_sweeping(deployment: Arc<Deployment>, poked: Arc<Notify>, tell: mpsc::UnboundedSender<Happened>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let result = deployment.sweep(&writer("sweep"), Timestamp::now()).await;
        poked.notify_waiters();
        let _ = tell.send(Happened::Swept(result));
    }
}

/// The paths that senders are pointed at, with a word for the secret where it is part of the path.
pub fn hooks(settings: &Settings) -> BTreeSet<String> {
    let sources = settings.config.sources.iter();
    sources
        .map(|(name, source)| match source.sender {
            tag2pr::delivery::Sender::DockerHub => format!("/hooks/{name}/<secret>"),
            _ => format!("/hooks/{name}"),
        })
        .collect()
}
