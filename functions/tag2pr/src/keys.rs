//! Names of objects in the store: built here and nowhere else.
//!
//! ```text
//! tag2pr.yaml                                               the configuration of the deployment
//! deliveries/<yyyy>/<mm>/<dd>/<id>.json                     what came in and what was made of it
//! images/<registry>/<repository>/ledger.json                the folded ledger
//! images/<registry>/<repository>/pushes/<id>.json           pushes not folded yet: written once
//! images/<registry>/<repository>/watchers.json              which repositories have a policy on this image
//! repositories/<host>/<path>/<base>/index.json              policies and automations at one base commit
//! repositories/<host>/<path>/<base>/proposals/<name>.json   what was last written, its pull request, its fate
//! repositories/<host>/<path>/<base>/holds.json              what not to propose, and why
//! repositories/<host>/<path>/<base>/pass.json               what the last look found, and what happened in the last day
//! repositories/<host>/<path>/<base>/due.json                when something is due without anybody's poke
//! repositories/<host>/<path>/<base>/standing.json           which tags stand in which stage, and since when
//! repositories/<host>/<path>/<base>/commits/<id>.json      which commit a forge made of this one of ours
//! repositories/<host>/<path>/<base>/pull-requests/<n>.json  pull requests of repositories without a forge
//! inbox/<repository>/<id>.json                              pokes for a local worker
//! leases/<repository>.json                                  who works on a repository
//! sweep/schedule.json                                       what is listed next, and when; which registries rest
//! sweep/found.json                                          what was missed in the last day, and what cannot be listed
//! refusals.json                                             how many deliveries were refused, by source and hour
//! status.html                                               the status page
//! sweep/images/<registry>/<repository>.json                 the listing that is being read, and the last accepted one
//! ```
//!
//! Every segment that comes from outside is percent-encoded, `/` included, and cut to a safe length with a hash, so
//! that no name can climb out of its prefix or run into another.

use std::fmt;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::digest::{SHA256, digest};

use crate::image::ImageName;
use crate::repository_url::RepositoryId;
use crate::seams::CommitId;

/// The name of one object, or the common beginning of several.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The key as the store sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key that a store listed. Only stores call this: what is listed was once built here.
    pub fn listed(text: String) -> Self {
        Self(text)
    }

    /// The last segment without `.json`, as it was encoded.
    pub fn stem(&self) -> &str {
        let last = self.0.rsplit('/').next().unwrap_or_default();
        last.strip_suffix(".json").unwrap_or(last)
    }

    /// The configuration of the deployment.
    pub fn config() -> Self {
        Self("tag2pr.yaml".to_owned())
    }

    /// One delivery; keys sort by the time it came in.
    pub fn delivery(received: Timestamp, id: &str) -> Self {
        let day = received.to_string();
        let (date, _) = day.split_once('T').unwrap_or((&day, ""));
        Self(format!("deliveries/{}/{}.json", date.replace('-', "/"), segment(id)))
    }

    /// The deliveries of the day in UTC that a time is on.
    pub fn deliveries_on(day: Timestamp) -> Self {
        let Self(one) = Self::delivery(day, "x");
        Self(one.strip_suffix("x.json").unwrap_or(&one).to_owned())
    }

    /// All deliveries.
    pub fn deliveries() -> Self {
        Self("deliveries/".to_owned())
    }

    /// The folded ledger of an image.
    pub fn ledger(image: &ImageName) -> Self {
        Self(format!("{}ledger.json", Self::image(image)))
    }

    /// One push or deletion that is not folded yet.
    pub fn push(image: &ImageName, id: &str) -> Self {
        Self(format!("{}pushes/{}.json", Self::image(image), segment(id)))
    }

    /// All pushes of an image that are not folded yet.
    pub fn pushes(image: &ImageName) -> Self {
        Self(format!("{}pushes/", Self::image(image)))
    }

    /// Which repositories have a policy on this image.
    pub fn watchers(image: &ImageName) -> Self {
        Self(format!("{}watchers.json", Self::image(image)))
    }

    fn image(image: &ImageName) -> String {
        format!("images/{}/{}/", segment(image.registry()), segment(image.repository()))
    }

    /// What one base commit of a repository says.
    pub fn index(repository: &RepositoryId) -> Self {
        Self(format!("{}index.json", Self::repository(repository)))
    }

    /// What other repositories say for this one.
    pub fn elsewhere(repository: &RepositoryId) -> Self {
        Self(format!("{}elsewhere.json", Self::repository(repository)))
    }

    /// What was last proposed under this name.
    pub fn proposal(repository: &RepositoryId, name: &str) -> Self {
        Self(format!("{}proposals/{}.json", Self::repository(repository), segment(name)))
    }

    /// Everything proposed to a repository.
    pub fn proposals(repository: &RepositoryId) -> Self {
        Self(format!("{}proposals/", Self::repository(repository)))
    }

    /// One pull request of a repository without a forge.
    pub fn pull_request(repository: &RepositoryId, number: u64) -> Self {
        Self(format!("{}pull-requests/{number:08}.json", Self::repository(repository)))
    }

    /// All pull requests of a repository without a forge.
    pub fn pull_requests(repository: &RepositoryId) -> Self {
        Self(format!("{}pull-requests/", Self::repository(repository)))
    }

    /// The commit that a forge made of the one with this id.
    pub fn made_commit(repository: &RepositoryId, commit: &CommitId) -> Self {
        Self(format!("{}commits/{}.json", Self::repository(repository), segment(&commit.0)))
    }

    /// What must not be proposed to a repository.
    pub fn holds(repository: &RepositoryId) -> Self {
        Self(format!("{}holds.json", Self::repository(repository)))
    }

    /// When a repository must be looked at without anybody's poke.
    pub fn due(repository: &RepositoryId) -> Self {
        Self(format!("{}due.json", Self::repository(repository)))
    }

    /// What the last look at a repository found.
    pub fn pass(repository: &RepositoryId) -> Self {
        Self(format!("{}pass.json", Self::repository(repository)))
    }

    /// Which tags stand in the stages of a repository, and since when.
    pub fn standing(repository: &RepositoryId) -> Self {
        Self(format!("{}standing.json", Self::repository(repository)))
    }

    fn repository(repository: &RepositoryId) -> String {
        format!(
            "repositories/{}/{}/{}/",
            segment(&repository.host),
            segment(&repository.path),
            segment(&repository.base)
        )
    }

    /// Everything that is known of any repository.
    pub fn repositories() -> Self {
        Self("repositories/".to_owned())
    }

    /// Whether this is what one base commit of some repository says.
    pub fn is_index(&self) -> bool {
        let mut segments = self.0.split('/');
        segments.next() == Some("repositories") && segments.nth(3) == Some("index.json") && segments.next().is_none()
    }

    /// Whether what is written there never changes: a delivery, or a push.
    pub fn is_written_once(&self) -> bool {
        let mut segments = self.0.split('/');
        match segments.next() {
            Some("deliveries") => true,
            Some("images") => segments.nth(2) == Some("pushes"),
            _ => false,
        }
    }

    /// Who works on a repository.
    pub fn lease(repository: &RepositoryId) -> Self {
        Self(format!("leases/{}.json", segment(&repository.to_string())))
    }

    /// What the sweep does next.
    pub fn schedule() -> Self {
        Self("sweep/schedule.json".to_owned())
    }

    /// What the sweep found.
    pub fn found() -> Self {
        Self("sweep/found.json".to_owned())
    }

    /// How many deliveries were refused.
    pub fn refusals() -> Self {
        Self("refusals.json".to_owned())
    }

    /// The status page.
    pub fn status_page() -> Self {
        Self("status.html".to_owned())
    }

    /// What the sweep knows of the listings of an image.
    pub fn listing(image: &ImageName) -> Self {
        Self(format!("sweep/images/{}/{}.json", segment(image.registry()), segment(image.repository())))
    }

    /// One poke that waits for a local worker.
    pub fn poke(repository: &RepositoryId, id: &str) -> Self {
        Self(format!("{}{}.json", Self::pokes(repository).0, segment(id)))
    }

    /// The pokes of one repository.
    pub fn pokes(repository: &RepositoryId) -> Self {
        Self(format!("inbox/{}/", segment(&repository.to_string())))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Longest segment: file systems allow 255 bytes, and a temporary name needs some of them.
const LONGEST: usize = 180;

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

fn segment(text: &str) -> String {
    let encoded = utf8_percent_encode(text, ESCAPED).to_string();
    match encoded.as_str() {
        "" => "%00".to_owned(),
        "." | ".." => encoded.replace('.', "%2E"),
        _ if encoded.len() <= LONGEST => encoded,
        _ => {
            let hash: String =
                digest(&SHA256, text.as_bytes()).as_ref()[..12].iter().map(|b| format!("{b:02x}")).collect();
            format!("{}~{hash}", &encoded[..LONGEST - 25])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_read_like_the_things_they_name() {
        let image: ImageName = "192.168.0.40:5000/team/web".parse().unwrap();
        assert_eq!(Key::push(&image, "01J").as_str(), "images/192.168.0.40%3A5000/team%2Fweb/pushes/01J.json");
        assert_eq!(Key::push(&image, "01J").stem(), "01J");
        assert!(Key::push(&image, "01J").is_written_once());
        assert!(![Key::ledger(&image), Key::watchers(&image), Key::listing(&image)].iter().any(Key::is_written_once));
        let repository = RepositoryId { host: "github.com".into(), path: "acme/fleet".into(), base: "main".into() };
        assert_eq!(
            Key::proposal(&repository, "flux-system.web").as_str(),
            "repositories/github.com/acme%2Ffleet/main/proposals/flux-system.web.json"
        );
        assert!(Key::index(&repository).is_index() && !Key::holds(&repository).is_index());
        assert_eq!(Key::listing(&image).as_str(), "sweep/images/192.168.0.40%3A5000/team%2Fweb.json");
        assert_eq!(Key::lease(&repository).as_str(), "leases/github.com%2Facme%2Ffleet%40main.json");
        let received = "2026-02-03T04:05:06Z".parse().unwrap();
        assert_eq!(Key::delivery(received, "x").as_str(), "deliveries/2026/02/03/x.json");
        assert!(Key::delivery(received, "x").is_written_once());
        assert_eq!(Key::deliveries_on(received).as_str(), "deliveries/2026/02/03/");
    }

    proptest! {
        #[test]
        fn no_name_climbs_out_of_its_prefix(name in any::<String>()) {
            let encoded = segment(&name);
            prop_assert!(!encoded.is_empty() && encoded.len() <= LONGEST);
            prop_assert!(!encoded.contains('/') && !encoded.contains('\\') && encoded != "." && encoded != "..");
        }

        #[test]
        fn different_names_have_different_keys(a in ".{0,300}", b in ".{0,300}") {
            prop_assert_eq!(segment(&a) == segment(&b), a == b);
        }
    }
}
