//! What every [`Registry`] must answer.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::image::{Digest, ImageName, Tag};
use crate::origin::{Origin, REVISION, SOURCE};
use crate::seams::{Page, Registry, RegistryError};

/// A registry with its world around it: what people and build servers do to it while we only read.
///
/// Each method names the same registry, [`Outside::host`]; its repositories are empty in the beginning.
#[async_trait]
pub trait Outside: Send + Sync {
    /// The host that the images of the suite live on.
    fn host(&self) -> String;

    /// The implementation under test, with credentials that are right.
    fn registry(&self) -> Box<dyn Registry>;

    /// The implementation under test, with a wrong password.
    fn stranger(&self) -> Box<dyn Registry>;

    /// The implementation under test, and a host where nothing answers.
    fn unreachable(&self) -> (Box<dyn Registry>, String);

    /// Pushes an image made of this content, always the same for the same content.
    async fn push(&self, image: &ImageName, tag: &Tag, content: &str) -> Digest;

    /// Pushes an index over images made of these contents; the images have no tag.
    async fn push_index(&self, image: &ImageName, tag: &Tag, contents: &[&str]) -> Digest;

    /// Pushes an image for this platform; of several, an index over one image for each. `unknown/unknown` is an
    /// attestation.
    async fn push_for(&self, image: &ImageName, tag: &Tag, platforms: &[&str]) -> Digest;

    /// Pushes an image that says where it was built from, in this way.
    async fn push_built(&self, image: &ImageName, tag: &Tag, built: &Built) -> Digest;

    /// Deletes a manifest, and with it every tag that points at it.
    async fn delete(&self, image: &ImageName, digest: &Digest);
}

/// What is said of an image, by name.
pub type Said = BTreeMap<String, String>;

/// How an image says where it was built from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Built {
    /// The labels of its configuration.
    pub labels: Said,
    /// The annotations of its manifest.
    pub annotations: Said,
    /// It is in an index with these annotations: behind an attestation, and before another image that says something
    /// else.
    pub index: Option<Said>,
}

impl Built {
    /// What a registry answers to that.
    pub fn origin(&self) -> Origin {
        let index = self.index.as_ref().map(Origin::of).unwrap_or_default();
        let annotated = Origin::of(&self.annotations).or(index);
        if annotated.is_whole() { annotated } else { Origin::of(&self.labels).or(annotated) }
    }
}

/// Panics where the implementation is wrong.
pub async fn conforms(outside: &dyn Outside) {
    what_is_missing_is_none(outside).await;
    a_tag_has_the_digest_that_was_pushed_last(outside).await;
    an_index_has_its_own_digest(outside).await;
    a_digest_holds_the_platforms_that_it_was_pushed_for(outside).await;
    a_digest_says_where_it_was_built_from(outside).await;
    all_tags_are_listed_in_byte_order(outside).await;
    what_is_deleted_is_gone(outside).await;
    a_refusal_is_no_absence(outside).await;
    silence_is_no_absence(outside).await;
}

/// The `sha256:` digest of some bytes, as a registry computes it.
///
/// # Panics
///
/// Never: the digest is well-formed.
pub fn digest_of(bytes: &[u8]) -> Digest {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}").parse().expect("a SHA-256 digest")
}

fn image(outside: &dyn Outside, repository: &str) -> ImageName {
    ImageName::new(&outside.host(), repository).expect("a valid image name")
}

fn tag(text: &str) -> Tag {
    text.parse().expect("a valid tag")
}

async fn what_is_missing_is_none(outside: &dyn Outside) {
    let registry = outside.registry();
    let unknown = image(outside, "nobody/nothing");
    assert_eq!(registry.digest(&unknown, &tag("1.0")).await.unwrap(), None, "a tag of an unknown repository");
    assert_eq!(registry.tags(&unknown).await.unwrap(), [], "an unknown repository has no tags");
    let page = registry.page(&unknown, None).await.unwrap();
    assert_eq!(page, Page { tags: Vec::new(), next: None }, "and one empty page");

    let known = image(outside, "missing/web");
    outside.push(&known, &tag("1.0"), "1.0").await;
    assert_eq!(registry.digest(&known, &tag("2.0")).await.unwrap(), None, "an unknown tag of a known repository");
}

async fn a_tag_has_the_digest_that_was_pushed_last(outside: &dyn Outside) {
    let registry = outside.registry();
    let image = image(outside, "moving/web");
    let first = outside.push(&image, &tag("main"), "first").await;
    assert_eq!(registry.digest(&image, &tag("main")).await.unwrap().as_ref(), Some(&first));

    let second = outside.push(&image, &tag("main"), "second").await;
    assert_ne!(first, second);
    assert_eq!(registry.digest(&image, &tag("main")).await.unwrap(), Some(second), "the tag was moved");

    outside.push(&image, &tag("main"), "first").await;
    assert_eq!(registry.digest(&image, &tag("main")).await.unwrap().as_ref(), Some(&first), "and moved back");
    outside.push(&image, &tag("stable"), "first").await;
    assert_eq!(registry.digest(&image, &tag("stable")).await.unwrap(), Some(first), "another tag of the same image");
}

async fn an_index_has_its_own_digest(outside: &dyn Outside) {
    let registry = outside.registry();
    let image = image(outside, "several/platforms/web");
    let index = outside.push_index(&image, &tag("2.0.0"), &["amd64", "arm64"]).await;
    assert_eq!(registry.digest(&image, &tag("2.0.0")).await.unwrap().as_ref(), Some(&index));
    let alone = outside.push(&image, &tag("2.0.0-amd64"), "amd64").await;
    assert_ne!(index, alone, "not the digest of one of its images");
    assert_eq!(registry.digest(&image, &tag("2.0.0")).await.unwrap(), Some(index));
}

async fn a_digest_holds_the_platforms_that_it_was_pushed_for(outside: &dyn Outside) {
    let registry = outside.registry();
    let image = image(outside, "platforms/web");
    let platforms = |texts: &[&str]| Some(texts.iter().map(|text| text.parse().expect("a platform")).collect());
    let table: [(&[&str], &[&str]); 5] = [
        (&["linux/amd64"], &["linux/amd64"]),
        (&["linux/arm/v6"], &["linux/arm/v6"]),
        (&["linux/amd64", "linux/arm64/v8", "linux/arm/v7"], &["linux/amd64", "linux/arm64", "linux/arm/v7"]),
        (&["windows/amd64", "linux/amd64"], &["linux/amd64", "windows/amd64"]),
        (&["linux/amd64", "unknown/unknown"], &["linux/amd64"]),
    ];
    for (index, (pushed, held)) in table.into_iter().enumerate() {
        let digest = outside.push_for(&image, &tag(&format!("1.{index}")), pushed).await;
        assert_eq!(registry.platforms(&image, &digest).await.unwrap(), platforms(held), "{pushed:?}");
        assert_eq!(registry.platforms(&image, &digest).await.unwrap(), platforms(held), "and again: {pushed:?}");
    }
    let nobody = digest_of(b"nobody has this");
    assert_eq!(registry.platforms(&image, &nobody).await.unwrap(), None, "an unknown digest of a known repository");
}

async fn a_digest_says_where_it_was_built_from(outside: &dyn Outside) {
    let registry = outside.registry();
    let image = image(outside, "built/web");
    let nothing = || said(None, None);
    let (here, there) = (Some("https://github.com/acme/web"), Some("https://github.com/acme/base"));
    let (new, old) =
        (Some("1972e38a0b1c1972e38a0b1c1972e38a0b1c1972"), Some("6cb720309d126cb720309d126cb720309d126cb7"));
    let table = [
        (Built::default(), None, None),
        (Built { labels: said(here, new), ..Built::default() }, here, new),
        (Built { labels: said(here, None), ..Built::default() }, here, None),
        (Built { annotations: said(here, new), ..Built::default() }, here, new),
        (Built { annotations: said(here, new), labels: said(there, old), ..Built::default() }, here, new),
        (Built { annotations: said(there, None), labels: said(here, new), ..Built::default() }, here, new),
        (Built { annotations: said(here, None), labels: said(None, new), ..Built::default() }, here, new),
        (Built { index: Some(nothing()), ..Built::default() }, None, None),
        (Built { index: Some(nothing()), labels: said(here, new), ..Built::default() }, here, new),
        (Built { index: Some(nothing()), annotations: said(here, new), ..Built::default() }, here, new),
        (Built { index: Some(said(here, new)), labels: said(here, new), ..Built::default() }, here, new),
        (Built { index: Some(said(here, None)), annotations: said(None, new), ..Built::default() }, here, new),
        (Built { index: Some(said(here, None)), labels: said(None, new), ..Built::default() }, here, new),
        (Built { labels: said(Some("two\nlines"), Some("")), ..Built::default() }, None, None),
    ];
    for (index, (built, source, revision)) in table.into_iter().enumerate() {
        let digest = outside.push_built(&image, &tag(&format!("1.{index}")), &built).await;
        let expected = Origin { source: source.map(str::to_owned), revision: revision.map(str::to_owned) };
        assert_eq!(registry.origin(&image, &digest).await.unwrap().as_ref(), Some(&expected), "{built:?}");
        assert_eq!(registry.origin(&image, &digest).await.unwrap(), Some(expected), "and again: {built:?}");
    }
    let nobody = digest_of(b"nobody has this");
    assert_eq!(registry.origin(&image, &nobody).await.unwrap(), None, "an unknown digest of a known repository");
}

fn said(source: Option<&str>, revision: Option<&str>) -> Said {
    let names = [(SOURCE, source), (REVISION, revision)].into_iter();
    names.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect()
}

async fn all_tags_are_listed_in_byte_order(outside: &dyn Outside) {
    let registry = outside.registry();
    let image = image(outside, "ordered/web");
    let in_order = ["0", "1.0.0", "1.0.0-rc.1", "1.0.1", "1.0.10", "1.0.2", "V1", "_x", "latest", "main-1972e38"];
    for name in in_order.iter().rev() {
        outside.push(&image, &tag(name), "the same").await;
    }
    let neighbour = ImageName::new(&outside.host(), "ordered/web-two").expect("a valid image name");
    outside.push(&neighbour, &tag("not-ours"), "the same").await;
    assert_eq!(registry.tags(&image).await.unwrap(), in_order.map(tag));
    let (mut paged, mut from) = (Vec::new(), None);
    loop {
        let page = registry.page(&image, from.as_deref()).await.unwrap();
        paged.extend(page.tags);
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    paged.sort();
    assert_eq!(paged, in_order.map(tag), "page by page it is the same");
}

async fn what_is_deleted_is_gone(outside: &dyn Outside) {
    let registry = outside.registry();
    let image = image(outside, "deleted/web");
    let bad = outside.push(&image, &tag("1.1"), "bad").await;
    let good = outside.push(&image, &tag("1.0"), "good").await;
    outside.delete(&image, &bad).await;
    assert_eq!(registry.digest(&image, &tag("1.1")).await.unwrap(), None);
    assert_eq!(registry.tags(&image).await.unwrap(), [tag("1.0")]);

    outside.delete(&image, &good).await;
    assert_eq!(registry.tags(&image).await.unwrap(), [], "a repository without tags is no error");
}

async fn a_refusal_is_no_absence(outside: &dyn Outside) {
    let image = image(outside, "private/web");
    let secret = outside.push(&image, &tag("1.0"), "secret").await;
    let stranger = outside.stranger();
    for error in [
        stranger.digest(&image, &tag("1.0")).await.expect_err("a wrong password must be refused"),
        stranger.digest(&image, &tag("2.0")).await.expect_err("also for a tag that does not exist"),
        stranger.tags(&image).await.expect_err("a wrong password must be refused"),
        stranger.platforms(&image, &secret).await.expect_err("a wrong password must be refused"),
        stranger.origin(&image, &secret).await.expect_err("a wrong password must be refused"),
        stranger.page(&image, None).await.expect_err("a wrong password must be refused"),
    ] {
        let RegistryError::Refused { registry, reason } = &error else {
            panic!("wrong credentials are Refused, not: {error}");
        };
        assert_eq!(registry, &outside.host(), "the refusal names the host");
        assert!(reason.contains("credentials"), "the refusal says what to do: {reason}");
    }
}

async fn silence_is_no_absence(outside: &dyn Outside) {
    let (unreachable, host) = outside.unreachable();
    let image = ImageName::new(&host, "silent/web").expect("a valid image name");
    for error in [
        unreachable.digest(&image, &tag("1.0")).await.expect_err("nobody answers"),
        unreachable.tags(&image).await.expect_err("nobody answers"),
        unreachable.platforms(&image, &digest_of(b"anything")).await.expect_err("nobody answers"),
        unreachable.origin(&image, &digest_of(b"anything")).await.expect_err("nobody answers"),
        unreachable.page(&image, None).await.expect_err("nobody answers"),
    ] {
        let RegistryError::Unavailable { registry, .. } = &error else {
            panic!("a registry that is down is Unavailable, not: {error}");
        };
        assert_eq!(registry, &host, "the error names the host");
    }
}
