//! A small HTTP server on a free loopback port, stopped when it is dropped.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// In the extensions of a response: close the connection instead of answering.
#[derive(Debug, Clone, Copy)]
pub struct HangUp;

impl HangUp {
    /// A response that is never sent.
    pub fn response() -> Response<Bytes> {
        let mut response = Response::default();
        response.extensions_mut().insert(Self);
        response
    }
}

/// A running server. It has threads of its own, so that a blocking client in the same test does not stop it.
pub struct Server {
    address: SocketAddr,
    /// In milliseconds.
    delay: Arc<AtomicU64>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Answers every request with what the handler makes of it; the body is read whole first.
    ///
    /// # Panics
    ///
    /// When there is no free loopback port.
    pub fn start<H, F>(handler: H) -> Self
    where
        H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Bytes>> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        // Without `block_on`, which an asynchronous test may not call.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).unwrap()
        };
        let (handler, delay) = (Arc::new(handler), Arc::<AtomicU64>::default());
        let shared = Arc::clone(&delay);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, delay) = (Arc::clone(&handler), Arc::clone(&shared));
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                        let (handler, delay) = (Arc::clone(&handler), delay.load(Ordering::Relaxed));
                        async move {
                            let (parts, body) = request.into_parts();
                            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                            if delay > 0 {
                                tokio::time::sleep(Duration::from_millis(delay)).await;
                            }
                            let response = handler(Request::from_parts(parts, body)).await;
                            match response.extensions().get::<HangUp>() {
                                Some(HangUp) => Err("hung up"),
                                None => Ok(response.map(Full::new)),
                            }
                        }
                    });
                    // A client that goes away in the middle is no failure of the server.
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, delay, runtime: Some(runtime) }
    }

    /// Answers from a state that is shared with the test, one request at a time.
    pub(crate) fn on<S: Send + 'static>(
        state: &Arc<Mutex<S>>,
        answer: fn(&mut S, &Request<Bytes>) -> Response<Bytes>,
    ) -> Self {
        let shared = Arc::clone(state);
        Self::start(move |request| {
            let answer = answer(&mut shared.lock().unwrap_or_else(PoisonError::into_inner), &request);
            std::future::ready(answer)
        })
    }

    /// From now on each answer begins so late, in whole milliseconds, as from a server that is far away.
    pub fn answers_after(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// `127.0.0.1:40123`
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:40123`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
