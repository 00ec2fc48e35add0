use std::collections::BTreeSet;

use futures_util::future::join_all;
use pollster::block_on;

use super::*;
use crate::testing::memory::{Fault, Memory};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Names(BTreeSet<String>);

impl Stored for Names {
    const FORMAT: u32 = 2;
}

fn key() -> Key {
    Key::listed("names.json".to_owned())
}

fn adding(name: &str) -> impl FnMut(Option<Names>) -> Option<Names> {
    move |names| {
        let mut names = names.unwrap_or_default();
        names.0.insert(name.to_owned()).then_some(names)
    }
}

async fn add(store: &Memory, name: &str) -> Result<Updated<Names>, StoreError> {
    update(store, &key(), &format!("test/{name}"), adding(name)).await
}

fn stored(store: &Memory) -> String {
    store.look(&key()).map_or("nothing".to_owned(), |bytes| String::from_utf8(bytes).unwrap())
}

fn written(updated: Result<Updated<Names>, StoreError>) -> u64 {
    match updated {
        Ok(Updated::Written(loaded)) => loaded.generation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_is_stored_with_format_generation_and_writer() {
    let store = Memory::new();
    block_on(async {
        assert_eq!(load::<Names>(&store, &key()).await.unwrap(), None);
        assert_eq!(written(add(&store, "a").await), 1);
        insta::assert_snapshot!(stored(&store), @r#"{"format":2,"generation":1,"writer":"test/a","value":["a"]}"#);
        assert_eq!(written(add(&store, "b").await), 2);
        insta::assert_snapshot!(stored(&store), @r#"{"format":2,"generation":2,"writer":"test/b","value":["a","b"]}"#);
        let loaded = load::<Names>(&store, &key()).await.unwrap().unwrap();
        assert_eq!((loaded.generation, loaded.writer.as_str(), loaded.value.0.len()), (2, "test/b", 2));
    });
}

#[test]
fn nothing_to_change_is_nothing_written() {
    let store = Memory::new();
    block_on(async {
        add(&store, "a").await.unwrap();
        store.operations();
        assert_eq!(add(&store, "a").await.unwrap(), Updated::Unchanged);
        assert_eq!(store.operations(), ["get names.json"]);
    });
}

#[test]
fn a_writer_who_was_overtaken_decides_again_on_what_is_there_now() {
    let store = Memory::new();
    block_on(async {
        add(&store, "a").await.unwrap();
        let others = r#"{"format":2,"generation":2,"writer":"other","value":["a","other"]}"#;
        store.fail_next(Fault::Overtaken(others.into()));
        assert_eq!(written(add(&store, "b").await), 3);
        insta::assert_snapshot!(stored(&store), @r#"{"format":2,"generation":3,"writer":"test/b","value":["a","b","other"]}"#);
    });
}

#[test]
fn somebody_else_who_already_did_it_leaves_nothing_to_write() {
    let store = Memory::new();
    block_on(async {
        let others = r#"{"format":2,"generation":1,"writer":"other","value":["a"]}"#;
        store.fail_next(Fault::Overtaken(others.into()));
        assert_eq!(add(&store, "a").await.unwrap(), Updated::Unchanged);
        assert_eq!(stored(&store), others);
    });
}

#[test]
fn what_is_at_hand_is_not_read_again_unless_somebody_else_wrote() {
    let store = Memory::new();
    block_on(async {
        let from = async |at_hand, name| update_from(&store, &key(), "w", at_hand, adding(name)).await.unwrap();
        let Updated::Written(first) = from(AtHand::Absence, "a").await else { panic!("it was written") };
        from(AtHand::Value(first.clone()), "b").await;
        assert_eq!(store.operations(), ["put names.json", "put names.json"]);
        // By now it is another.
        from(AtHand::Value(first), "c").await;
        assert_eq!(store.operations(), ["put names.json", "get names.json", "put names.json"]);
    });
    insta::assert_snapshot!(stored(&store), @r#"{"format":2,"generation":3,"writer":"w","value":["a","b","c"]}"#);
}

#[test]
fn nothing_to_change_in_what_is_at_hand_is_decided_on_what_is_there_now() {
    let store = Memory::new();
    block_on(async {
        add(&store, "a").await.unwrap();
        let old = load::<Names>(&store, &key()).await.unwrap().unwrap();
        update(&store, &key(), "other", |_| Some(Names::default())).await.unwrap();
        let updated = update_from(&store, &key(), "w", AtHand::Value(old), adding("a")).await;
        assert_eq!(written(updated), 3);
    });
}

#[test]
fn many_writers_at_once_lose_nothing() {
    let store = Memory::new();
    block_on(async {
        join_all((0..6).map(|n| {
            let store = &store;
            async move { written(add(store, &format!("n{n}")).await) }
        }))
        .await;
    });
    insta::assert_snapshot!(stored(&store), @r#"{"format":2,"generation":6,"writer":"test/n5","value":["n0","n1","n2","n3","n4","n5"]}"#);
}

#[test]
fn a_write_whose_answer_was_lost_is_recognised_as_our_own() {
    let store = Memory::new();
    let mut runs = 0;
    block_on(async {
        for name in ["a", "b"] {
            store.fail_next(Fault::AnswerLost);
            let counted = |names| {
                runs += 1;
                adding(name)(names)
            };
            written(update(&store, &key(), "w", counted).await);
        }
    });
    assert_eq!(runs, 2, "each was decided once");
    insta::assert_snapshot!(stored(&store), @r#"{"format":2,"generation":2,"writer":"w","value":["a","b"]}"#);
    assert_eq!(store.operations().iter().filter(|operation| operation.starts_with("put")).count(), 2);
}

#[test]
fn the_same_bytes_from_another_writer_are_not_our_own() {
    let store = Memory::new();
    block_on(async {
        store.fail_next(Fault::Conflict);
        store.fail_next(Fault::Overtaken(br#"{"format":2,"generation":1,"writer":"other","value":["a"]}"#.to_vec()));
        assert_eq!(add(&store, "a").await.unwrap(), Updated::Unchanged);
    });
    assert!(stored(&store).contains(r#""writer":"other""#));
}

#[test]
fn a_store_that_is_busy_for_a_while_is_asked_again() {
    let store = Memory::new();
    block_on(async {
        store.fail_next(Fault::Conflict);
        store.fail_next(Fault::AnswerLost);
        assert_eq!(written(add(&store, "a").await), 1);
    });
}

#[test]
fn a_writer_who_always_loses_gives_up_with_a_conflict() {
    let store = Memory::new();
    (0..100).for_each(|_| store.fail_next(Fault::Conflict));
    let error = block_on(add(&store, "a")).unwrap_err();
    insta::assert_snapshot!(error, @"`names.json` was changed by somebody else meanwhile");
    assert_eq!(stored(&store), "nothing");
}

#[test]
fn a_store_that_refuses_is_not_asked_again() {
    let store = Memory::new();
    store.fail_next(Fault::Refused);
    insta::assert_snapshot!(block_on(add(&store, "a")).unwrap_err(), @"the store refused: 403 Access Denied");
    assert_eq!(store.operations(), ["get names.json"]);
}

#[test]
fn what_a_newer_program_wrote_or_nobody_can_read_is_refused_and_stays() {
    let refused = |contents: &str| {
        let store = Memory::new();
        block_on(async {
            store.put(&key(), contents.into(), Expected::Absent).await.unwrap();
            let error = load::<Names>(&store, &key()).await.unwrap_err();
            assert_eq!(add(&store, "a").await.unwrap_err().to_string(), error.to_string());
            assert_eq!(stored(&store), contents);
            assert!(matches!(error, StoreError::Refused(_)));
            error.to_string()
        })
    };
    insta::assert_snapshot!(refused(r#"{"format":3,"value":{"shape":"unknown"}}"#), @"the store refused: `names.json` has format 3, and this tag2pr knows formats up to 2: run the newer tag2pr that wrote it");
    insta::assert_snapshot!(refused(r#"{"format":2,"generation":1,"wri"#), @"the store refused: `names.json` can't be read: EOF while parsing a string at line 1 column 31; restore it, or remove it so that it is made again");
    insta::assert_snapshot!(refused(""), @"the store refused: `names.json` can't be read: EOF while parsing a value at line 1 column 0; restore it, or remove it so that it is made again");
    insta::assert_snapshot!(refused(r#"{"format":2,"generation":1,"writer":"w","value":7}"#), @"the store refused: `names.json` can't be read: invalid type: integer `7`, expected a sequence at line 1 column 49; restore it, or remove it so that it is made again");
}

#[test]
fn an_older_format_is_read_and_written_in_the_new_one() {
    let store = Memory::new();
    let old = r#"{"format":1,"generation":4,"writer":"old","value":["a"]}"#;
    block_on(async {
        store.put(&key(), old.into(), Expected::Absent).await.unwrap();
        assert_eq!(written(add(&store, "b").await), 5);
    });
    insta::assert_snapshot!(stored(&store), @r#"{"format":2,"generation":5,"writer":"test/b","value":["a","b"]}"#);
}

#[test]
fn what_is_written_once_is_written_once() {
    let store = Memory::new();
    let names = |name: &str| Names([name.to_owned()].into());
    block_on(async {
        assert!(create(&store, &key(), "w1", &names("a")).await.unwrap());
        assert!(!create(&store, &key(), "w2", &names("b")).await.unwrap());
        assert!(stored(&store).contains(r#"["a"]"#));

        store.delete(&key()).await.unwrap();
        store.fail_next(Fault::AnswerLost);
        assert!(
            create(&store, &key(), "w3", &names("c")).await.unwrap(),
            "its own write, although the answer was lost"
        );
        assert!(stored(&store).contains(r#"["c"]"#));

        store.fail_next(Fault::Unavailable);
        assert!(!create(&store, &key(), "w4", &names("d")).await.unwrap());
        assert!(stored(&store).contains(r#"["c"]"#));
    });
}

#[test]
fn a_value_that_goes_from_a_to_b_and_back_is_not_taken_for_unchanged() {
    let store = Memory::new();
    let set = |value: &str| {
        let value = value.to_owned();
        block_on(update(&store, &key(), "w", move |_| Some(Names([value.clone()].into())))).unwrap()
    };
    set("a");
    let read = block_on(store.get(&key())).unwrap().unwrap();
    set("b");
    set("a");
    let late = block_on(store.put(&key(), b"late".to_vec(), Expected::Unchanged(&read.version)));
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
}
