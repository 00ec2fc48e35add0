//! The suite of [`Objects`].

use futures_util::future::join_all;
use futures_util::stream::{StreamExt, iter};

use crate::keys::Key;
use crate::seams::{Expected, Object, Objects, StoreError, Version};

/// How many requests a test has under way at once.
const PARALLEL: usize = 16;

/// Everything that an object store must do. Wants an empty store, and leaves objects behind.
///
/// # Panics
///
/// When the store does something else.
pub async fn objects(store: &dyn Objects) {
    reading_and_writing(store).await;
    comparing(store).await;
    deleting(store).await;
    contents_of_all_sizes(store).await;
    listing(store).await;
    racing_creates_have_one_winner(store).await;
    racing_updates_lose_nothing(store).await;
}

fn key(text: impl Into<String>) -> Key {
    Key::listed(text.into())
}

async fn read(store: &dyn Objects, key: &Key) -> Option<Object> {
    store.get(key).await.unwrap_or_else(|error| panic!("get {key}: {error}"))
}

async fn put(store: &dyn Objects, key: &Key, text: &str, expected: Expected<'_>) -> Version {
    let put = store.put(key, text.as_bytes().to_vec(), expected).await;
    put.unwrap_or_else(|error| panic!("put {key} expecting {expected:?}: {error}"))
}

async fn conflicts(store: &dyn Objects, key: &Key, expected: Expected<'_>) {
    let put = store.put(key, b"too late".to_vec(), expected).await;
    match put {
        Err(StoreError::Conflict(of)) => assert_eq!(of, *key, "the conflict names the key"),
        other => panic!("put {key} expecting {expected:?} must be a conflict, was {other:?}"),
    }
}

async fn reading_and_writing(store: &dyn Objects) {
    let absent = key("basics/absent.json");
    assert_eq!(read(store, &absent).await, None);

    let one = key("basics/one.json");
    let written = put(store, &one, "first", Expected::Absent).await;
    assert_eq!(read(store, &one).await, Some(Object { bytes: b"first".to_vec(), version: written }));

    let anything = key("basics/anything.json");
    put(store, &anything, "first", Expected::Anything).await;
    let second = put(store, &anything, "second", Expected::Anything).await;
    assert_eq!(read(store, &anything).await, Some(Object { bytes: b"second".to_vec(), version: second }));
    assert_eq!(read(store, &absent).await, None, "writing one object makes no other");
}

async fn comparing(store: &dyn Objects) {
    let one = key("compare/one.json");
    let first = put(store, &one, "first", Expected::Absent).await;
    conflicts(store, &one, Expected::Absent).await;
    let second = put(store, &one, "second", Expected::Unchanged(&first)).await;
    assert_ne!(first, second);
    conflicts(store, &one, Expected::Unchanged(&first)).await;
    conflicts(store, &key("compare/absent.json"), Expected::Unchanged(&first)).await;
    assert_eq!(read(store, &key("compare/absent.json")).await, None, "a refused write leaves nothing behind");
    assert_eq!(read(store, &one).await.map(|object| object.bytes), Some(b"second".to_vec()));
    let third = put(store, &one, "third", Expected::Unchanged(&second)).await;
    assert_eq!(read(store, &one).await, Some(Object { bytes: b"third".to_vec(), version: third }));
}

async fn deleting(store: &dyn Objects) {
    let one = key("delete/one.json");
    let version = put(store, &one, "first", Expected::Absent).await;
    for time in ["once", "twice", "three times"] {
        store.delete(&one).await.unwrap_or_else(|error| panic!("delete {one} {time}: {error}"));
        assert_eq!(read(store, &one).await, None);
    }
    conflicts(store, &one, Expected::Unchanged(&version)).await;
    put(store, &one, "again", Expected::Absent).await;
    store.delete(&key("delete/never/was.json")).await.expect("deleting what never was is no error");
}

async fn contents_of_all_sizes(store: &dyn Objects) {
    let large: Vec<u8> = (0..1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
    for (name, bytes) in [("empty", Vec::new()), ("every-byte", (0..=255).collect()), ("mebibyte", large)] {
        let key = key(format!("sizes/{name}.json"));
        let created = store.put(&key, bytes.clone(), Expected::Absent).await;
        let version = created.unwrap_or_else(|error| panic!("put {key}: {error}"));
        let object = read(store, &key).await.unwrap_or_else(|| panic!("{key} must be there"));
        assert!(object.bytes == bytes, "{key} must be read as it was written");
        assert_eq!(object.version, version, "{key}: the version of a write is the one that is read");
    }
}

async fn listing(store: &dyn Objects) {
    assert_eq!(store.list(&key("list/")).await.expect("listing nothing is no error"), []);

    // As the keys of images and branches look: escapes, one name the beginning of another, and bytes around `/`.
    let mut names: Vec<String> = [
        "list/192.168.0.40%3A5000/team%2Fweb/ledger.json",
        "list/192.168.0.40%3A5000/team%2Fweb/pushes/01J.json",
        "list/192.168.0.40%3A5000/team%2Fweb-api/ledger.json",
        "list/192.168.0.40%3A5000/team%2Fweb.old/ledger.json",
        "list/%2E%2E/%00/feature%2Fa%20b~0123456789ab.json",
    ]
    .map(str::to_owned)
    .to_vec();
    for name in &names {
        put(store, &key(name), name, Expected::Absent).await;
        assert_eq!(read(store, &key(name)).await.map(|object| object.bytes), Some(name.clone().into_bytes()));
    }
    names.sort();
    assert_eq!(listed(store, "list/").await, names);
    assert_eq!(listed(store, "list/192.168.0.40%3A5000/team%2Fweb/").await.len(), 2);
    assert_eq!(listed(store, "list/192.168.0.40%3A5000/team%2Fweb").await.len(), 4, "a prefix need not end a segment");
    assert_eq!(listed(store, "list/absent/").await, Vec::<String>::new());

    // More than any store returns at once.
    let many: Vec<String> = (0..1_100).map(|n| format!("many/{}/{n}.json", n % 3)).collect();
    iter(&many)
        .for_each_concurrent(PARALLEL, async |name| drop(put(store, &key(name), "x", Expected::Anything).await))
        .await;
    let mut sorted = many.clone();
    sorted.sort();
    assert_eq!(listed(store, "many/").await, sorted, "a listing is complete and in byte order");
    assert_eq!(listed(store, "many/1/").await.len(), 367);
}

async fn listed(store: &dyn Objects, prefix: &str) -> Vec<String> {
    let keys = store.list(&key(prefix)).await.unwrap_or_else(|error| panic!("list {prefix}: {error}"));
    keys.iter().map(|key| key.as_str().to_owned()).collect()
}

async fn racing_creates_have_one_winner(store: &dyn Objects) {
    for round in 0..10 {
        let key = key(format!("race/create-{round}.json"));
        let created = join_all((0..8).map(async |writer| {
            let mut attempt = 0;
            loop {
                match store.put(&key, format!("writer {writer}").into_bytes(), Expected::Absent).await {
                    Ok(version) => return Some((writer, version)),
                    Err(StoreError::Conflict(_)) if read(store, &key).await.is_some() => return None,
                    Err(StoreError::Conflict(_)) => store.pause(attempt).await,
                    Err(error) => panic!("put {key}: {error}"),
                }
                attempt += 1;
            }
        }))
        .await;
        let winners: Vec<_> = created.into_iter().flatten().collect();
        let [(writer, version)] = winners.as_slice() else { panic!("{key} was created by {winners:?}") };
        let object = Object { bytes: format!("writer {writer}").into_bytes(), version: version.clone() };
        assert_eq!(read(store, &key).await, Some(object), "the object is the winner's");
    }
}

async fn racing_updates_lose_nothing(store: &dyn Objects) {
    const WRITERS: u32 = 8;
    const STEPS: u32 = 20;
    let counter = key("race/counter.json");
    join_all((0..WRITERS).map(async |_| {
        for _ in 0..STEPS {
            increment(store, &counter).await;
        }
    }))
    .await;
    let object = read(store, &counter).await.expect("the counter must be there");
    assert_eq!(String::from_utf8_lossy(&object.bytes), (WRITERS * STEPS).to_string());
}

async fn increment(store: &dyn Objects, counter: &Key) {
    for attempt in 0..10_000 {
        let before = read(store, counter).await;
        let text = before.as_ref().map_or("0".into(), |object| String::from_utf8_lossy(&object.bytes));
        let next = text.parse::<u32>().expect("a reader never sees half a write") + 1;
        let expected = before.as_ref().map_or(Expected::Absent, |object| Expected::Unchanged(&object.version));
        match store.put(counter, next.to_string().into_bytes(), expected).await {
            Ok(_) => return,
            Err(StoreError::Conflict(_)) => store.pause(attempt).await,
            Err(error) => panic!("put {counter}: {error}"),
        }
    }
    panic!("a writer of {counter} never got its turn");
}
