//! The ledger: what is known of one image's tags, merged from evidence in any order.
//!
//! Several kinds of [`News`] feed it: a push (a tag now points at a digest), a deletion, what a registry lists, lacks,
//! confirms and holds, and where that was built from. Folding the same news in any order, any number of times, gives the
//! same ledger: each part is a maximum or a minimum under an order. So a delivery that comes twice, late or out of order
//! changes nothing that it should not.
//!
//! Times: a push counts as pushed at the earlier of the sender's time and ours; `first_seen` is ours alone and cannot
//! be back-dated by a publisher.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::image::{Digest, Tag};
use crate::origin::Origin;
use crate::platform::Platforms;

/// One image tag now points at one digest, as a sender said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    /// The tag.
    pub tag: Tag,
    /// What it points at; several senders do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The sender's time, if it gave one: never later than [`Push::received_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_at: Option<Timestamp>,
    /// When the delivery reached us.
    pub received_at: Timestamp,
    /// The id of the recorded delivery.
    pub delivery: String,
    /// The sender's own id of the event: what makes two deliveries the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The configured source it came by.
    pub source: String,
    /// Who pushed, as the sender calls them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

impl Push {
    /// What orders pushes of one tag.
    pub fn at(&self) -> Timestamp {
        self.pushed_at.unwrap_or(self.received_at)
    }

    /// Newest first of all; the rest only makes the order total, the same push received earlier being preferred.
    fn rank(&self) -> impl Ord + '_ {
        (
            self.at(),
            &self.digest,
            self.pushed_at.is_some(),
            Reverse((self.received_at, &self.delivery, &self.event, &self.source, &self.actor)),
        )
    }
}

/// One piece of evidence, as it is written by whoever learns of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "news")]
pub enum News {
    /// A tag was pushed.
    Pushed(Push),
    /// A tag, or everything with this digest, was deleted.
    #[serde(rename_all = "camelCase")]
    Deleted {
        /// The tag, if one was named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<Tag>,
        /// The manifest, if one was named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
        /// When.
        at: Timestamp,
        /// The id of the recorded delivery.
        delivery: String,
    },
    /// A registry said what a tag points at, which no delivery had.
    Confirmed {
        /// The tag.
        tag: Tag,
        /// What it points at.
        digest: Digest,
        /// When the registry was asked.
        at: Timestamp,
    },
    /// A registry said what a digest holds. That never changes, so it is asked once.
    Holds {
        /// An index, or an image.
        digest: Digest,
        /// What it runs on.
        platforms: Platforms,
    },
    /// A registry said where a digest was built from, or that this is not said. That never changes either.
    Built {
        /// An index, or an image.
        digest: Digest,
        /// Where it was built from, as it says itself.
        origin: Origin,
    },
    /// The registry's complete listing brought these tags, which were not known before.
    Listed {
        /// The tags, without those that were known already.
        tags: Vec<Tag>,
        /// When the listing was read.
        at: Timestamp,
    },
    /// The registry's complete listing lacks these tags, and the registry said of each of them that there is no such
    /// tag.
    Gone {
        /// The tags.
        tags: Vec<Tag>,
        /// When the reading of the listing began: what was pushed later need not be in it.
        at: Timestamp,
    },
}

impl News {
    /// What a complete listing adds to a ledger: the tags that it does not know.
    pub fn listed(tags: Vec<Tag>, known: &Ledger, at: Timestamp) -> Self {
        Self::Listed { tags: tags.into_iter().filter(|tag| known.get(tag.as_str()).is_none()).collect(), at }
    }

    /// A name for it: the same for the same event however often it is delivered, so that it is stored once.
    ///
    /// The sender's id decides; without one (tag, digest, sender's time); without a time every delivery is its own.
    pub fn id(&self) -> String {
        let identity = match self {
            Self::Pushed(push) => match (&push.event, push.pushed_at) {
                (Some(event), _) => format!("push {} {} {}", push.source, event, push.tag),
                (None, Some(at)) => format!("push {} {} {:?} {at}", push.source, push.tag, push.digest),
                (None, None) => format!("push {} {} {:?} {}", push.source, push.tag, push.digest, push.received_at),
            },
            Self::Deleted { tag, digest, at, .. } => format!("delete {tag:?} {digest:?} {at}"),
            Self::Listed { tags, at } => format!("listed {at} {tags:?}"),
            Self::Gone { tags, at } => format!("gone {at} {tags:?}"),
            // The first to ask writes it; whoever asks later learns nothing new.
            Self::Confirmed { tag, digest, .. } => format!("confirmed {tag} {digest}"),
            Self::Holds { digest, .. } => format!("holds {digest}"),
            Self::Built { digest, .. } => format!("built {digest}"),
        };
        let hash = digest(&SHA256, identity.as_bytes());
        hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What is known of one tag. Of a hundred thousand tags most are known from listings only: a push is kept elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The newest push; none if the tag is known from listings only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Box<Push>>,
    /// When this tag was first heard of, by our clock; none if all that was heard is that it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Timestamp>,
    /// How each digest that this tag ever had was first heard of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<Digest, First>,
    /// The last listing that brought the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Timestamp>,
    /// The last time it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
    /// The last time that a complete listing lacked it and the registry had no such tag either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Timestamp>,
}

/// How a digest was first heard of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct First {
    /// When, by our clock.
    pub seen: Timestamp,
    /// The first push of it. Registries report a push of what was there already as a push like any other; it must not
    /// make another commit. None if only a registry told us of the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Box<Push>>,
}

impl Entry {
    /// What the tag points at, as far as anybody said.
    pub fn digest(&self) -> Option<&Digest> {
        self.push.as_ref()?.digest.as_ref()
    }

    /// The same, unless a registry told of another digest since.
    pub fn last_digest(&self) -> Option<&Digest> {
        let told = self.digests.iter().filter(|(_, first)| first.push.is_none());
        let told = told.max_by_key(|(_, first)| first.seen);
        let pushed = self.push.as_ref().map(|push| push.at());
        told.filter(|(_, first)| Some(first.seen) > pushed).map(|(digest, _)| digest).or_else(|| self.digest())
    }

    /// When it was pushed: the sender's time, else when what it points at was first heard of.
    pub fn pushed_at(&self) -> Option<Timestamp> {
        let push = self.push.as_ref()?;
        let first_seen = self.first().map(|first| first.seen);
        Some(push.pushed_at.or(first_seen).unwrap_or(push.received_at))
    }

    /// The push that brought what the tag points at, however often it was pushed since.
    pub fn brought_by(&self) -> Option<&Push> {
        self.first().and_then(|first| first.push.as_deref()).or(self.push.as_deref())
    }

    /// When it was last said to be there; none if nobody ever did.
    pub fn seen(&self) -> Option<Timestamp> {
        self.push.as_deref().map(Push::at).max(self.listed)
    }

    fn first(&self) -> Option<&First> {
        self.digests.get(self.digest()?)
    }

    /// When what it points at now was first heard of, by our clock: what minimum age counts from.
    pub fn first_seen(&self) -> Option<Timestamp> {
        self.first().map(|first| first.seen).or(self.first_seen)
    }
}

/// What is known of one image's tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    tags: BTreeMap<Tag, Entry>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    deleted_digests: BTreeMap<Digest, Timestamp>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    holds: BTreeMap<Digest, Platforms>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    built: BTreeMap<Digest, Origin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<Timestamp>,
}

impl Ledger {
    /// Adds one piece of evidence. Order and repetition do not matter.
    pub fn merge(&mut self, news: &News) {
        match news {
            News::Pushed(push) => {
                let entry = self.seen(&push.tag, push.received_at);
                if let Some(digest) = &push.digest {
                    let first = entry
                        .digests
                        .entry(digest.clone())
                        .or_insert_with(|| First { seen: push.received_at, push: None });
                    first.seen = push.received_at.min(first.seen);
                    if first.push.as_ref().is_none_or(|known| push.rank().cmp(&known.rank()) == Ordering::Less) {
                        first.push = Some(Box::new(push.clone()));
                    }
                }
                if entry.push.as_ref().is_none_or(|known| known.rank().cmp(&push.rank()) == Ordering::Less) {
                    entry.push = Some(Box::new(push.clone()));
                }
            }
            News::Deleted { tag, digest, at, .. } => {
                if let Some(tag) = tag {
                    let entry = self.entry(tag);
                    entry.deleted = entry.deleted.max(Some(*at));
                } else if let Some(digest) = digest {
                    let last = self.deleted_digests.entry(digest.clone()).or_insert(*at);
                    *last = at.max(last).to_owned();
                }
            }
            News::Listed { tags, at } => {
                self.listed = self.listed.max(Some(*at));
                for tag in tags {
                    let entry = self.seen(tag, *at);
                    entry.listed = entry.listed.max(Some(*at));
                }
            }
            News::Holds { digest, platforms } => match self.holds.get_mut(digest) {
                // Two witnesses never differ; if they did, what both say would count.
                Some(known) => known.retain(|platform| platforms.contains(platform)),
                None => {
                    self.holds.insert(digest.clone(), platforms.clone());
                }
            },
            News::Built { digest, origin } => match self.built.get_mut(digest) {
                // Here as well: of two that differ, what both say is kept.
                Some(known) => *known = std::mem::take(known).and(origin),
                None => {
                    self.built.insert(digest.clone(), origin.clone());
                }
            },
            News::Gone { tags, at } => {
                for tag in tags {
                    let entry = self.entry(tag);
                    entry.gone = entry.gone.max(Some(*at));
                }
            }
            News::Confirmed { tag, digest, at } => {
                let entry = self.entry(tag);
                let first = entry.digests.entry(digest.clone()).or_insert(First { seen: *at, push: None });
                first.seen = first.seen.min(*at);
            }
        }
    }

    fn entry(&mut self, tag: &Tag) -> &mut Entry {
        if !self.tags.contains_key(tag) {
            self.tags.insert(tag.clone(), Entry::default());
        }
        self.tags.get_mut(tag).expect("just inserted")
    }

    /// The entry of a tag that was heard of as being there.
    fn seen(&mut self, tag: &Tag, at: Timestamp) -> &mut Entry {
        let entry = self.entry(tag);
        entry.first_seen = Some(entry.first_seen.map_or(at, |first| first.min(at)));
        entry
    }

    /// When a complete listing was last read; `None` if all that is known came from deliveries.
    pub fn listed(&self) -> Option<Timestamp> {
        self.listed
    }

    /// What a digest runs on, if a registry was asked.
    pub fn platforms(&self, digest: &Digest) -> Option<&Platforms> {
        self.holds.get(digest)
    }

    /// Where a digest was built from, if a registry was asked; empty if it does not say.
    pub fn origin(&self, digest: &Digest) -> Option<&Origin> {
        self.built.get(digest)
    }

    /// The tags that exist, as far as is known, in byte order.
    pub fn live(&self) -> impl Iterator<Item = (&Tag, &Entry)> {
        self.tags.iter().filter(|(_, entry)| self.is_live(entry))
    }

    /// The tags that were there and are gone, and since when if that was said, in byte order.
    pub fn deleted(&self) -> impl Iterator<Item = (&Tag, &Entry, Option<Timestamp>)> {
        let gone = |(_, entry): &(&Tag, &Entry)| !self.is_live(entry) && entry.first_seen.is_some();
        self.tags.iter().filter(gone).map(|(tag, entry)| (tag, entry, self.ended(entry)))
    }

    /// What is known of a tag that exists.
    pub fn get(&self, tag: &str) -> Option<&Entry> {
        self.tags.get(tag).filter(|entry| self.is_live(entry))
    }

    /// All that was ever heard of a tag, whether or not it still exists.
    pub fn heard_of(&self, tag: &str) -> Option<&Entry> {
        self.tags.get(tag)
    }

    /// A push or a listing at the very time of a deletion wins: the digest is confirmed before anything is written.
    fn is_live(&self, entry: &Entry) -> bool {
        entry.seen().is_some_and(|seen| self.ended(entry).is_none_or(|ended| seen >= ended))
    }

    /// When it was last said not to be there any more, by whomever.
    fn ended(&self, entry: &Entry) -> Option<Timestamp> {
        let digest_deleted = entry.digest().and_then(|digest| self.deleted_digests.get(digest)).copied();
        entry.deleted.max(digest_deleted).max(entry.gone)
    }

    /// When the registry itself was found not to have a tag any more, in a complete listing and when asked for it; none
    /// if it was never found so, or the tag came back.
    pub fn gone(&self, tag: &str) -> Option<Timestamp> {
        let entry = self.tags.get(tag).filter(|entry| !self.is_live(entry))?;
        entry.gone.filter(|gone| entry.seen().is_none_or(|seen| seen < *gone))
    }

    /// Whether a tag was said to be deleted since some time, and not to be there after that.
    pub fn deleted_since(&self, tag: &str, since: Timestamp) -> bool {
        let entry = self.tags.get(tag).filter(|entry| !self.is_live(entry));
        entry.and_then(|entry| self.ended(entry)).is_some_and(|ended| ended >= since)
    }

    /// The tags that a complete listing should have brought and did not: last seen before it, and not known to be gone
    /// since. A deletion that only a delivery told of is asked for as well.
    pub fn missing_from(&self, listed: &BTreeSet<Tag>, before: Timestamp) -> BTreeSet<Tag> {
        let is_missing = |tag: &Tag, entry: &Entry| {
            !listed.contains(tag)
                && entry.seen().is_some_and(|seen| seen < before && entry.gone.is_none_or(|gone| gone <= seen))
        };
        self.tags.iter().filter(|(tag, entry)| is_missing(tag, entry)).map(|(tag, _)| tag.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_760_000_000 + second).unwrap()
    }

    fn digest_of(letter: char) -> Digest {
        format!("sha256:{}", letter.to_string().repeat(64)).parse().unwrap()
    }

    fn push(tag: &str, letter: char, pushed: Option<i64>, received: i64) -> News {
        News::Pushed(Push {
            tag: tag.parse().unwrap(),
            digest: Some(digest_of(letter)),
            pushed_at: pushed.map(at),
            received_at: at(received),
            delivery: format!("delivery-{received}"),
            event: None,
            source: "hub".into(),
            actor: None,
        })
    }

    fn fold(news: &[News]) -> Ledger {
        let mut ledger = Ledger::default();
        news.iter().for_each(|item| ledger.merge(item));
        ledger
    }

    #[test]
    fn a_late_old_push_does_not_win() {
        let ledger = fold(&[push("main", 'b', Some(20), 21), push("main", 'a', Some(10), 30)]);
        assert_eq!(ledger.get("main").unwrap().digest(), Some(&digest_of('b')));
    }

    #[test]
    fn moving_a_tag_back_is_a_push_of_its_own() {
        let news = [push("main", 'a', Some(1), 1), push("main", 'b', Some(2), 2), push("main", 'a', Some(3), 3)];
        let ledger = fold(&news);
        let entry = ledger.get("main").unwrap();
        assert_eq!(entry.digest(), Some(&digest_of('a')));
        assert_eq!(entry.first_seen(), Some(at(1)), "the digest is as old as when it was first heard of");
        assert_ne!(news[0].id(), news[2].id());
    }

    #[test]
    fn pushing_the_same_again_is_the_same_push() {
        let ledger = fold(&[push("1.0", 'a', Some(1), 1), push("1.0", 'a', Some(9), 9)]);
        let entry = ledger.get("1.0").unwrap();
        assert_eq!(entry.brought_by().unwrap().delivery, "delivery-1");
        assert_eq!(entry.pushed_at(), Some(at(9)));
    }

    #[test]
    fn a_deleted_tag_is_gone_until_it_is_pushed_again() {
        let gone = News::Deleted { tag: Some("1.0".parse().unwrap()), digest: None, at: at(5), delivery: "d".into() };
        let mut ledger = fold(&[push("1.0", 'a', Some(1), 1), gone]);
        assert!(ledger.get("1.0").is_none());
        ledger.merge(&push("1.0", 'b', Some(6), 6));
        assert_eq!(ledger.live().count(), 1);
    }

    #[test]
    fn a_tag_that_the_registry_lacks_is_gone_until_it_is_heard_of_again() {
        let gone = News::Gone { tags: vec!["1.0".parse().unwrap()], at: at(5) };
        let mut ledger = fold(&[push("1.0", 'a', Some(1), 1), gone]);
        assert_eq!((ledger.get("1.0"), ledger.gone("1.0")), (None, Some(at(5))));
        let listed = News::listed(vec!["1.0".parse().unwrap()], &ledger, at(6));
        ledger.merge(&listed);
        assert!(ledger.get("1.0").is_some() && ledger.gone("1.0").is_none());
    }

    #[test]
    fn a_deletion_that_only_a_delivery_told_of_is_not_yet_the_registrys_word() {
        let deleted =
            News::Deleted { tag: Some("1.0".parse().unwrap()), digest: None, at: at(5), delivery: "d".into() };
        let mut ledger = fold(&[push("1.0", 'a', Some(1), 1), deleted]);
        assert_eq!((ledger.get("1.0"), ledger.gone("1.0")), (None, None));
        let missing = ledger.missing_from(&BTreeSet::new(), at(9));
        assert_eq!(missing.iter().map(Tag::as_str).collect::<Vec<_>>(), ["1.0"]);
        ledger.merge(&News::Gone { tags: missing.into_iter().collect(), at: at(9) });
        assert_eq!(ledger.gone("1.0"), Some(at(9)));
        assert!(ledger.missing_from(&BTreeSet::new(), at(20)).is_empty(), "it is asked for once");
    }

    #[test]
    fn deleting_a_manifest_deletes_the_tags_that_point_at_it() {
        let gone = News::Deleted { tag: None, digest: Some(digest_of('a')), at: at(5), delivery: "d".into() };
        let ledger = fold(&[push("1.0", 'a', Some(1), 1), push("1.1", 'b', Some(1), 1), gone]);
        assert_eq!(ledger.live().map(|(tag, _)| tag.as_str()).collect::<Vec<_>>(), ["1.1"]);
    }

    #[test]
    fn a_publisher_cannot_make_an_image_look_older_than_we_have_known_it() {
        let ledger = fold(&[push("1.0", 'a', Some(-99_999), 7)]);
        assert_eq!(ledger.get("1.0").unwrap().first_seen(), Some(at(7)));
    }

    #[test]
    fn the_same_event_has_one_id_however_often_it_is_delivered() {
        assert_eq!(push("1.0", 'a', Some(1), 1).id(), push("1.0", 'a', Some(1), 9).id());
        assert_ne!(push("1.0", 'a', None, 1).id(), push("1.0", 'a', None, 9).id());
    }

    fn built(letter: char, source: Option<&str>, revision: Option<&str>) -> News {
        let origin = Origin { source: source.map(str::to_owned), revision: revision.map(str::to_owned) };
        News::Built { digest: digest_of(letter), origin }
    }

    #[test]
    fn what_an_image_was_built_from_is_what_all_witnesses_say() {
        let mut ledger = fold(&[built('a', Some("here"), Some("1972e38")), built('b', None, None)]);
        let said = |ledger: &Ledger, letter| ledger.origin(&digest_of(letter)).cloned();
        assert_eq!(said(&ledger, 'a').unwrap().revision.as_deref(), Some("1972e38"));
        assert_eq!(said(&ledger, 'b'), Some(Origin::default()), "it was asked, and says nothing");
        assert_eq!(said(&ledger, 'c'), None, "nobody asked");

        ledger.merge(&built('a', Some("elsewhere"), Some("1972e38")));
        let both = said(&ledger, 'a').unwrap();
        assert_eq!((both.source, both.revision.as_deref()), (None, Some("1972e38")));
        assert_eq!(built('a', None, None).id(), built('a', Some("here"), None).id(), "it is stored once");
    }

    #[test]
    fn a_ledger_that_was_stored_before_anybody_asked_reads_and_is_stored_as_it_was() {
        let stored = serde_json::to_value(fold(&[push("1.0", 'a', Some(1), 1)])).unwrap();
        assert_eq!(stored.get("built"), None);
        assert_eq!(serde_json::from_value::<Ledger>(stored).unwrap().origin(&digest_of('a')), None);
    }

    fn any_news() -> impl Strategy<Value = News> {
        let tag = prop::sample::select(vec!["a", "b"]);
        let letter = prop::sample::select(vec!['1', '2', '3']);
        let said = || prop::option::of(prop::sample::select(vec!["one", "another"]));
        prop_oneof![
            4 => (tag.clone(), letter.clone(), prop::option::of(0..6i64), 0..6i64)
                .prop_map(|(tag, letter, pushed, received)| push(tag, letter, pushed, received)),
            1 => (tag.clone(), 0..6i64).prop_map(|(tag, time)| News::Deleted {
                tag: Some(tag.parse().unwrap()), digest: None, at: at(time), delivery: "d".into() }),
            1 => (letter.clone(), 0..6i64).prop_map(|(letter, time)| News::Deleted {
                tag: None, digest: Some(digest_of(letter)), at: at(time), delivery: "d".into() }),
            1 => (tag.clone(), letter.clone(), 0..6i64).prop_map(|(tag, letter, time)| News::Confirmed {
                tag: tag.parse().unwrap(), digest: digest_of(letter), at: at(time) }),
            1 => (letter.clone(), prop::collection::btree_set(prop::sample::select(vec!["linux/amd64", "linux/arm64"]), 0..3))
                .prop_map(|(letter, platforms)| News::Holds {
                    digest: digest_of(letter),
                    platforms: platforms.into_iter().map(|platform| platform.parse().unwrap()).collect(),
                }),
            1 => (letter, said(), said())
                .prop_map(|(letter, source, revision)| built(letter, source, revision)),
            1 => (tag.clone(), 0..6i64).prop_map(|(tag, time)| News::Gone {
                tags: vec![tag.parse().unwrap()], at: at(time) }),
            1 => (tag, 0..6i64).prop_map(|(tag, time)| News::Listed { tags: vec![tag.parse().unwrap()], at: at(time) }),
        ]
    }

    proptest! {
        #[test]
        fn order_and_repetition_of_news_do_not_matter(
            news in prop::collection::vec(any_news(), 0..12),
            shuffled in Just(()).prop_perturb(|(), mut rng| rng.next_u64()),
        ) {
            let once = fold(&news);
            let mut other = news.clone();
            other.extend(news.iter().take(5).cloned());
            let length = other.len().max(1);
            for i in 0..other.len() {
                other.swap(i, (shuffled as usize).wrapping_mul(i + 7) % length);
            }
            prop_assert_eq!(&fold(&other), &once);
        }

        #[test]
        fn folding_in_parts_is_folding_at_once(
            news in prop::collection::vec(any_news(), 0..12), cut in 0..12usize,
        ) {
            let (first, rest) = news.split_at(cut.min(news.len()));
            let stored = serde_json::to_vec(&fold(first)).unwrap();
            let mut ledger: Ledger = serde_json::from_slice(&stored).unwrap();
            rest.iter().for_each(|item| ledger.merge(item));
            prop_assert_eq!(ledger, fold(&news));
        }
    }
}
