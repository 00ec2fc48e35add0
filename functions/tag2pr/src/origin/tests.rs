//! What is linked, how it is named, and what is left alone.

use proptest::prelude::*;

use super::*;

const OLD: &str = "6cb720309d126cb720309d126cb720309d126cb7";
const NEW: &str = "1972e38a0b1c1972e38a0b1c1972e38a0b1c1972";

fn built(source: &str, revision: &str) -> Origin {
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Origin { source: said(source), revision: said(revision) }
}

fn labels(source: &str, revision: &str) -> BTreeMap<String, String> {
    [(SOURCE, source), (REVISION, revision)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The change between two commits of one source: how it is named, and its URL with `OLD` and `NEW`.
fn between(source: &str) -> (String, String) {
    let change = compare(Some(&built(source, OLD)), &built(source, NEW)).unwrap();
    let url = change.url.unwrap_or_else(|| "no link".to_owned());
    (change.source.unwrap_or_default(), url.replace(OLD, "OLD").replace(NEW, "NEW"))
}

fn commit(source: &str) -> String {
    compare(None, &built(source, NEW)).unwrap().url.unwrap_or_else(|| "no link".to_owned()).replace(NEW, "NEW")
}

#[test]
fn every_forge_has_pages_of_its_own() {
    let table = [
        ("https://github.com/acme/web", "acme/web", "/compare/OLD...NEW", "/commit/NEW"),
        ("https://codeberg.org/acme/web", "acme/web", "/compare/OLD...NEW", "/commit/NEW"),
        ("https://git.acme.com/team/web", "git.acme.com/team/web", "/compare/OLD...NEW", "/commit/NEW"),
        ("http://gitea.lan:3000/acme/web", "gitea.lan:3000/acme/web", "/compare/OLD...NEW", "/commit/NEW"),
        ("https://git.acme.com/pub/git/team/web", "git.acme.com/pub/git/team/web", "/compare/OLD...NEW", "/commit/NEW"),
        ("https://gitlab.com/acme/shop/web", "acme/shop/web", "/-/compare/OLD...NEW", "/-/commit/NEW"),
        ("https://gitlab.acme.com/shop/web", "gitlab.acme.com/shop/web", "/-/compare/OLD...NEW", "/-/commit/NEW"),
        ("https://bitbucket.org/acme/web", "acme/web", "/branches/compare/NEW%0DOLD", "/commits/NEW"),
        (
            "https://dev.azure.com/acme/shop/_git/web",
            "acme/shop/web",
            "/branchCompare?baseVersion=GCOLD&targetVersion=GCNEW",
            "/commit/NEW",
        ),
        (
            "https://tfs.acme.com/tfs/shop/_git/web",
            "tfs.acme.com/tfs/shop/web",
            "/branchCompare?baseVersion=GCOLD&targetVersion=GCNEW",
            "/commit/NEW",
        ),
        (
            "https://git.acme.com/stash/projects/SHOP/repos/web",
            "git.acme.com/stash/SHOP/web",
            "/compare/commits?targetBranch=OLD&sourceBranch=NEW",
            "/commits/NEW",
        ),
    ];
    for (source, name, comparison, page) in table {
        assert_eq!(between(source), (name.to_owned(), format!("{source}{comparison}")), "{source}");
        assert_eq!(commit(source), format!("{source}{page}"));
    }
}

#[test]
fn every_spelling_of_a_repository_is_one_page() {
    let table: [(&str, &[&str]); 8] = [
        (
            "https://github.com/acme/web/commit/NEW",
            &[
                "https://github.com/acme/web.git",
                " https://GitHub.com:443/acme/web/ ",
                "http://github.com/acme/web.git/",
                "git+https://github.com/acme/web",
                "HTTPS://github.com/acme/web",
                "ssh://git@github.com/acme/web.git",
                "ssh://git@github.com:22/acme/web",
                "git+ssh://git@github.com/acme/web",
                "git@github.com:acme/web.git",
                "git@github.com:/acme/web",
                "https://github.com/acme/web/tree/main/services/shop",
                "https://github.com/acme/web#readme",
                "https://github.com/acme/web.git#main:services/web",
                "https://github.com/acme/web?tab=readme-ov-file#web",
            ],
        ),
        (
            "https://gitlab.com/acme/shop/web/-/commit/NEW",
            &["git@gitlab.com:acme/shop/web.git", "https://gitlab.com/acme/shop/web/-/tree/main?ref_type=heads"],
        ),
        ("https://git.acme.com/shop/web/-/commit/NEW", &["https://git.acme.com/shop/web/-/tree/main"]),
        ("https://bitbucket.org/acme/web/commits/NEW", &["https://bitbucket.org/acme/web/src/main/"]),
        ("https://codeberg.org/acme/web/commit/NEW", &["https://codeberg.org/acme/web/src/branch/main"]),
        (
            "https://git.acme.com/team/web/commit/NEW",
            &["ssh://git@git.acme.com:2222/team/web.git", "https://git.acme.com/team/web#x"],
        ),
        (
            "https://dev.azure.com/acme/shop/_git/web/commit/NEW",
            &[
                "https://acme@dev.azure.com/acme/shop/_git/web",
                "git@ssh.dev.azure.com:v3/acme/shop/web",
                "https://dev.azure.com/acme/shop/_git/web?path=/services&version=GBmain",
            ],
        ),
        (
            "https://bitbucket.acme.com/projects/shop/repos/web/commits/NEW",
            &[
                "https://bitbucket.acme.com/scm/shop/web.git",
                "ssh://git@bitbucket.acme.com:7999/shop/web.git",
                "https://bitbucket.acme.com/projects/shop/repos/web/browse?at=main",
            ],
        ),
    ];
    for (page, spellings) in table {
        for spelling in spellings {
            assert_eq!(commit(spelling), page, "{spelling}");
        }
    }
}

#[test]
fn a_source_that_is_not_plain_is_shown_and_not_linked() {
    for source in [
        "javascript:alert(1)//github.com/acme/web",
        "javascript://github.com/acme/web",
        "data:text/html,x",
        "file:///acme/web",
        "//github.com/acme/web",
        "github.com/acme/web",
        "acme/web",
        "https://evil.example)](x",
        "https://evil.example/a/b)](https://x.example/c/d",
        "https://evil.example/a/b|c",
        "https://evil.example/a/<b>",
        "https://evil.example/a/b%2F..%2Fc",
        "https://evil.example/a/b c",
        "https://evil.example/a\\b/c",
        "https://github.com/acme/../evil/web",
        "https://github.com/acme/web/../../evil/x",
        "https://github.com/acme/./web",
        "https://github.com//acme/web",
        "https://github.com/acme/...git",
        "https://github.com/acme/.git",
        "https://github.com/acme",
        "https://github.com/",
        "https://github.com",
        "https:///acme/web",
        "https://github.com:/acme/web",
        "https://github.com:0/acme/web",
        "https://github.com:+443/acme/web",
        "https://github.com:99999/acme/web",
        "https://github.com:80:80/acme/web",
        "https://[::1]/acme/web",
        "https://-evil.example/acme/web",
        "https://evil..example/acme/web",
        "https://gıthub.com/acme/web",
        "https://github.com/acme/wéb",
        "https://github.com/acme/we\u{202e}b",
        "https://dev.azure.com/acme/shop",
        "https://dev.azure.com/acme/shop/_git",
        "https://gitlab.com/acme/-/web",
        "git@github.com/acme/web",
        "git@-oProxyCommand=x:acme/web",
    ] {
        assert_eq!(between(source), (source.to_owned(), "no link".to_owned()));
        assert_eq!(commit(source), "no link", "{source}");
    }
}

#[test]
fn whoever_was_logged_in_is_not_shown() {
    for source in [
        "https://bot:s3cret@github.com/acme/web",
        "https://s3cret@github.com/acme/web",
        "https://github.com@evil.example/acme/web",
        "https://bot:s3/cret@github.com/acme/web",
        "ssh://bot:s3cret@github.com/acme/web",
        "bot:s3cret@github.com/acme/web",
        "git@github.com:acme/web@evil.example",
        "https://acme:s3cret@dev.azure.com/acme/shop/_git/web",
        "https://s3cret@dev.azure.com/acme/shop/_git/web",
        "https://git.acme.com/gitweb?p=team/web.git",
        "https://git.acme.com/team/web?private_token=s3cret",
    ] {
        assert_eq!(Origin::of(&labels(source, NEW)), built("", NEW), "{source}");
        assert_eq!(between(source), (String::new(), "no link".to_owned()));
    }
    let cut = Origin::of(&labels("https://gitlab.com/acme/web?private_token=s3cret#s3cret", ""));
    assert_eq!(cut, built("https://gitlab.com/acme/web", ""));
    let azure = Origin::of(&labels("https://acme@dev.azure.com/acme/shop/_git/web", ""));
    assert_eq!(azure, built("https://dev.azure.com/acme/shop/_git/web", ""));
}

#[test]
fn what_is_not_sane_is_not_said() {
    let long = |length: usize| format!("https://{}", "a".repeat(length - 8));
    for (source, revision, expected) in [
        ("https://github.com/acme/web", NEW, built("https://github.com/acme/web", NEW)),
        (" acme\n", "\tv1 ", built("acme", "v1")),
        ("ac\nme", "v1\u{0}", Origin::default()),
        ("ac\u{2028}me", "\u{1b}[31m", Origin::default()),
        ("", " ", Origin::default()),
        (&long(300), &"é".repeat(100), built(&long(300), &"é".repeat(100))),
        (&long(301), &"e".repeat(101), Origin::default()),
    ] {
        assert_eq!(Origin::of(&labels(source, revision)), expected, "{source:?} {revision:?}");
    }
    assert_eq!(Origin::of(&BTreeMap::new()), Origin::default());
}

#[test]
fn only_two_commits_of_one_source_are_compared() {
    let here = "https://github.com/acme/web";
    let there = "https://github.com/acme/shop";
    let read = |before: Option<Origin>, after: Origin| {
        let Some(change) = compare(before.as_ref(), &after) else { return "nothing".to_owned() };
        let revisions = match change.revisions {
            Revisions::Changed { from, to } => format!("{from} -> {to}"),
            Revisions::Same(revision) => format!("same {revision}"),
            Revisions::New(revision) => format!("new {revision}"),
        };
        let kind = match change.url.as_deref() {
            None => "no link",
            Some(url) if url.contains("/compare/") => "comparison",
            Some(_) => "commit",
        };
        format!("{}: {revisions}, {kind}", change.source.as_deref().unwrap_or("?"))
    };
    for (before, after, expected) in [
        (Some(built(here, OLD)), built(here, NEW), "acme/web: 6cb7203 -> 1972e38, comparison"),
        (Some(built("git@github.com:Acme/Web.git", OLD)), built(here, NEW), "acme/web: 6cb7203 -> 1972e38, comparison"),
        (Some(built(here, &OLD[..7])), built(here, NEW), "acme/web: 6cb7203 -> 1972e38, comparison"),
        (Some(built(here, NEW)), built(here, NEW), "acme/web: same 1972e38, commit"),
        (Some(built(here, &NEW.to_uppercase())), built(here, NEW), "acme/web: same 1972e38, commit"),
        (Some(built(here, &NEW[..9])), built(here, NEW), "acme/web: same 1972e38, commit"),
        (Some(built(there, NEW)), built(here, NEW), "acme/web: same 1972e38, commit"),
        (Some(built(there, OLD)), built(here, NEW), "acme/web: new 1972e38, commit"),
        (Some(built("", OLD)), built(here, NEW), "acme/web: new 1972e38, commit"),
        (Some(built(here, "")), built(here, NEW), "acme/web: new 1972e38, commit"),
        (None, built(here, NEW), "acme/web: new 1972e38, commit"),
        (None, built("", NEW), "?: new 1972e38, no link"),
        (Some(built("", OLD)), built("", NEW), "?: 6cb7203 -> 1972e38, no link"),
        (Some(built("acme", OLD)), built("acme", NEW), "acme: 6cb7203 -> 1972e38, no link"),
        (Some(built(here, OLD)), built(here, ""), "nothing"),
        (Some(built(here, OLD)), built(here, "two\nlines"), "nothing"),
        (None, Origin::default(), "nothing"),
    ] {
        assert_eq!(read(before.clone(), after.clone()), expected, "{before:?} {after:?}");
    }
    // Names are shown as they are: what they stand for may be something else tomorrow, and was perhaps yesterday.
    for (before, after, expected) in [
        ("v1.2.3", "v1.3.0", "acme/web: v1.2.3 -> v1.3.0, no link"),
        ("v1.2.3", NEW, "acme/web: v1.2.3 -> 1972e38, no link"),
        ("main", "main", "acme/web: new main, no link"),
        ("123456", "abcdef", "acme/web: 123456 -> abcdef, no link"),
        (OLD, "..", "acme/web: 6cb7203 -> .., no link"),
        (OLD, "1972e38)](x", "acme/web: 6cb7203 -> 1972e38)](x, no link"),
    ] {
        assert_eq!(read(Some(built(here, before)), built(here, after)), expected, "{before} {after}");
    }
    let long = "a".repeat(65);
    assert_eq!(read(None, built(here, &long)), format!("acme/web: new {long}, no link"));
}

#[test]
fn an_origin_is_stored_as_far_as_it_is_said() {
    let json = |origin: &Origin| serde_json::to_string(origin).unwrap();
    assert_eq!(json(&built("here", "v1")), r#"{"source":"here","revision":"v1"}"#);
    assert_eq!(json(&Origin::default()), "{}");
    assert_eq!(serde_json::from_str::<Origin>("{}").unwrap(), Origin::default());
}

/// Sources that get far: of the parts that real ones have, and some that none has.
fn any_source() -> impl Strategy<Value = String> {
    let scheme =
        prop::sample::select(vec!["https://", "http://", "ssh://git@", "git@", "git+https://", "javascript:", ""]);
    let host = prop::sample::select(vec![
        "github.com",
        "gitlab.acme.com",
        "bitbucket.org",
        "bitbucket.lan",
        "dev.azure.com",
        "lan:3000",
        "a)](b",
        "[::1]",
    ]);
    let segment = prop_oneof![
        3 => prop::sample::select(vec!["acme", "web.git", "_git", "-", "scm", "projects", "repos", "~me", "..", ""])
            .prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    (scheme, host, "[/:]", prop::collection::vec(segment, 0..6), "(|[?#].{0,6})")
        .prop_map(|(scheme, host, between, path, rest)| format!("{scheme}{host}{between}{}{rest}", path.join("/")))
}

proptest! {
    #[test]
    fn a_link_is_plain_whatever_an_image_says(
        source in prop_oneof![any_source(), any::<String>()],
        old in prop_oneof![Just(OLD.to_owned()), "[0-9a-fA-F]{5,70}", any::<String>()],
        new in prop_oneof![Just(NEW.to_owned()), "[0-9a-fA-F]{5,70}", any::<String>()],
    ) {
        let (before, after) = (built(&source, &old), built(&source, &new));
        for before in [None, Some(&before)] {
            let Some(url) = compare(before, &after).and_then(|change| change.url) else { continue };
            prop_assert!(url.starts_with("https://") || url.starts_with("http://"), "{}", url);
            prop_assert!(url.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?=&%".contains(&b)), "{}", url);
            let (_, path) = url.split_once("://").unwrap();
            prop_assert!(!path.split('/').any(|segment| matches!(segment, "" | "." | "..")), "{}", url);
        }
    }

    #[test]
    fn what_was_read_reads_the_same_again(source in any::<String>(), revision in any::<String>()) {
        let origin = Origin::of(&labels(&source, &revision));
        let (source, revision) = (origin.source.as_deref().unwrap_or(""), origin.revision.as_deref().unwrap_or(""));
        prop_assert_eq!(&Origin::of(&labels(source, revision)), &origin);
    }
}
