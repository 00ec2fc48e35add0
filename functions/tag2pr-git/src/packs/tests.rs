use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use git2::{Oid, Repository, Signature};

use super::{keep, read};

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A repository with files that differ little, and their ids.
fn alike(folder: &Path, count: usize) -> HashSet<Oid> {
    let repository = Repository::init_bare(folder).unwrap();
    let lines: String = (0..200).map(|line| format!("{line}: {}\n", line * 7919)).collect();
    let mut tree = repository.treebuilder(None).unwrap();
    let mut ids = HashSet::new();
    for number in 0..count {
        // Longer and longer, so that Git makes deltas with both kinds of instructions.
        let bytes = format!("{lines}file: {number}\n{}", &lines[..number * 7 % lines.len()]);
        let id = repository.blob(bytes.as_bytes()).unwrap();
        tree.insert(format!("{number}.yaml"), id, 0o100644).unwrap();
        ids.insert(id);
    }
    let empty = repository.blob(b"").unwrap();
    tree.insert("empty.yaml", empty, 0o100644).unwrap();
    ids.insert(empty);
    let tree = repository.find_tree(tree.write().unwrap()).unwrap();
    let somebody = Signature::new("a", "a@example.org", &git2::Time::new(0, 0)).unwrap();
    repository.commit(Some("HEAD"), &somebody, &somebody, "Files", &tree, &[]).unwrap();
    ids
}

/// What is read, with how often; and what is left.
fn all(folder: &Path, wanted: &HashSet<Oid>) -> (HashMap<Oid, Vec<Vec<u8>>>, HashSet<Oid>) {
    let taken = Mutex::new(HashMap::<Oid, Vec<Vec<u8>>>::new());
    let left = read(folder, wanted.clone(), 3, &|id, bytes| {
        taken.lock().unwrap().entry(id).or_default().push(bytes.to_vec());
    });
    (taken.into_inner().unwrap(), left)
}

/// Every blob has come once, and with the bytes that libgit2 reads.
fn assert_right(folder: &Path, taken: &HashMap<Oid, Vec<Vec<u8>>>) {
    let odb = Repository::open(folder).unwrap();
    let odb = odb.odb().unwrap();
    for (id, bytes) in taken {
        assert_eq!(bytes.len(), 1, "{id}");
        assert_eq!(bytes[0], odb.read(*id).unwrap().data(), "{id}");
    }
}

fn packs(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder.join("objects/pack")).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "pack")).collect()
}

#[test]
fn blobs_are_read_along_chains_of_deltas_by_distance_and_by_name() {
    for by_distance in ["true", "false"] {
        let folder = tempfile::tempdir().unwrap();
        let ids = alike(folder.path(), 300);
        git(folder.path(), &["config", "repack.useDeltaBaseOffset", by_distance]);
        git(folder.path(), &["repack", "--quiet", "-a", "-d", "-f", "--depth=40"]);

        let (taken, left) = all(folder.path(), &ids);
        assert_eq!(left, HashSet::new());
        assert_eq!(taken.len(), ids.len());
        assert_right(folder.path(), &taken);
        let told = git(folder.path(), &["verify-pack", "-v", &packs(folder.path())[0].display().to_string()]);
        // name, type, size, size in the pack, offset, and of a delta its depth and its base
        let deltas = told.lines().filter(|line| line.split_whitespace().count() == 7).count();
        assert!(deltas > 200, "{told}");
    }
}

#[test]
fn only_what_is_wanted_comes_also_if_it_is_a_delta_of_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let ids = alike(folder.path(), 300);
    git(folder.path(), &["repack", "--quiet", "-a", "-d", "-f", "--depth=40"]);
    let some: HashSet<Oid> = ids.into_iter().step_by(7).collect();

    let (taken, left) = all(folder.path(), &some);
    assert_eq!(left, HashSet::new());
    assert_eq!(taken.keys().copied().collect::<HashSet<_>>(), some);
    assert_right(folder.path(), &taken);
}

#[test]
fn what_lies_in_several_packs_is_found_and_what_lies_in_none_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut ids = alike(folder.path(), 40);
    let (taken, left) = all(folder.path(), &ids);
    assert_eq!((taken.len(), left), (0, ids.clone()));

    git(folder.path(), &["repack", "--quiet", "-d"]);
    let more = Repository::open(folder.path()).unwrap();
    let (second, loose) = (more.blob(b"a second pack\n").unwrap(), more.blob(b"no pack\n").unwrap());
    let mut pack = Command::new("git");
    pack.arg("-C").arg(folder.path()).args(["pack-objects", "--quiet", "objects/pack/pack"]);
    let mut packing = pack.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut packing.stdin.take().unwrap(), second.to_string().as_bytes()).unwrap();
    assert!(packing.wait().unwrap().success());
    assert_eq!(packs(folder.path()).len(), 2);

    ids.extend([second, loose]);
    let (taken, left) = all(folder.path(), &ids);
    assert_eq!(left, HashSet::from([loose]));
    assert_right(folder.path(), &taken);
}

#[test]
fn a_large_blob_and_what_is_a_delta_of_it_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::init_bare(folder.path()).unwrap();
    let line = |number: u32| format!("{number}: {}\n", number.wrapping_mul(2_654_435_761));
    let large: String = (0..300_000).map(line).collect();
    let ids: HashSet<Oid> =
        ["", "one", "two"].map(|end| repository.blob(format!("{large}{end}").as_bytes()).unwrap()).into();
    let small = repository.blob(b"small\n").unwrap();
    let mut tree = repository.treebuilder(None).unwrap();
    for id in ids.iter().chain([&small]) {
        tree.insert(id.to_string(), *id, 0o100644).unwrap();
    }
    let tree = repository.find_tree(tree.write().unwrap()).unwrap();
    let somebody = Signature::new("a", "a@example.org", &git2::Time::new(0, 0)).unwrap();
    repository.commit(Some("HEAD"), &somebody, &somebody, "Files", &tree, &[]).unwrap();
    git(folder.path(), &["repack", "--quiet", "-a", "-d"]);

    let (taken, left) = all(folder.path(), &ids.iter().copied().chain([small]).collect());
    assert_eq!(left, ids);
    assert_eq!(taken, HashMap::from([(small, vec![b"small\n".to_vec()])]));
}

#[test]
fn of_a_broken_pack_only_what_is_whole_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let ids = alike(folder.path(), 200);
    git(folder.path(), &["repack", "--quiet", "-a", "-d", "-f", "--depth=10"]);
    let (whole, _) = all(folder.path(), &ids);
    let path = packs(folder.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();

    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let (taken, left) = all(folder.path(), &ids);
    assert_eq!(taken.len() + left.len(), ids.len());
    assert!(taken.iter().all(|(id, bytes)| whole[id] == *bytes));

    // A byte that is another one anywhere: zlib's checksum tells, or the sizes do, and nothing is read without end.
    for at in (12..bytes.len()).step_by(bytes.len() / 97) {
        let mut broken = bytes.clone();
        broken[at] ^= 0x41;
        fs::write(&path, &broken).unwrap();
        let (taken, left) = all(folder.path(), &ids);
        assert_eq!(taken.len() + left.len(), ids.len());
    }
    fs::write(path.with_extension("idx"), "no index").unwrap();
    assert_eq!(all(folder.path(), &ids).1, ids);
}

/// Keeps a pack in an empty folder, as it comes from a server.
fn kept(pack: &[u8]) -> (tempfile::TempDir, std::io::Result<()>) {
    let folder = tempfile::tempdir().unwrap();
    let result = keep(pack, folder.path(), 3);
    (folder, result)
}

fn only(folder: &Path, ending: &str) -> Vec<u8> {
    let paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let ends = |path: &&PathBuf| path.extension().is_some_and(|it| it == ending);
    assert_eq!(paths.iter().filter(ends).count(), 1, "{paths:?}");
    fs::read(paths.iter().find(ends).unwrap()).unwrap()
}

#[test]
fn a_pack_that_comes_in_gets_the_index_that_git_makes_of_it() {
    let large = |folder: &Path| {
        alike(folder, 100);
        let repository = Repository::open_bare(folder).unwrap();
        let line = |number: u32| format!("{number}: {}\n", number.wrapping_mul(2_654_435_761));
        let large: String = (0..300_000).map(line).collect();
        let mut tree = repository.treebuilder(None).unwrap();
        for end in ["", "one", "two"] {
            let id = repository.blob(format!("{large}{end}").as_bytes()).unwrap();
            tree.insert(format!("large{end}"), id, 0o100644).unwrap();
        }
        let tree = repository.find_tree(tree.write().unwrap()).unwrap();
        let somebody = Signature::new("a", "a@example.org", &git2::Time::new(0, 0)).unwrap();
        repository.commit(Some("refs/heads/large"), &somebody, &somebody, "Large", &tree, &[]).unwrap();
    };
    let empty = |folder: &Path| {
        Repository::init_bare(folder).unwrap();
    };
    type Write<'a> = &'a dyn Fn(&Path);
    let worlds: [(&str, &str, Write<'_>); 4] = [
        ("deltas by distance", "true", &|folder| drop(alike(folder, 300))),
        ("deltas by name", "false", &|folder| drop(alike(folder, 300))),
        ("deltas of what is large", "true", &large),
        ("nothing", "true", &empty),
    ];
    for (name, by_distance, write) in worlds {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        git(folder.path(), &["config", "repack.useDeltaBaseOffset", by_distance]);
        git(folder.path(), &["config", "pack.writeReverseIndex", "false"]);
        let offset = if by_distance == "true" { "--delta-base-offset" } else { "--no-reuse-delta" };
        git(folder.path(), &["pack-objects", "--quiet", "--all", "--depth=40", offset, "pack"]);
        let (pack, index) = (only(folder.path(), "pack"), only(folder.path(), "idx"));
        for entry in fs::read_dir(folder.path()).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("pack-") {
                fs::remove_file(entry.path()).unwrap();
            }
        }

        let (here, result) = kept(&pack);
        result.unwrap();
        assert_eq!(only(here.path(), "pack"), pack, "{name}");
        assert!(only(here.path(), "idx") == index, "{name}");
    }
}

#[test]
fn half_a_pack_and_one_with_another_byte_anywhere_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    alike(folder.path(), 40);
    git(folder.path(), &["repack", "--quiet", "-a", "-d", "-f", "--depth=10"]);
    let pack = fs::read(packs(folder.path()).remove(0)).unwrap();
    let refused = |pack: &[u8]| {
        let (here, result) = kept(pack);
        result.unwrap_err();
        let kept = fs::read_dir(here.path()).unwrap().flatten().any(|entry| entry.path().extension().unwrap() == "idx");
        assert!(!kept);
    };
    for length in (0..pack.len()).step_by(pack.len() / 53) {
        refused(&pack[..length]);
    }
    for at in (0..pack.len()).step_by(pack.len() / 211) {
        let mut broken = pack.clone();
        broken[at] ^= 0x41;
        refused(&broken);
    }
    let mut lying = pack;
    // It says that there are four thousand million entries.
    lying[8..12].fill(0xff);
    refused(&lying);
}
