use std::env;
use std::fs;
use std::process::{Command, Stdio};

use tag2pr::testing::conformance;

use super::*;

fn key(text: &str) -> Key {
    Key::listed(text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_an_object_store() {
    let home = tempfile::tempdir().unwrap();
    conformance::objects(&Directory::at(home.path().join("a/b"))).await;
}

#[tokio::test]
async fn objects_are_plain_files_for_their_owner_only() {
    let home = tempfile::tempdir().unwrap();
    let store = Directory::at(home.path());
    store.put(&key("images/ghcr.io/acme%2Fweb/ledger.json"), b"{}".to_vec(), Expected::Absent).await.unwrap();
    let file = home.path().join("images/ghcr.io/acme%2Fweb/ledger.json");
    assert_eq!(fs::read(&file).unwrap(), b"{}");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777, 0o600);
}

#[tokio::test]
async fn no_key_leads_out_of_the_root() {
    let home = tempfile::tempdir().unwrap();
    let store = Directory::at(home.path().join("root"));
    for name in ["../x", "a/../../x", "/x", "a//b", "", ".", "a/", ".tag2pr/lock", "a\\b", "C:x"] {
        let key = key(name);
        for refused in [
            store.put(&key, vec![], Expected::Anything).await.map(|_| ()),
            store.get(&key).await.map(|_| ()),
            store.delete(&key).await,
        ] {
            assert!(matches!(refused, Err(StoreError::Refused(_))), "{name:?}: {refused:?}");
        }
    }
    for prefix in ["../", "a/../../", "//", ".tag2pr/"] {
        assert!(matches!(store.list(&key(prefix)).await, Err(StoreError::Refused(_))), "{prefix:?}");
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_a_killed_writer_left_behind_is_no_object() {
    let home = tempfile::tempdir().unwrap();
    let store = Directory::at(home.path());
    store.put(&key("a.json"), b"1".to_vec(), Expected::Absent).await.unwrap();
    fs::write(home.path().join(".tag2pr/next-0"), "half of a much longer obj").unwrap();
    assert_eq!(store.list(&key("")).await.unwrap(), [key("a.json")]);
    store.put(&key("b.json"), b"2".to_vec(), Expected::Absent).await.unwrap();
    assert_eq!(store.get(&key("b.json")).await.unwrap().unwrap().bytes, b"2");
}

#[tokio::test]
async fn a_root_that_is_a_file_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("state"), "").unwrap();
    let store = Directory::at(home.path().join("state"));
    let error = store.put(&key("a.json"), vec![], Expected::Absent).await.unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(home.path().to_str().unwrap(), ""), @"the store refused: /state/.tag2pr/lock: File exists (os error 17); move away what is in the way");
}

const CHILD: &str = "TAG2PR_STATE_COUNTS_IN";

/// The test starts itself four times more; each of these processes counts in the same directory.
#[tokio::test(flavor = "multi_thread")]
async fn processes_lose_none_of_each_others_writes() {
    if let Some(root) = env::var_os(CHILD) {
        return count(&Directory::at(root)).await;
    }
    let home = tempfile::tempdir().unwrap();
    let this_test = ["--exact", "directory::tests::processes_lose_none_of_each_others_writes"];
    let mut this_program = Command::new(env::current_exe().unwrap());
    this_program.args(this_test).env(CHILD, home.path()).stdout(Stdio::null());
    let children: Vec<_> = (0..4).map(|_| this_program.spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(fs::read_to_string(home.path().join("counter.json")).unwrap(), "100");
}

async fn count(store: &Directory) {
    let counter = key("counter.json");
    for _ in 0..25 {
        for attempt in 0.. {
            let before = store.get(&counter).await.unwrap();
            let number = before.as_ref().map_or(0, |object| String::from_utf8_lossy(&object.bytes).parse().unwrap());
            let expected = before.as_ref().map_or(Expected::Absent, |object| Expected::Unchanged(&object.version));
            match store.put(&counter, (number + 1).to_string().into_bytes(), expected).await {
                Ok(_) => break,
                Err(StoreError::Conflict(_)) => store.pause(attempt).await,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_hundreds_who_make_the_same_objects_at_once_one_makes_each() {
    let home = tempfile::tempdir().unwrap();
    let store = Directory::at(home.path());
    let writers: Vec<_> = (0..600)
        .map(|number| {
            let store = store.clone();
            let name = format!("images/{}/{}.json", number % 20, number % 300);
            tokio::spawn(async move {
                let put = store.put(&key(&name), number.to_string().into_bytes(), Expected::Absent).await;
                put.map(|_| (name, number.to_string()))
            })
        })
        .collect();
    let (mut made, mut conflicts) = (Vec::new(), 0);
    for writer in writers {
        match writer.await.unwrap() {
            Ok(one) => made.push(one),
            Err(StoreError::Conflict(_)) => conflicts += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((made.len(), conflicts), (300, 300));
    for (name, bytes) in made {
        assert_eq!(fs::read_to_string(home.path().join(name)).unwrap(), bytes);
    }
}
