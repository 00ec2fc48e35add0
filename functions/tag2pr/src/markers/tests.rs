use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

mod cases;
mod documents;
mod formats;

const DIGEST: &str = "sha256:5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d";

/// What the policies of the golden cases selected.
fn selected(setter: &Setter) -> Option<NewImage> {
    let image = |name: &str, tag: &str| NewImage { name: name.to_owned(), tag: tag.to_owned(), digest: None };
    Some(match setter.policy.to_string().as_str() {
        "apps/web" => image("ghcr.io/acme/web", "1.4.0"),
        "apps/web2" => image("ghcr.io/acme/web2", "1.4.0"),
        "apps/api" => NewImage { digest: Some(DIGEST.to_owned()), ..image("ghcr.io/acme/api", "2.0.0") },
        "flux-system/backend" => image("192.168.0.40:5000/backend", "main-2222222-1800000000"),
        "types/float" => image("ghcr.io/acme/web", "1.20"),
        "types/timestamp" => image("ghcr.io/acme/web", "20251203053600"),
        "types/sha" => image("ghcr.io/acme/web", "123e4567"),
        "types/on" => image("ghcr.io/acme/web", "on"),
        "types/date" => image("ghcr.io/acme/web", "2025-12-03"),
        _ => return None,
    })
}

fn edited(text: &str) -> Edited {
    edit("app.yaml", text.as_bytes(), &[], &selected).unwrap()
}

fn result(text: &str) -> String {
    String::from_utf8(edited(text).bytes).unwrap()
}

/// What was refused, and that nothing else happened.
fn refusals(text: &str) -> String {
    let edited = edited(text);
    assert_eq!(String::from_utf8(edited.bytes).unwrap(), text);
    assert_eq!(edited.changes, []);
    edited.problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// Another tag and back: the bytes are those from before.
fn goes_there_and_back(path: &str, text: &str, rules: &[FieldRule]) {
    let other = |setter: &Setter| {
        let image = selected(setter)?;
        Some(NewImage {
            tag: "main-2-x".to_owned(),
            digest: image.digest.map(|_| format!("sha256:{}", "0".repeat(64))),
            ..image
        })
    };
    let there = edit(path, text.as_bytes(), rules, &other).unwrap();
    let back = edit(path, &there.bytes, rules, &selected).unwrap();
    assert_eq!((there.problems, back.problems), (Vec::new(), Vec::new()), "{path}");
    assert_eq!(String::from_utf8(back.bytes).unwrap(), text, "{path}: there and back");
}

#[test]
fn every_golden_case_comes_out_as_written() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/markers");
    let mut count = 0;
    for case in fs::read_dir(cases).unwrap() {
        let case = case.unwrap().path();
        let before = fs::read_to_string(case.join("before.yaml")).unwrap();
        // A case without an `after.yaml` is one where nothing changes.
        let after = fs::read_to_string(case.join("after.yaml")).unwrap_or_else(|_| before.clone());
        let edited = edited(&before);
        assert_eq!(edited.problems, [], "{}", case.display());
        assert_eq!(String::from_utf8(edited.bytes).unwrap(), after, "{}", case.display());
        assert_eq!(edited.changes.is_empty(), before == after, "{}", case.display());
        assert_eq!(result(&after), after, "{}: a second edit changes nothing", case.display());
        // Where a value is right and yet of another type, as `1.20`, it comes back in quotes.
        if case.file_name().is_none_or(|name| name != "types") {
            goes_there_and_back("app.yaml", &after, &[]);
        }
        count += 1;
    }
    assert!(count >= 11, "only {count} golden cases were found");
}

#[test]
fn a_change_says_where_what_and_why() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  image: \
                web:1.0 # {\"$imagepolicy\": \"apps:web\"}\n---\ntag: 1 # {\"$imagepolicy\": \"apps:web:tag\"}\n";
    insta::assert_json_snapshot!(edited(text).changes, @r#"
    [
      {
        "file": "app.yaml",
        "line": 7,
        "old": "web:1.0",
        "new": "ghcr.io/acme/web:1.4.0",
        "setter": "apps:web",
        "object": {
          "apiVersion": "apps/v1",
          "kind": "Deployment",
          "name": "web",
          "namespace": "shop"
        }
      },
      {
        "file": "app.yaml",
        "line": 9,
        "old": "1",
        "new": "1.4.0",
        "setter": "apps:web:tag",
        "object": null
      }
    ]
    "#);
}

#[test]
fn a_list_gives_each_item_its_own_name() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/markers/documents/before.yaml"))
        .unwrap();
    let objects: Vec<_> =
        edited(&text).changes.into_iter().map(|change| change.object.map(|object| object.name)).collect();
    assert_eq!(objects, [None, Some("web".to_owned()), None]);
}

#[test]
fn find_gives_the_bytes_of_the_value() {
    let text =
        "a: 'x:1' # {\"$imagepolicy\": \"apps:web\"}\nb: |\n  none\nc: |+ # {\"$imagepolicy\": \"apps:web\"}\n  x:1\n";
    let found: Vec<_> = find("app.yaml", text.as_bytes(), &[])
        .unwrap()
        .into_iter()
        .map(|marker| (marker.line, marker.column, text[marker.span].to_owned(), marker.value))
        .collect();
    assert_eq!(found, [(1, 4, "'x:1'".to_owned(), "x:1".to_owned()), (4, 4, "x:1\n".to_owned(), "x:1\n".to_owned())]);
}

#[test]
fn a_name_tells_whether_markers_count() {
    let bytes = b"a: x # {\"$imagepolicy\": \"apps:web\"}\n";
    for path in
        ["a.yaml", "a/b.yml", "a/Kustomization", ".github/x.yaml", "a..b.yaml", "chart/_helpers.tpl", "a.properties"]
    {
        assert_eq!(find(path, bytes, &[]).unwrap().len(), 1, "{path}");
    }
    for path in
        ["a.YAML", "a.yaml.txt", "README.md", "Dockerfile.md", "kustomization", "yaml", ".yaml.orig", "a.lock", "x"]
    {
        assert_eq!(find(path, bytes, &[]).unwrap().len(), 0, "{path}");
        assert_eq!(edit(path, bytes, &[], &selected).unwrap().bytes, bytes, "{path}");
    }
}

#[test]
fn windows_line_ends_a_byte_order_mark_and_a_missing_last_line_end_stay() {
    let marker = "# {\"$imagepolicy\": \"apps:web:tag\"}";
    for (before, after) in [
        ("\u{feff}a: 1.3.0 MM\n", "\u{feff}a: 1.4.0 MM\n"),
        ("\u{feff}# head\r\n---\r\na: 1.3.0\t MM \r\nb: 2\r\n", "\u{feff}# head\r\n---\r\na: 1.4.0\t MM \r\nb: 2\r\n"),
        ("a: |  MM\r\n  1.3.0\r\n  x\r\nb: 2\r\n", "a: |-  MM\r\n  1.4.0\r\nb: 2\r\n"),
        ("a: 1.3.0 MM", "a: 1.4.0 MM"),
        ("a: >+ MM\n  1.3.0", "a: >- MM\n  1.4.0"),
        ("a: x\rb: 1.3.0 MM\rc: y", "a: x\rb: 1.4.0 MM\rc: y"),
        ("😀: 1.3.0 MM # x\nä: '1.3.0' MM", "😀: 1.3.0 MM # x\nä: '1.4.0' MM"),
    ] {
        assert_eq!(result(&before.replace("MM", marker)), after.replace("MM", marker));
    }
}

#[test]
fn a_missing_digest_is_refused_and_takes_its_policy_along() {
    let text = "newTag: 1.3.0 # {\"$imagepolicy\": \"apps:web:tag\"}\ndigest: sha256:00 # {\"$imagepolicy\": \"apps:web:digest\"}\n";
    insta::assert_snapshot!(refusals(text), @"app.yaml:2:9: the marker asks for a digest, but policy apps/web has none: set its `digestReflectionPolicy` to `IfNotPresent` or `Always`, or remove the marker");
    let other = format!("{text}api: x # {{\"$imagepolicy\": \"apps:api:tag\"}}\n");
    let edited = edited(&other);
    assert_eq!(String::from_utf8(edited.bytes).unwrap(), other.replace("api: x", "api: 2.0.0"));
    assert_eq!((edited.changes.len(), edited.problems.len()), (1, 1));
}

#[test]
fn an_explicit_type_that_no_image_has_is_refused() {
    insta::assert_snapshot!(refusals("tag: !!float 1.3 # {\"$imagepolicy\": \"apps:web:tag\"}\n"), @"app.yaml:1:14: the value has the explicit type `!!float`, but `1.4.0` is text: remove the type");
}

#[test]
fn values_that_no_image_can_have_are_never_written() {
    let text = "tag: x # {\"$imagepolicy\": \"apps:web:tag\"}\nname: x # {\"$imagepolicy\": \"apps:web:name\"}\n";
    for (name, tag) in [("", "1"), ("a", ""), ("a", "1 # x"), ("a", "1\nb: 2"), ("a\u{7f}", "1"), ("é", "1")] {
        let image = NewImage { name: name.to_owned(), tag: tag.to_owned(), digest: None };
        let edited = edit("app.yaml", text.as_bytes(), &[], &|_| Some(image.clone())).unwrap();
        assert_eq!(edited.bytes, text.as_bytes(), "{name:?} {tag:?}");
        assert!(!edited.problems.is_empty(), "{name:?} {tag:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_with_a_place() {
    let problem = |bytes: &[u8]| edit("app.yaml", bytes, &[], &selected).unwrap_err().to_string();
    insta::assert_snapshot!(problem(b"# \"$imagepolicy\"\na: \xff\n"), @"app.yaml:2:4: byte 0xff is no UTF-8 text");
    let deep = format!("# \"$imagepolicy\"\na: {}\n", "[".repeat(100_000));
    insta::assert_snapshot!(problem(deep.as_bytes()), @"app.yaml:2:259: this YAML is nested too deep, more than 255 levels");
}

#[test]
fn comments_with_the_token_that_mark_nothing_are_named() {
    let text = "a: x # {\"$imagepolicy\": \"apps:web\"} pinned\nb: x # {\"$imagepolicy\": \"apps/web\"}\n# {\"$imagepolicy\": \"apps:web\"}\nc: x\nd: x # {\"$imagepolicy\": \"apps:web\"}\n";
    let strays = read("app.yaml", text.as_bytes(), &[]).unwrap().strays;
    insta::assert_snapshot!(strays.iter().map(|stray| format!("{stray}\n")).collect::<String>(), @r#"
    app.yaml:1:6: the comment must hold the JSON object alone, all its values strings, nothing before or after it
    app.yaml:2:6: the reference must be `namespace:policy`, with `:tag`, `:name` or `:digest` after it or nothing
    app.yaml:3:1: the comment belongs to no value: it must stand on the line of the value, after it
    "#);
}

#[test]
fn a_result_that_says_anything_else_is_not_accepted() {
    let old = "a: x # c\nb: &k [y, *k]\n";
    let events = events(old).unwrap();
    let at = events.iter().position(|(event, _)| event.scalar().is_some_and(|(value, _)| value == "x")).unwrap();
    assert_eq!(verify(&events, "a: 'new' # c\nb: &k [y, *k]\n", &[(at, "new")]), Ok(()));
    for new in [
        "a: x # c\nb: &k [y, *k]\n",
        "a: new\nb: &k [y, *k]\n",
        "a: new # d\nb: &k [y, *k]\n",
        "a: new # c\nb: &k ['y', *k]\n",
        "a: new # c\nb: &k [y, z]\n",
        "a: &new new # c\nb: &k [y, *k]\n",
        "a: !!str new # c\nb: &k [y, *k]\n",
        "a: new # c\nb: &k [y, *k]\n---\n",
        "a: [new # c\n",
    ] {
        assert!(verify(&events, new, &[(at, "new")]).is_err(), "{new}");
    }
}

#[test]
fn a_problem_serializes_as_file_and_reason() {
    assert_eq!(
        serde_json::to_value(Problem::of("a.yaml", "is broken")).unwrap(),
        serde_json::json!({"file": "a.yaml", "reason": "is broken"})
    );
}

/// Lines of a document: unmarked neighbours, marked scalars of every style that stands on lines of its own.
fn line() -> impl Strategy<Value = String> {
    let marker = prop_oneof![
        Just(r#" # {"$imagepolicy": "apps:web"}"#),
        Just("\t#{\"$imagepolicy\":\"apps:web:tag\"}  "),
        Just(r##"   ## {"$imagepolicy": "apps:api:name"}"##),
    ];
    let scalar = prop_oneof![
        "[a-z0-9][a-z0-9.:/-]{0,12}[a-z0-9]",
        "'[a-z #,:]{0,8}(''[a-z]{0,3})?'",
        "\"[a-z #,:😀é]{0,8}(\\\\n|\\\\\"|\\\\u00e9)?\"",
        "&a[0-9] [a-z]{1,4}",
        "!!str [0-9]\\.[0-9]",
        "!own [a-z]{1,4}",
        "[a-z]{1,4}\n      [a-z]{1,4}",
    ];
    let neighbour = prop_oneof![
        Just("  other:   value  # a comment".to_owned()),
        Just(String::new()),
        Just("# full line".to_owned()),
        Just("  text: |+\n    # {\"$imagepolicy\": \"apps:web\"}\n\n".to_owned()),
        Just("  flow: [a,   {b: c}]".to_owned()),
        Just("  emoji: \"😀\"".to_owned()),
    ];
    prop_oneof![
        3 => (scalar.clone(), marker.clone()).prop_map(|(scalar, marker)| format!("  key: {scalar}{marker}")),
        1 => (scalar, marker).prop_map(|(scalar, marker)| format!("  list:\n    - {scalar}{marker}\n    - b")),
        2 => neighbour,
    ]
}

proptest! {
    #[test]
    fn only_the_bytes_of_marked_values_change(
        lines in prop::collection::vec(line(), 1..12),
        tag in "[A-Za-z0-9_][A-Za-z0-9._-]{0,12}",
        crlf in any::<bool>(),
        bom in any::<bool>(),
    ) {
        let mut text = format!("root:\n  first: 1\n{}\n", lines.join("\n"));
        if crlf { text = text.replace('\n', "\r\n"); }
        if bom { text.insert(0, '\u{feff}'); }
        let wanted = |_: &Setter| Some(NewImage { name: "ghcr.io/acme/web".to_owned(), tag: tag.clone(), digest: None });
        let before = find("a.yaml", text.as_bytes(), &[]).unwrap();
        let edited = edit("a.yaml", text.as_bytes(), &[], &wanted).unwrap();
        prop_assert_eq!(&edited.problems, &[]);
        let after = find("a.yaml", &edited.bytes, &[]).unwrap();

        let outside = |bytes: &[u8], markers: &[Marker]| {
            let mut kept = Vec::new();
            let mut at = 0;
            for marker in markers {
                kept.push(bytes[at..marker.span.start].to_vec());
                at = marker.span.end;
            }
            kept.push(bytes[at..].to_vec());
            kept
        };
        prop_assert_eq!(outside(text.as_bytes(), &before), outside(&edited.bytes, &after));
        for marker in &after {
            let image = wanted(&marker.setter).unwrap();
            prop_assert_eq!(&marker.value, &part(&image, &marker.setter).unwrap());
        }
        let again = edit("a.yaml", &edited.bytes, &[], &wanted).unwrap();
        prop_assert_eq!(again.changes, vec![]);
        prop_assert_eq!(again.bytes, edited.bytes);
    }

    #[test]
    fn no_text_makes_it_panic_or_change_what_is_not_marked(text in "([ \n:#|>&*!?,{}\\[\\]'\"a-c\t-]|# \\{\"\\$imagepolicy\": \"a:b\"\\}\n){0,40}") {
        let wanted = |_: &Setter| Some(NewImage { name: "r/x".to_owned(), tag: "1.2".to_owned(), digest: None });
        if let Err(problem) = edit("a.yaml", text.as_bytes(), &[], &wanted) {
            prop_assert!(!problem.reason.contains("defect"), "{}", problem);
        }
    }
}

/// A text as its structure and scalars, without comments, quotes and layout.
fn meaning(text: &str) -> Vec<String> {
    let said = |(event, _): (Event<'_>, _)| match event {
        Event::Comment(..) => None,
        Event::Scalar(value, ..) => Some(format!("={value}")),
        Event::SequenceStart(..) => Some("[".to_owned()),
        Event::MappingStart(..) => Some("{".to_owned()),
        Event::DocumentStart(..) => Some("---".to_owned()),
        other => Some(format!("{other:?}")),
    };
    events(text).unwrap().into_iter().filter_map(said).collect()
}

fn files(directory: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(at) = waiting.pop() {
        let Ok(entries) = fs::read_dir(directory.join(&at)) else { continue };
        for entry in entries.map(Result::unwrap) {
            let path = at.join(entry.file_name());
            match fs::read_to_string(directory.join(&path)) {
                Ok(text) => drop(found.insert(path.to_string_lossy().replace('\\', "/"), text)),
                Err(_) => waiting.push(path),
            }
        }
    }
    found
}

#[test]
#[allow(clippy::print_stdout)]
fn flux_would_write_the_same_values() {
    let Ok(root) = std::env::var("TAG2PR_CONFORMANCE") else {
        println!("skipped: TAG2PR_CONFORMANCE is not set");
        return;
    };
    let mut compared = 0;
    for case in fs::read_dir(Path::new(&root).join("flux/setters")).unwrap() {
        let case = case.unwrap().path();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let description: Value = serde_json::from_str(&fs::read_to_string(case.join("case.json")).unwrap()).unwrap();
        if let Some(error) = description["error"].as_str() {
            println!("not applicable: {name}: no markers are read, the automation itself is refused ({error})");
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let policies = description["policies"].as_array().unwrap();
        let wanted = |setter: &Setter| {
            let PolicyName { namespace, name } = &setter.policy;
            let policy =
                policies.iter().find(|policy| policy["name"] == **name && policy["namespace"] == **namespace)?;
            let latest = &policy["latestRef"];
            let digest = latest["digest"].as_str().map(str::to_owned);
            Some(NewImage { name: text(&latest["name"]), tag: text(&latest["tag"]), digest })
        };
        let scope = text(&description["update_path"]).trim_start_matches("./").to_owned();
        let (input, expected) = (files(&case.join("input")), files(&case.join("expected")));
        let mut changes = Vec::new();
        for (path, before) in &input {
            let edited = if path.starts_with(&scope) {
                edit(path, before.as_bytes(), &[], &wanted).unwrap()
            } else {
                Edited { bytes: before.clone().into_bytes(), changes: Vec::new(), problems: Vec::new() }
            };
            assert_eq!(edited.problems, [], "{name}/{path}");
            let after = String::from_utf8(edited.bytes).unwrap();
            assert_eq!(meaning(&after), meaning(expected.get(path).unwrap_or(before)), "{name}/{path}");
            let changed = before.lines().zip(after.lines()).filter(|(before, after)| before != after).count();
            assert_eq!(
                (before.lines().count(), changed),
                (after.lines().count(), edited.changes.len()),
                "{name}/{path}"
            );
            changes.extend(edited.changes);
        }
        if let Some(expected) = description["expected_changes"].as_array() {
            let ours = changes.iter().map(|change| {
                let mut change = serde_json::to_value(change).unwrap();
                change.as_object_mut().unwrap().remove("line");
                change.to_string()
            });
            let mut ours: Vec<String> = ours.collect();
            let mut theirs: Vec<String> = expected.iter().map(Value::to_string).collect();
            ours.sort();
            theirs.sort();
            assert_eq!(ours, theirs, "{name}");
        }
        compared += 1;
    }
    println!("compared {compared} cases of setters with Flux");
    assert!(compared >= 4);
}
