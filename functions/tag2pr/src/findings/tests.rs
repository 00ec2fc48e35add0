//! What holds for all findings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::ledger::News;
use crate::seams::File;

const STORIES: [&str; 5] = ["1-dated-tags", "2-home-lab", "3-environments", "4-moving-tag", "5-devices"];

fn story(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/stories").join(name)
}

/// All files below a folder, by their paths from there.
fn files(folder: &Path) -> Vec<File> {
    let mut files = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                files.push(File { path: name, bytes: fs::read(&path).unwrap() });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn ledger<'t>(tags: impl IntoIterator<Item = &'t str>) -> Ledger {
    let mut ledger = Ledger::default();
    let tags = tags.into_iter().filter_map(|tag| tag.parse().ok()).collect();
    ledger.merge(&News::Listed { tags, at: Timestamp::UNIX_EPOCH });
    ledger
}

#[test]
fn codes_are_in_order_and_each_has_a_meaning_of_its_own() {
    let codes: Vec<String> = (1..=CATALOGUE.len()).map(|number| format!("T2P{number:03}")).collect();
    assert_eq!(CATALOGUE.map(|rule| rule.code).to_vec(), codes);
    let meanings: BTreeSet<&str> = CATALOGUE.iter().map(|rule| rule.meaning).collect();
    assert_eq!(meanings.len(), CATALOGUE.len());
    assert!(meanings.iter().all(|meaning| !meaning.is_empty() && !meaning.contains('\n') && !meaning.ends_with('.')));
}

#[test]
fn the_mended_stories_are_clean() {
    // What each image is pushed with, whichever policy looks at it.
    let tags = [
        &["20251111-0358-sha-4c091d3", "20251203-0536-sha-1972e38", "latest", "sha-1972e38"][..],
        &["main-f9e1f0b-1707200000", "main-abc1234-1707300000", "latest", "sha256-aaaa.sig"],
        &[
            "develop-v0.0.1-0f0e0d0-1738850000",
            "staging-v0.0.1-0f0e0d0-1738850000",
            "production-v0.0.1-0f0e0d0-1738850000",
            "production-v0.0.2-1f0e0d0-1738860000",
            "staging-v0.0.10-1f0e0d0-1738860000",
        ],
        &["main", "3f0e0d0c9b8a7f6e5d4c3b2a190807060504030201"],
        &["7.2-alpine", "7.4-alpine", "7.4", "latest", "6.2-alpine", "7.4.1-alpine"],
    ];
    for (name, tags) in STORIES.iter().zip(tags) {
        let manifests = read(files(&story(name).join("manifests")));
        assert!(!manifests.policies.is_empty(), "{name}");
        let ledger = ledger(tags.iter().copied());
        for known in [None, Some(&ledger)] {
            let findings = check(&manifests, &|_| known);
            let bad: Vec<&Finding> = findings.iter().filter(|finding| finding.severity != Severity::Note).collect();
            assert!(bad.is_empty(), "{name}: {bad:#?}");
        }
    }
}

#[test]
fn the_first_story_is_told_in_words_with_the_mend() {
    let mut all = files(&story("1-dated-tags").join("manifests"));
    let found = fs::read(story("1-dated-tags").join("as-found/image-policy.yaml")).unwrap();
    for file in all.iter_mut().filter(|file| file.path.ends_with("image-policy.yaml")) {
        file.bytes = found.clone();
    }
    let text = fs::read_to_string(story("1-dated-tags").join("tags.txt")).unwrap();
    let ledger = ledger(text.lines());
    let findings = check(&read(all.clone()), &|_| Some(&ledger));
    insta::assert_json_snapshot!(findings, @r#"
    [
      {
        "code": "T2P001",
        "severity": "warning",
        "policy": "field-theories/field-theories",
        "file": "apps/field-theories/image-policy.yaml",
        "line": 13,
        "column": 14,
        "message": "`20251111-0358-sha-4c091d3` is selected because it sorts first: `desc` selects the oldest of 6 tags, not the newest, `20251203-0536-sha-1972e38`",
        "help": "write `order: asc`, which selects the value that sorts last: `20251203-0536-sha-1972e38`",
        "patch": "--- a/apps/field-theories/image-policy.yaml\n+++ b/apps/field-theories/image-policy.yaml\n@@ -11,3 +11,3 @@\n   policy:\n     alphabetical:\n-      order: desc\n+      order: asc\n"
      }
    ]
    "#);

    // With the patch the story is over.
    let patch = findings[0].patch.as_ref().unwrap();
    for file in all.iter_mut().filter(|file| file.path == patch.file) {
        file.bytes = patch.mended.clone().into_bytes();
    }
    assert_eq!(check(&read(all), &|_| Some(&ledger)), []);
}

#[test]
fn of_policy_says_what_check_says_about_the_policy() {
    let trial = trial::policy("policy: { alphabetical: { order: desc } }").in_git("20251111-0358");
    let all = trial.all();
    assert_eq!(all.iter().map(|finding| finding.policy.as_deref()).collect::<Vec<_>>(), [Some("apps/web")]);
}

/// Pieces that objects, comments and tags are made of, whole and broken.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("apiVersion: image.toolkit.fluxcd.io/v1\n".to_owned()),
        Just("kind: ImagePolicy\n".to_owned()),
        Just("metadata: { name: web, namespace: apps }\nspec:\n  imageRepositoryRef: { name: web }\n".to_owned()),
        Just("---\n".to_owned()),
        Just("\u{feff}é: ü # {\"$imagepolicy\": \"apps:web\"} x\r\n".to_owned()),
        Just("image: a:b # {\"$imagePolicy\": \"apps:web\"}\n".to_owned()),
        Just("# {\"$imagepolicy\": \"apps:web\"}\nimage: a:20250101-1\n".to_owned()),
        Just("data: |\n  a: b # {\"$imagepolicy\": \"apps:web\"}\n".to_owned()),
        "[a-z{}:\\[\\] \n#|>\"'&*!é-]{0,12}",
    ]
}

fn spec() -> impl Strategy<Value = String> {
    let pattern = prop_oneof![
        Just(String::new()),
        Just("^main$".to_owned()),
        Just("^v?(?P<ts>[0-9]+)(-x)?$".to_owned()),
        Just(r"^(?P<ts>\d{8}-\d{4})".to_owned()),
        Just("[a-f0-9]{7}".to_owned()),
        "[-a-z0-9.()|\\[\\]+*?^$\\\\{}]{0,10}",
    ];
    let extract = prop_oneof![Just(String::new()), Just("$ts".to_owned()), Just("$1x".to_owned()), "[$a-z0-9{}é]{0,6}"];
    let order = prop_oneof![
        Just("alphabetical: { order: desc }"),
        Just("alphabetical: {}"),
        Just("numerical:\n      order: desc"),
        Just("numerical: {}"),
        Just("semver: { range: '>=1.0.0' }"),
        Just("semver:\n      range: 1.x\n    numerical: {}"),
        Just("alphabetical: 3"),
    ];
    let rest = prop_oneof![Just(""), Just("digestReflectionPolicy: IfNotPresent"), Just("suspend: true")];
    (pattern, extract, order, rest, any::<bool>()).prop_map(|(pattern, extract, order, rest, flow)| {
        let quoted = |text: String| format!("'{}'", text.replace('\'', "''"));
        let (pattern, extract) = (quoted(pattern), quoted(extract));
        let filter = match flow {
            true => format!("filterTags: {{ pattern: {pattern}, extract: {extract} }}"),
            false => format!("filterTags:\n  pattern: {pattern}\n  extract: {extract}"),
        };
        format!("{filter}\npolicy:\n    {order}\n{rest}")
    })
}

fn tag() -> impl Strategy<Value = String> {
    prop_oneof![
        "2025(0[1-9]|1[0-2])[0-2][1-8]-[01][0-9][0-5][0-9](-[a-f0-9]{7})?",
        "v?[0-9]{1,2}\\.[0-9]{1,2}(\\.[0-9]{1,3})?(-(rc\\.[1-9]|alpine))?",
        "main-[a-f0-9]{7}-17[0-9]{8}",
        "[0-9]{1,3}",
        "main|latest|sha256-[a-f0-9]{64}(\\.sig)?",
        "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,12}",
    ]
}

/// Every place is one in its file, and every patch is what its diff says, whoever applies it.
fn consistent(files: &[File], findings: &[Finding]) {
    for finding in findings {
        let Place { file, line, column } = &finding.place;
        let bytes = &files.iter().find(|one| one.path == *file).expect("the file is there").bytes;
        let text = String::from_utf8_lossy(bytes);
        let line = text.split('\n').nth(line - 1).expect("the line is there");
        assert!((1..=line.chars().count() + 1).contains(column), "{}", finding.place);
        assert!(!finding.message.is_empty() && !finding.help.is_empty(), "{finding:?}");
        assert!(!finding.message.contains('\n') && !finding.message.ends_with('.'), "{}", finding.message);
        if let Some(patch) = &finding.patch {
            let before = files.iter().find(|one| one.path == patch.file).expect("the file is there");
            let before = std::str::from_utf8(&before.bytes).expect("only text is mended");
            let diff = diffy::Patch::from_str(&patch.diff).expect("a unified diff");
            assert_eq!(diffy::apply(before, &diff).expect("it applies"), patch.mended);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_the_files_hold_every_finding_has_a_place_and_every_patch_applies(
        pieces in prop::collection::vec(piece(), 0..8),
        bytes in prop::collection::vec(any::<u8>(), 0..4),
        spec in spec(),
        in_git in tag(),
        tags in prop::collection::vec(tag(), 0..8),
        known in any::<bool>(),
    ) {
        let mut junk = pieces.concat().into_bytes();
        junk.extend(bytes);
        let trial = trial::policy(&spec).in_git(&in_git).bytes("junk.yaml", junk);
        let ledger = ledger(tags.iter().map(String::as_str));
        let manifests = read(trial.files().to_vec());
        let findings = check(&manifests, &|_| Some(&ledger).filter(|_| known));
        consistent(trial.files(), &findings);
        let declared = manifests.policies.iter().flat_map(|declared| of_policy(&manifests, declared, &without_tags));
        consistent(trial.files(), &declared.collect::<Vec<_>>());
    }

    #[test]
    fn a_patch_that_is_offered_for_the_order_makes_a_policy_that_selects(
        spec in spec(),
        tags in prop::collection::vec(tag(), 1..8),
    ) {
        let trial = trial::policy(&spec);
        let ledger = ledger(tags.iter().map(String::as_str));
        let findings = check(&read(trial.files().to_vec()), &|_| Some(&ledger));
        let about_order = ["T2P001", "T2P002", "T2P003", "T2P004", "T2P005", "T2P012", "T2P013"];
        for finding in findings.iter().filter(|finding| about_order.contains(&finding.code)) {
            let Some(patch) = &finding.patch else { continue };
            let mended = trial::policy(&spec).bytes(&patch.file, patch.mended.clone().into_bytes());
            let manifests = read(mended.files().to_vec());
            let (_, policy) = manifests.policies[0].policy.as_ref().expect("it is valid");
            let known = crate::plan::known(&ledger);
            prop_assert!(policy.select(&known).selected.is_some(), "{}", patch.diff);
            let again = check(&manifests, &|_| Some(&ledger));
            prop_assert!(again.iter().all(|other| other.code != finding.code), "{:#?}\n{}", again, patch.diff);
        }
    }
}
