//! Others are told what happened: everything, once, and nothing waits for them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::HeaderMap;
use jiff::Timestamp;
use tag2pr::flow::notify::{self, Outside};
use tag2pr::keys::Key;
use tag2pr::notify::{NotTold, Target, message};
use tag2pr::seams::{Expected, Objects as _};
use tag2pr::status::{Event, Kind};

use super::stories::home_lab;
use super::world::World;

/// Somebody who remembers what they heard.
struct Listener {
    id: String,
    wants: BTreeSet<Kind>,
    heard: Arc<Mutex<Vec<Event>>>,
    away: Arc<Mutex<bool>>,
}

#[async_trait]
impl Target for Listener {
    fn id(&self) -> &str {
        &self.id
    }

    fn wants(&self) -> &BTreeSet<Kind> {
        &self.wants
    }

    async fn tell(&self, event: &Event, _: Timestamp) -> Result<(), NotTold> {
        if *self.away.lock().unwrap() {
            let (target, reason) = (self.id.clone(), "it is away".to_owned());
            return Err(NotTold { target, reason, was_spared: false });
        }
        self.heard.lock().unwrap().push(event.clone());
        Ok(())
    }
}

/// A chat that wants to know everything, and somebody who wants to know of merges alone.
struct People {
    targets: Vec<Box<dyn Target>>,
    chat: Arc<Mutex<Vec<Event>>>,
    auditor: Arc<Mutex<Vec<Event>>>,
    chat_is_away: Arc<Mutex<bool>>,
}

impl People {
    fn new() -> Self {
        let (chat, auditor, chat_is_away) = (Arc::default(), Arc::default(), Arc::default());
        let listener = |id: &str, wants: &[Kind], heard: &Arc<Mutex<Vec<Event>>>, away: Arc<Mutex<bool>>| {
            let wants = wants.iter().copied().collect();
            Box::new(Listener { id: id.to_owned(), wants, heard: Arc::clone(heard), away }) as Box<dyn Target>
        };
        let targets = vec![
            listener("chat", &Kind::ALL, &chat, Arc::clone(&chat_is_away)),
            listener("auditor", &[Kind::Merged], &auditor, Arc::default()),
        ];
        Self { targets, chat, auditor, chat_is_away }
    }

    /// What is to be told is told; how many could not be told.
    fn tell(&self, world: &mut World) -> usize {
        let writer = world.writer("notify");
        let outside = Outside { objects: &world.store, targets: &self.targets, writer: &writer };
        pollster::block_on(async {
            let failed = notify::of_repository(outside, &world.repository, world.now).await.unwrap();
            failed.len() + notify::of_the_rest(outside, world.now).await.unwrap().len()
        })
    }

    /// What the chat has heard since this was last asked.
    fn chat(&self) -> Vec<Kind> {
        std::mem::take(&mut *self.chat.lock().unwrap()).iter().map(|event| event.kind).collect()
    }
}

fn proposed() -> World {
    let mut world = home_lab();
    world.propose();
    world.deliver("stories/2-frontend");
    world.serve();
    world
}

#[test]
fn each_hears_once_what_it_wants_to_know() {
    let (mut world, people) = (proposed(), People::new());
    assert_eq!(people.tell(&mut world), 0);
    let opened = people.chat.lock().unwrap()[0].clone();
    insta::assert_snapshot!(message(&opened).replace(&opened.id, "ID"), @r#"{"at":"2026-03-01T12:01:00Z","by":null,"id":"ID","proposal":"flux-system.flux-system","subject":"git.example/acme/fleet@main","text":"Update frontend to main-abc1234-1707300000","type":"opened","url":"https://forge.test/acme/fleet/pull/1","values":[{"delivery":"019ca945f460-ee58a385d22a","digest":"sha256:0532b007d3ea69bbe368d27574f7a52870c08830c4a108bbe3b7629d459bd7e7","image":"192.168.0.40:5000/frontend","policy":"flux-system/frontend","received_at":"2026-03-01T12:01:00Z","tag":"main-abc1234-1707300000"}]}"#);
    assert_eq!(people.chat(), [Kind::Opened]);
    world.propose();
    people.tell(&mut world);
    assert_eq!(people.chat(), [], "nothing has happened since");

    world.merge(1);
    world.propose();
    people.tell(&mut world);
    assert_eq!(people.chat(), [Kind::Merged]);
    assert_eq!(people.auditor.lock().unwrap().iter().map(|event| event.kind).collect::<Vec<_>>(), [Kind::Merged]);
    let merged = people.auditor.lock().unwrap()[0].clone();
    assert_eq!(merged.values[0].delivery, opened.values[0].delivery, "the same delivery");
    assert_eq!((merged.by.as_deref(), opened.by), (Some("alice"), None), "by whom");
}

#[test]
fn who_was_away_is_told_later_and_the_others_are_not_told_again() {
    let (mut world, people) = (proposed(), People::new());
    *people.chat_is_away.lock().unwrap() = true;
    world.merge(1);
    world.propose();
    assert_eq!(people.tell(&mut world), 1, "one attempt, whatever there is to tell");
    assert_eq!(people.tell(&mut world), 1);
    assert_eq!(people.auditor.lock().unwrap().len(), 1);
    *people.chat_is_away.lock().unwrap() = false;
    people.tell(&mut world);
    assert_eq!(people.chat(), [Kind::Opened, Kind::Merged]);
    assert_eq!(people.auditor.lock().unwrap().len(), 1);
}

#[test]
fn who_was_away_for_long_is_not_flooded() {
    let (mut world, people) = (proposed(), People::new());
    world.wait(3_700);
    people.tell(&mut world);
    assert_eq!(people.chat(), []);
}

#[test]
fn whoever_dies_after_telling_tells_the_same_once_more() {
    let (mut world, people) = (proposed(), People::new());
    let key = Key::pass(&world.repository);
    let before = world.store.look(&key).unwrap();
    people.tell(&mut world);
    let first = people.chat.lock().unwrap()[0].id.clone();
    pollster::block_on(world.store.put(&key, before, Expected::Anything)).unwrap();
    world.wait(120);
    people.tell(&mut world);
    let heard = people.chat.lock().unwrap();
    assert_eq!((heard.len(), &heard[1].id), (2, &first), "with the same id, so that it can be dropped");
}

#[test]
fn refusals_and_broken_listings_are_told_once_while_they_last() {
    let (mut world, people) = (proposed(), People::new());
    people.tell(&mut world);
    people.chat();
    for _ in 0..30 {
        world.request("POST", "/hooks/harbor", HeaderMap::new(), b"{}".to_vec());
        world.wait(60);
        people.tell(&mut world);
    }
    assert_eq!(people.chat(), [Kind::Refused]);
    world.wait(3_600);
    world.request("POST", "/hooks/harbor", HeaderMap::new(), b"{}".to_vec());
    people.tell(&mut world);
    assert_eq!(people.chat(), [Kind::Refused], "it goes on");

    world.registry.refuse("192.168.0.40:5000");
    for _ in 0..3 {
        world.wait(3_600);
        world.sweep();
        people.tell(&mut world);
    }
    assert_eq!(people.chat(), [Kind::ListingIncomplete, Kind::ListingIncomplete], "two images, once each");
}
