//! Where an image says that it was built from: with as few requests as can be.

use tag2pr::image::Digest;
use tag2pr::origin::{Origin, REVISION, SOURCE};
use tag2pr::seams::Registry as _;
use tag2pr_standins::oci::{self, Manifest};
use tag2pr_standins::registry::{Access, Fault, Kind, Listing, Registry};

use crate::{image, read, team};

const HERE: [(&str, &str); 2] = [(SOURCE, "https://github.com/acme/web"), (REVISION, "1972e38a0b1c")];

fn web(labels: &[(&str, &str)]) -> Manifest {
    Manifest::image("web", labels)
}

fn index(web: Manifest) -> Manifest {
    let provenance = Manifest::image("provenance", &[]);
    Manifest::index_over(vec![(provenance, "unknown/unknown"), (web, "linux/amd64")])
}

fn push(registry: &Registry, manifest: &Manifest) -> Digest {
    registry.push_manifest("team/web", "1.0", manifest).parse().unwrap()
}

#[tokio::test]
async fn nothing_is_asked_for_once_both_are_known() {
    let [source, revision] = HERE.map(|said| [said]);
    let table = [
        ("an image with labels", web(&HERE), (1, 1)),
        ("an image with annotations", web(&[]).annotated(&HERE), (1, 0)),
        ("an image with one of each", web(&revision).annotated(&source), (1, 1)),
        ("an index over an image with labels", index(web(&HERE)), (2, 1)),
        ("an index over an image with annotations", index(web(&[]).annotated(&HERE)), (2, 0)),
        ("an index with annotations", index(web(&[])).annotated(&HERE), (1, 0)),
        ("one of each in an index", index(web(&[]).annotated(&revision)).annotated(&source), (2, 0)),
    ];
    for (what, manifest, (manifests, blobs)) in table {
        let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
        let address = registry.address();
        let digest = push(&registry, &manifest);
        let origin = team(address).origin(&image(address, "team/web"), &digest).await.unwrap().unwrap();
        assert_eq!(origin, Origin::of(&HERE.map(|(name, value)| (name.to_owned(), value.to_owned())).into()), "{what}");
        assert_eq!((registry.count(Kind::Get), registry.count(Kind::Blob)), (manifests, blobs), "{what}");
    }
}

#[tokio::test]
async fn what_is_no_image_has_annotations_only() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let address = registry.address();
    let mut chart = web(&HERE).annotated(&HERE[..1]);
    let text = String::from_utf8(chart.bytes).unwrap();
    chart.bytes = text.replace("vnd.oci.image.config.v1", "vnd.cncf.helm.config.v1").into_bytes();
    let digest = push(&registry, &chart);
    let origin = team(address).origin(&image(address, "team/web"), &digest).await.unwrap().unwrap();
    assert_eq!((origin.source.as_deref(), origin.revision), (Some(HERE[0].1), None));
    assert_eq!(registry.count(Kind::Blob), 0);
}

#[tokio::test]
async fn an_index_in_an_index_is_not_gone_into() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let address = registry.address();
    let inner = index(web(&HERE)).annotated(&HERE[1..]);
    let digest = push(&registry, &Manifest::index_over(vec![(inner, "linux/amd64")]));
    let origin = team(address).origin(&image(address, "team/web"), &digest).await.unwrap().unwrap();
    assert_eq!((origin.source, origin.revision.as_deref()), (None, Some(HERE[1].1)));
    assert_eq!((registry.count(Kind::Get), registry.count(Kind::Blob)), (2, 0));
}

#[tokio::test]
async fn of_an_image_that_the_registry_lacks_its_index_says_what_it_says() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let address = registry.address();
    let web = web(&HERE);
    let digest = push(&registry, &index(web.clone()));
    registry.delete("team/web", &web.digest());
    let answer = team(address).origin(&image(address, "team/web"), &digest).await;
    assert_eq!(answer.unwrap(), Some(Origin::default()), "mirrors leave out platforms, and nobody need ask again");
    assert_eq!(registry.count(Kind::Blob), 0);
}

#[tokio::test]
async fn bytes_that_a_digest_does_not_name_say_nothing_about_where_it_was_built_from() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let address = registry.address();
    let manifest = web(&HERE);
    let digest = push(&registry, &manifest);
    let (client, image) = (team(address), image(address, "team/web"));
    registry.fail_once(Fault::OtherBytes);
    let error = read(client.origin(&image, &digest).await, address);
    assert!(error.starts_with("Unavailable") && error.contains("has another digest"), "{error}");

    let blob = oci::digest(&web(&[]).blobs[0]);
    push(&registry, &web(&[]));
    registry.fail_once(Fault::BlobsAt(format!("/v2/team/web/blobs/{blob}")));
    let error = read(client.origin(&image, &digest).await, address);
    assert!(error.contains(&oci::digest(&manifest.blobs[0])) && error.contains("has another digest"), "{error}");
}
