//! The client against registries: stand-ins that can be told to fail, and the real thing where it is installed.

mod conformance;
mod failures;
mod hostile;
mod https;
mod origins;
mod tokens;

use std::net::SocketAddr;

use tag2pr::image::{Digest, ImageName, Tag};
use tag2pr::seams::RegistryError;
use tag2pr::secret::Secret;
use tag2pr_oci::{Client, Credentials, Others, RegistrySettings};
use tag2pr_standins::registry::{PASSWORD, USER};

/// A digest that nothing else has.
const DIGEST: &str = "sha256:1972e38a0b1c1972e38a0b1c1972e38a0b1c1972e38a0b1c1972e38a0b1c1972";

/// A registry at this address in plain HTTP, asked with this password.
fn settings(address: SocketAddr, password: Option<&str>) -> RegistrySettings {
    RegistrySettings {
        host: address.to_string(),
        insecure: true,
        credentials: password.map(|password| Credentials { user: USER.to_owned(), password: Secret::new(password) }),
        ..RegistrySettings::default()
    }
}

/// A client that knows this registry only.
fn client(settings: RegistrySettings) -> Client {
    Client::new(vec![settings], Others::Refused).unwrap()
}

/// A client that asks the registry at this address as its user.
fn team(address: SocketAddr) -> Client {
    client(settings(address, Some(PASSWORD)))
}

fn image(address: SocketAddr, repository: &str) -> ImageName {
    ImageName::new(&address.to_string(), repository).unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn digest(text: &str) -> Option<Digest> {
    Some(text.parse().unwrap())
}

/// An error as people read it, without the address that differs each time.
fn read<T: std::fmt::Debug>(answer: Result<T, RegistryError>, address: SocketAddr) -> String {
    let kind = match &answer {
        Ok(answer) => panic!("an error was expected, not {answer:?}"),
        Err(RegistryError::Refused { .. }) => "Refused",
        Err(RegistryError::Unavailable { .. }) => "Unavailable",
    };
    format!("{kind}: {}", answer.unwrap_err()).replace(&address.to_string(), "HOST")
}
