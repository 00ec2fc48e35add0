//! Alibaba Cloud's Container Registry, *Aliyun ACR*: Docker Hub's webhook with a digest and a region.
//!
//! Nothing is signed. The host follows from the region; instances of the Enterprise Edition have one of their own, which
//! the source names with `registry:`. `pushed_at` has no zone, so it tells pushes apart and orders nothing.
//!
//! Format: <https://www.alibabacloud.com/help/doc-detail/60949.htm>

use http::HeaderMap;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claim::{Claim, Reading, ignored, subject};
use super::{Action, Face, Habits, Malformed, Sender, authentication, wire};

pub(super) const FACE: Face =
    Face { name: "aliyun-acr", recognise, authenticate: authentication::path, decode, habits: Habits::PLAIN };

fn recognise(_: &HeaderMap, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "push_data")]
        _push_data: IgnoredAny,
        repository: Telling,
    }
    #[derive(Deserialize)]
    struct Telling {
        region: Option<IgnoredAny>,
        repo_full_name: Option<IgnoredAny>,
    }
    wire::probe::<Probe>(body)
        .is_some_and(|probe| probe.repository.region.or(probe.repository.repo_full_name).is_some())
}

#[derive(Deserialize)]
struct Payload {
    push_data: PushData,
    repository: Repository,
}

#[derive(Deserialize)]
struct PushData {
    #[serde(default, deserialize_with = "wire::text")]
    tag: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    digest: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pushed_at: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default, deserialize_with = "wire::text")]
    repo_full_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    namespace: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    region: Option<String>,
}

fn decode(_: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let Payload { push_data, repository } = wire::parse(Sender::AliyunAcr, body)?;
    let Repository { repo_full_name, namespace, name, region } = repository;
    let repository =
        repo_full_name.or_else(|| namespace.zip(name).map(|(namespace, name)| format!("{namespace}/{name}")));
    if push_data.tag.is_none() && push_data.digest.is_none() {
        return Ok(vec![ignored(format!("the push to {} names no tag", subject(repository.as_deref(), None)))]);
    }
    let is_region = |region: &String| region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    // The time has no zone, but the same push repeats it.
    let digest = push_data.digest.as_deref().unwrap_or_default();
    let id = push_data.pushed_at.map(|at| format!("{}/{digest}", at.replace(' ', "T")));
    let claim = Claim {
        action: Action::Push,
        registry: region.filter(is_region).map(|region| format!("registry.{region}.aliyuncs.com")),
        repository,
        tag: push_data.tag,
        digest: push_data.digest,
        media_type: None,
        parts: Vec::new(),
        pushed_at: None,
        actor: None,
        id,
    };
    Ok(vec![claim.judge()])
}
