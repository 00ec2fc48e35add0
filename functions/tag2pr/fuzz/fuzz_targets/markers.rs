//! A file name in the first line, a file in the others, in any format: an edit changes the marked values, and nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tag2pr::markers::{self, FieldRule, NewImage, Part};
use tag2pr::problem::read_yaml;

const RULES: &str = "[{ files: '**', at: ['$..image', '$.a[*].b'], policy: a/b }]";

fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(path) = std::str::from_utf8(&bytes[..end]) else { return };
    let bytes = &bytes[end + 1..];
    let Ok(rules) = read_yaml::<Vec<FieldRule>>("rules", RULES) else { return };

    let Ok(before) = markers::find(path, bytes, &rules) else { return };
    let image = || NewImage { name: "ghcr.io/acme/web".to_owned(), tag: "1.2".to_owned(), digest: None };
    let edited = match markers::edit(path, bytes, &rules, &|_| Some(image())) {
        Ok(edited) => edited,
        Err(problem) => panic!("{problem}"),
    };
    if edited.changes.is_empty() {
        assert_eq!(edited.bytes, bytes);
        return;
    }

    let Ok(after) = markers::find(path, &edited.bytes, &rules) else { panic!("the result cannot be read") };
    assert_eq!(before.len(), after.len());
    // A block scalar changes its header too, and says so by more than one line.
    let is_block = |marker: &markers::Marker| bytes[marker.span.clone()].contains(&b'\n') || marker.value.ends_with('\n');
    if !before.iter().any(is_block) {
        assert_eq!(outside(bytes, &before), outside(&edited.bytes, &after));
    }
    for (old, new) in before.iter().zip(&after) {
        let wanted = match new.setter.part {
            Part::Reference => "ghcr.io/acme/web:1.2",
            Part::Name => "ghcr.io/acme/web",
            Part::Tag => "1.2",
            Part::Digest => &old.value,
        };
        let refused = edited.problems.iter().any(|problem| problem.line.is_some());
        assert!(new.value == wanted || (refused && new.value == old.value));
    }
    let Ok(again) = markers::edit(path, &edited.bytes, &rules, &|_| Some(image())) else { panic!("not a second time") };
    assert!(again.changes.is_empty());
});

fn outside(bytes: &[u8], markers: &[markers::Marker]) -> Vec<Vec<u8>> {
    let mut kept = Vec::new();
    let mut at = 0;
    for marker in markers {
        kept.push(bytes[at..marker.span.start].to_vec());
        at = marker.span.end;
    }
    kept.push(bytes[at..].to_vec());
    kept
}
