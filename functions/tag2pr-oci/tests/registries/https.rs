//! Registries with a certificate of their own.

use tag2pr::seams::Registry as _;
use tag2pr_oci::RegistrySettings;
use tag2pr_standins::docker_registry::{DockerRegistry, Options};

use crate::{client, image, read, tag};

#[tokio::test]
async fn a_registry_with_its_own_authority_is_believed_only_with_its_certificate() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let tls = Some((cert.pem(), signing_key.serialize_pem()));
    let Some(registry) = DockerRegistry::start(&Options { tls, ..Options::default() }) else {
        return;
    };
    let address = registry.address();
    let web = image(address, "team/web");
    let settings = RegistrySettings { host: address.to_string(), ..RegistrySettings::default() };

    let stranger = client(settings.clone()).digest(&web, &tag("1.0")).await;
    insta::assert_snapshot!(read(stranger, address), @"Unavailable: registry HOST is not available: invalid peer certificate: UnknownIssuer; set `ca` to the certificate of the authority it is signed by");

    let ca = Some(cert.pem().into_bytes());
    let trusted = client(RegistrySettings { ca, ..settings.clone() });
    assert_eq!(trusted.digest(&web, &tag("1.0")).await.unwrap(), None);
    assert_eq!(trusted.tags(&web).await.unwrap(), []);

    let plain = client(RegistrySettings { insecure: true, ..settings });
    insta::assert_snapshot!(read(plain.tags(&web).await, address), @"Refused: registry HOST refused: it answered 400 to plain HTTP: if it speaks HTTPS, remove `insecure: true` from HOST");
}
