//! Deliveries of real senders, kept outside of this repository: run with `TAG2PR_CONFORMANCE=<directory>`.
#![expect(clippy::print_stdout, reason = "says what was run and what was not")]

use std::fs;
use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use tag2pr::delivery::{
    Decoded, Malformed, Request, Sender, authenticate, decode, handshake, read_headers, recognise, unchecked,
};
use tag2pr::secret::Secret;

/// Which sender a sample is from, by the beginning of its name, or why it does not count here.
fn sender(name: &str) -> Result<Sender, &'static str> {
    let is = |prefix: &str| name.starts_with(prefix);
    match () {
        () if is("harbor-") => Ok(Sender::Harbor),
        () if is("distribution-") => Ok(Sender::Distribution),
        () if is("gitlab-") => Ok(Sender::Gitlab),
        () if is("dockerhub-") => Ok(Sender::DockerHub),
        () if is("acr-") || is("eventgrid-") => Ok(Sender::Acr),
        () if is("ecr-") || is("sns-") => Ok(Sender::Ecr),
        () if is("gar-") || is("gcr-") => Ok(Sender::Gar),
        () if is("ghcr-") || is("github-signature-vector") => Ok(Sender::Ghcr),
        () if is("quay-") => Ok(Sender::Quay),
        () if is("gitea-") => Ok(Sender::Gitea),
        () if is("forgejo-") => Ok(Sender::Forgejo),
        () if is("nexus-") => Ok(Sender::Nexus),
        // "Use secret for payload signing" is off there.
        () if is("jfrog-docker-pushed-remote-cache") => Ok(Sender::JfrogToken),
        () if is("jfrog-") => Ok(Sender::Jfrog),
        () if is("zot-") => Ok(Sender::Zot),
        () if is("cdevents-") => Ok(Sender::Cdevents),
        () if is("aliyun-acr-") => Ok(Sender::AliyunAcr),
        () if is("msr-") => Ok(Sender::Msr),
        () => Err("its sender is not read yet"),
    }
}

fn conformance() -> Option<PathBuf> {
    let directory = std::env::var_os("TAG2PR_CONFORMANCE").map(PathBuf::from);
    if directory.is_none() {
        println!("skipped: TAG2PR_CONFORMANCE is not set");
    }
    directory
}

fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fields that the table fixes, of an event of ours.
fn fields(event: &tag2pr::delivery::Event) -> Value {
    let mut event = serde_json::to_value(event).unwrap();
    let wanted = ["action", "registry", "repository", "tag", "digest"];
    event.as_object_mut().unwrap().retain(|name, _| wanted.contains(&name.as_str()));
    event
}

/// The same fields, of a row of the table; none if the row is ignored.
fn wanted(row: &Value) -> Option<Value> {
    (row["action"] != "ignore").then(|| {
        ["action", "registry", "repository", "tag", "digest"]
            .map(|name| (name.to_owned(), row[name].clone()))
            .into_iter()
            .collect()
    })
}

#[test]
fn samples_are_read_as_the_table_expects() {
    let Some(directory) = conformance().map(|directory| directory.join("events")) else { return };
    let table = json(&directory.join("expected.json"));
    let (mut read, mut lenient, mut left_out) = (0, Vec::new(), Vec::new());
    for (name, row) in table.as_object().unwrap().iter().filter(|(name, _)| !name.starts_with('_')) {
        let sender = match sender(name) {
            Ok(sender) => sender,
            Err(reason) => {
                left_out.push(format!("{name}: {reason}"));
                continue;
            }
        };
        let body = fs::read(directory.join(name)).unwrap();
        let text = fs::read_to_string(directory.join(name.replace(".json", ".headers.txt"))).unwrap();
        let headers = read_headers(&text).unwrap();
        let request = Request { headers: &headers, path_secret: None, body: &body };

        if let Some(secret) = text.lines().find_map(|line| line.strip_prefix("# secret: ")) {
            authenticate(sender, &request, &[Secret::new(secret)])
                .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        }
        read += 1;
        let result = decode(&unchecked(sender, &request));
        if name == "github-signature-vector.json" {
            assert!(matches!(result, Err(Malformed::Json { line: 1, .. })), "{name}: {result:?}");
            continue;
        }
        if name != "gar-pubsub-jwt-claims.json" {
            let looks_like = if sender == Sender::Gitlab { Sender::Distribution } else { sender };
            assert_eq!(recognise(&headers, &body), Some(looks_like), "{name}");
        }
        if let Some(wanted) = row["respond"]["body"].as_object() {
            let answer = handshake(&Method::POST, &unchecked(sender, &request)).unwrap();
            assert_eq!(answer.body.as_object(), Some(wanted), "{name}");
        }
        let Decoded { events, ignored, .. } = result.unwrap_or_else(|malformed| panic!("{name}: {malformed}"));

        let rows = row["events"].as_array().cloned().unwrap_or_else(|| vec![row.clone()]);
        let wanted: Vec<Value> = rows.iter().filter_map(wanted).collect();
        let found: Vec<Value> = events.iter().map(fields).collect();
        if row["ambiguous"] == true {
            // The table asks for no more than an answer.
            lenient.push(format!("{name}: {}", if found == wanted { "as the table says" } else { "otherwise" }));
            continue;
        }
        assert_eq!(found, wanted, "{name}: ignored {ignored:?}");
        assert_eq!(found.len() + ignored.len(), rows.len(), "{name}: everything in the body has its reading");
    }
    println!("{read} samples read; ambiguous among them:\n  {}", lenient.join("\n  "));
    println!("{} not applicable:\n  {}", left_out.len(), left_out.join("\n  "));
    assert!(read > 40, "the samples are not where they were");
}

#[test]
fn what_a_real_registry_sent_is_read() {
    let Some(directory) = conformance() else { return };
    for recording in ["distribution", "distribution-v3"] {
        let (mut requests, mut events, mut ignored) = (0, 0, 0);
        for entry in fs::read_dir(directory.join("recorded").join(recording)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let recorded = json(&path);
            let mut headers = HeaderMap::new();
            for pair in recorded["headers"].as_array().unwrap() {
                let name = HeaderName::from_bytes(pair[0].as_str().unwrap().as_bytes()).unwrap();
                headers.append(name, HeaderValue::from_str(pair[1].as_str().unwrap()).unwrap());
            }
            let body = recorded["body_text"].as_str().unwrap().as_bytes();
            let request = Request { headers: &headers, path_secret: None, body };
            assert_eq!(recognise(&headers, body), Some(Sender::Distribution), "{}", path.display());

            let trusted = authenticate(Sender::Distribution, &request, &[Secret::new("test-hook-token")]).unwrap();
            let decoded = decode(&trusted).unwrap_or_else(|malformed| panic!("{}: {malformed}", path.display()));
            let sent = recorded["body"]["events"].as_array().unwrap();
            assert_eq!(decoded.events.len() + decoded.ignored.len(), sent.len(), "{}", path.display());
            for event in &decoded.events {
                let of_sender = sent.iter().find(|sent| sent["id"].as_str() == event.id.as_deref()).unwrap();
                assert_eq!(of_sender["timestamp"], event.pushed_at.unwrap().to_string(), "{}", path.display());
            }
            // `<number>-<case>.<number>-<action>-<kind>.json`
            let name = path.file_stem().unwrap().to_string_lossy();
            let (case, kind) = name.split_once('.').unwrap();
            let tagged = sent[0]["target"]["tag"].is_string() && !case.contains("cosign-sig");
            let news = kind.contains("-delete-") || (kind.contains("-push-manifest") && tagged);
            assert_eq!(!decoded.events.is_empty(), news, "{name}: {decoded:?}");
            (requests, events, ignored) =
                (requests + 1, events + decoded.events.len(), ignored + decoded.ignored.len());
        }
        println!("{recording}: {requests} requests, {events} events, {ignored} ignored");
        assert!(requests > 40, "the recordings are not where they were");
    }
}
