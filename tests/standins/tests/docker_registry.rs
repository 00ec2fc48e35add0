//! The real registry, as the other tests use it.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tag2pr_standins::docker_registry::{DockerRegistry, Notify, Options};
use tag2pr_standins::oci::Manifest;
use tag2pr_standins::server::Server;

#[test]
fn a_push_is_reported_to_whoever_wants_to_know() {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let server = Server::start(move |request: Request<Bytes>| {
        let authorization = request.headers().get("authorization").cloned();
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let _ = sender.lock().unwrap().send((request.uri().path().to_owned(), authorization, body));
        async { Response::new(Bytes::new()) }
    });
    let notify =
        Notify { url: format!("{}/hooks/distribution", server.url()), authorization: "Bearer hook".to_owned() };
    let Some(registry) = DockerRegistry::start(&Options { notify: Some(notify), ..Options::default() }) else {
        return;
    };
    let digest = registry.push_manifest("team/web", "1.0", &Manifest::image("1.0", &[]));
    loop {
        let (path, authorization, body) =
            receiver.recv_timeout(Duration::from_secs(30)).expect("the push of the tag is reported");
        assert_eq!(path, "/hooks/distribution");
        assert_eq!(authorization.unwrap(), "Bearer hook");
        if body.contains(r#""tag": "1.0""#) || body.contains(r#""tag":"1.0""#) {
            assert!(body.contains(&digest), "{body}");
            assert!(body.contains(r#""action": "push""#) || body.contains(r#""action":"push""#), "{body}");
            return;
        }
    }
}
