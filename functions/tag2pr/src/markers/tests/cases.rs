//! One small case for each line of what a marker is, what it is not, and how the new value is written.
//!
//! `@ref`, `@name`, `@tag` and `@digest` stand for the markers of `apps:web` (`@api…`: of `apps:api`, which has a digest).

use super::{DIGEST, edited, goes_there_and_back, result};
use crate::markers::read;

/// What it shows, the file before, and after; an empty `after` says that nothing changes.
type Case = (&'static str, &'static str, &'static str);

fn with_markers(text: &str) -> String {
    let marker = |setter: &str| format!("# {{\"$imagepolicy\": \"{setter}\"}}");
    [
        ("@apiref", "apps:api"),
        ("@apitag", "apps:api:tag"),
        ("@apiname", "apps:api:name"),
        ("@apidigest", "apps:api:digest"),
        ("@ref", "apps:web"),
        ("@name", "apps:web:name"),
        ("@tag", "apps:web:tag"),
        ("@digest", "apps:web:digest"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (short, setter)| text.replace(short, &marker(setter)))
}

/// How many cases there were; each is one change and no more, and a second edit changes nothing.
fn run(cases: &[Case]) -> usize {
    for (what, before, after) in cases {
        let before = with_markers(before);
        let after = if after.is_empty() { before.clone() } else { with_markers(&after.replace("@DIGEST@", DIGEST)) };
        assert_eq!(result(&before), after, "{what}");
        assert_eq!(edited(&before).problems, [], "{what}");
        assert_eq!(result(&after), after, "{what}: a second edit changes nothing");
        goes_there_and_back("app.yaml", &after, &[]);
        if after == before {
            // What marks nothing although it has the token is told to people.
            let told = !read("app.yaml", before.as_bytes(), &[]).unwrap().strays.is_empty();
            assert!(told || !is_passed_over(&before), "{what}: passed over without a word");
        }
    }
    cases.len()
}

/// Whether a comment has the token, and yet there is no marker: not even one that is up to date or of another policy.
fn is_passed_over(text: &str) -> bool {
    let comments = crate::yaml::events(text).unwrap();
    let token = |(event, span): &(tag2pr_yaml::Event<'_>, tag2pr_yaml::Span)| {
        matches!(event, tag2pr_yaml::Event::Comment(..))
            && text[crate::yaml::range(span)].contains(crate::markers::TOKEN)
    };
    comments.iter().any(token) && crate::markers::find("app.yaml", text.as_bytes(), &[]).unwrap().is_empty()
}

const RECOGNISED: &[Case] = &[
    ("the whole reference", "a: x:1 @ref\n", "a: ghcr.io/acme/web:1.4.0 @ref\n"),
    ("the tag", "a: x @tag\n", "a: 1.4.0 @tag\n"),
    ("the name", "a: x @name\n", "a: ghcr.io/acme/web @name\n"),
    ("the digest", "a: x @apidigest\n", "a: @DIGEST@ @apidigest\n"),
    ("a reference with its digest", "a: x @apiref\n", "a: ghcr.io/acme/api:2.0.0@@DIGEST@ @apiref\n"),
    ("a tag of a policy with a digest", "a: x @apitag\n", "a: 2.0.0 @apitag\n"),
    ("a name of a policy with a digest", "a: x @apiname\n", "a: ghcr.io/acme/api @apiname\n"),
    ("whatever stood there", "replicas: 3 @tag\n", "replicas: 1.4.0 @tag\n"),
    (
        "no blank after the sign",
        "a: x #{\"$imagepolicy\": \"apps:web:tag\"}\n",
        "a: 1.4.0 #{\"$imagepolicy\": \"apps:web:tag\"}\n",
    ),
    (
        "two signs",
        "a: x ## {\"$imagepolicy\": \"apps:web:tag\"}\n",
        "a: 1.4.0 ## {\"$imagepolicy\": \"apps:web:tag\"}\n",
    ),
    (
        "many signs",
        "a: x #### {\"$imagepolicy\": \"apps:web:tag\"}\n",
        "a: 1.4.0 #### {\"$imagepolicy\": \"apps:web:tag\"}\n",
    ),
    (
        "no blank within",
        "a: x # {\"$imagepolicy\":\"apps:web:tag\"}\n",
        "a: 1.4.0 # {\"$imagepolicy\":\"apps:web:tag\"}\n",
    ),
    (
        "many blanks within",
        "a: x #   {   \"$imagepolicy\"  :  \"apps:web:tag\"   }\n",
        "a: 1.4.0 #   {   \"$imagepolicy\"  :  \"apps:web:tag\"   }\n",
    ),
    (
        "tabs within",
        "a: x #\t{\t\"$imagepolicy\":\t\"apps:web:tag\"\t}\n",
        "a: 1.4.0 #\t{\t\"$imagepolicy\":\t\"apps:web:tag\"\t}\n",
    ),
    ("blanks at the end", "a: x @tag   \n", "a: 1.4.0 @tag   \n"),
    ("a tab at the end", "a: x @tag\t\n", "a: 1.4.0 @tag\t\n"),
    ("many blanks before", "a: x          @tag\n", "a: 1.4.0          @tag\n"),
    ("a tab before", "a: x\t@tag\n", "a: 1.4.0\t@tag\n"),
    (
        "another string key",
        "a: x # {\"$imagepolicy\": \"apps:web:tag\", \"by\": \"me\"}\n",
        "a: 1.4.0 # {\"$imagepolicy\": \"apps:web:tag\", \"by\": \"me\"}\n",
    ),
    (
        "another string key first",
        "a: x # {\"by\": \"me\", \"$imagepolicy\": \"apps:web:tag\"}\n",
        "a: 1.4.0 # {\"by\": \"me\", \"$imagepolicy\": \"apps:web:tag\"}\n",
    ),
    (
        "of two keys the last",
        "a: x # {\"$imagepolicy\": \"b:b\", \"$imagepolicy\": \"apps:web:tag\"}\n",
        "a: 1.4.0 # {\"$imagepolicy\": \"b:b\", \"$imagepolicy\": \"apps:web:tag\"}\n",
    ),
    (
        "an escape of JSON",
        "a: x # {\"$imagepolicy\": \"apps\\u003aweb:tag\"}\n",
        "a: 1.4.0 # {\"$imagepolicy\": \"apps\\u003aweb:tag\"}\n",
    ),
    (
        "an escape of URLs",
        "a: x # {\"$imagepolicy\": \"apps%3Aweb:tag\"}\n",
        "a: 1.4.0 # {\"$imagepolicy\": \"apps%3Aweb:tag\"}\n",
    ),
    (
        "the long form, if the token is elsewhere",
        "# see \"$imagepolicy\"\na: x # {\"$ref\": \"#/definitions/io.k8s.cli.setters.apps:web:tag\"}\n",
        "# see \"$imagepolicy\"\na: 1.4.0 # {\"$ref\": \"#/definitions/io.k8s.cli.setters.apps:web:tag\"}\n",
    ),
    ("an entry of a nested mapping", "a:\n  b:\n    c: x @tag\n", "a:\n  b:\n    c: 1.4.0 @tag\n"),
    ("a sequence item", "a:\n- x @tag\n", "a:\n- 1.4.0 @tag\n"),
    ("an indented sequence item", "a:\n    -   x @tag\n", "a:\n    -   1.4.0 @tag\n"),
    ("the second item", "- y\n- x @tag\n- z\n", "- y\n- 1.4.0 @tag\n- z\n"),
    ("an item of a sequence in a sequence", "- - x @tag\n  - y\n", "- - 1.4.0 @tag\n  - y\n"),
    ("an entry in an item", "- name: web\n  image: x @tag\n", "- name: web\n  image: 1.4.0 @tag\n"),
    ("the first entry in an item", "- image: x @tag\n  name: web\n", "- image: 1.4.0 @tag\n  name: web\n"),
    ("above a sequence item", "- y\n@tag\n- x\n", "- y\n@tag\n- 1.4.0\n"),
    ("above an indented sequence item", "a:\n  - y\n  @tag\n  - x\n", "a:\n  - y\n  @tag\n  - 1.4.0\n"),
    ("above the first sequence item", "a:\n  @tag\n  - x\n", "a:\n  @tag\n  - 1.4.0\n"),
    ("above a quoted sequence item", "- y\n@tag\n- 'x'\n", "- y\n@tag\n- '1.4.0'\n"),
    (
        "the line's comment before the one above",
        "- y\n# {\"$imagepolicy\": \"apps:api:tag\"}\n- x @tag\n",
        "- y\n# {\"$imagepolicy\": \"apps:api:tag\"}\n- 1.4.0 @tag\n",
    ),
    ("a literal block", "a: | @tag\n  x\n", "a: |- @tag\n  1.4.0\n"),
    ("a folded block", "a: > @tag\n  x\n", "a: >- @tag\n  1.4.0\n"),
    ("a stripped block", "a: |- @tag\n  x\n", "a: |- @tag\n  1.4.0\n"),
    ("a kept block", "a: |+ @tag\n  x\n\n", "a: |- @tag\n  1.4.0\n\n"),
    ("a block of several lines", "a: | @tag\n  x\n  y\nb: 1\n", "a: |- @tag\n  1.4.0\nb: 1\n"),
    ("a block as an item", "- | @tag\n  x\n- y\n", "- |- @tag\n  1.4.0\n- y\n"),
    ("a block with an indentation", "a: |2 @tag\n  x\n", "a: |2- @tag\n  1.4.0\n"),
    ("single quotes", "a: 'x' @tag\n", "a: '1.4.0' @tag\n"),
    ("double quotes", "a: \"x\" @tag\n", "a: \"1.4.0\" @tag\n"),
    ("empty single quotes", "a: '' @tag\n", "a: '1.4.0' @tag\n"),
    ("empty double quotes", "a: \"\" @tag\n", "a: \"1.4.0\" @tag\n"),
    ("quotes with quotes in them", "a: 'it''s' @tag\n", "a: '1.4.0' @tag\n"),
    ("quotes with an escape", "a: \"\\u00e9\\n\" @tag\n", "a: \"1.4.0\" @tag\n"),
    ("quotes with a sign in them", "a: 'x # y' @tag\n", "a: '1.4.0' @tag\n"),
    ("quotes over two lines", "a: 'x\n  y' @tag\n", "a: '1.4.0' @tag\n"),
    ("plain over two lines", "a: x\n  y @tag\n", "a: 1.4.0 @tag\n"),
    ("an anchor", "a: &a x @tag\nb: *a\n", "a: &a 1.4.0 @tag\nb: *a\n"),
    ("an anchor on a quoted value", "a: &a 'x' @tag\n", "a: &a '1.4.0' @tag\n"),
    ("an own tag", "a: !own x @tag\n", "a: !own 1.4.0 @tag\n"),
    ("the tag of text", "a: !!str x @tag\n", "a: !!str 1.4.0 @tag\n"),
    ("tag and anchor", "a: !!str &a x @tag\n", "a: !!str &a 1.4.0 @tag\n"),
    ("anchor and tag", "a: &a !!str x @tag\n", "a: &a !!str 1.4.0 @tag\n"),
    (
        "an entry of a flow mapping on its line",
        "a: {\n  b: x, @tag\n  c: y\n}\n",
        "a: {\n  b: 1.4.0, @tag\n  c: y\n}\n",
    ),
    ("the last entry of a flow mapping", "a: {\n  b: x @tag\n}\n", "a: {\n  b: 1.4.0 @tag\n}\n"),
    (
        "a quoted entry of a flow mapping",
        "a: {\n  \"b\": \"x\", @tag\n  \"c\": \"y\"\n}\n",
        "a: {\n  \"b\": \"1.4.0\", @tag\n  \"c\": \"y\"\n}\n",
    ),
    ("a quoted key", "\"a b\": x @tag\n", "\"a b\": 1.4.0 @tag\n"),
    ("a key in another script", "größe: x @tag\n", "größe: 1.4.0 @tag\n"),
    ("a blank before the colon", "a : x @tag\n", "a : 1.4.0 @tag\n"),
    ("many blanks behind the colon", "a:      x @tag\n", "a:      1.4.0 @tag\n"),
    ("an explicit key", "? a\n: x @tag\n", "? a\n: 1.4.0 @tag\n"),
    ("the value on a line of its own", "a:\n  x @tag\n", "a:\n  1.4.0 @tag\n"),
    ("a whole document", "--- x @tag\n", "--- 1.4.0 @tag\n"),
    ("in the second document", "a: y\n---\na: x @tag\n", "a: y\n---\na: 1.4.0 @tag\n"),
    ("in both documents", "a: x @tag\n---\na: x @name\n", "a: 1.4.0 @tag\n---\na: ghcr.io/acme/web @name\n"),
    ("after an empty document", "---\n---\na: x @tag\n", "---\n---\na: 1.4.0 @tag\n"),
    ("before an empty document", "a: x @tag\n---\n", "a: 1.4.0 @tag\n---\n"),
    ("after a document's end", "a: x @tag\n...\n", "a: 1.4.0 @tag\n...\n"),
    ("after a directive", "%YAML 1.2\n---\na: x @tag\n", "%YAML 1.2\n---\na: 1.4.0 @tag\n"),
    ("with content at the separator", "--- {b: c}\n---\na: x @tag\n", "--- {b: c}\n---\na: 1.4.0 @tag\n"),
    ("a sequence as the whole file", "- name: web\n  tag: x @tag\n", "- name: web\n  tag: 1.4.0 @tag\n"),
    ("a value with a colon", "a: http://x:1/y @ref\n", "a: ghcr.io/acme/web:1.4.0 @ref\n"),
    ("a value with a sign in it", "a: x#y @tag\n", "a: 1.4.0 @tag\n"),
    ("a value with blanks", "a: x y z @tag\n", "a: 1.4.0 @tag\n"),
    ("a merged mapping", "b: &b {c: d}\na:\n  <<: *b\n  e: x @tag\n", "b: &b {c: d}\na:\n  <<: *b\n  e: 1.4.0 @tag\n"),
    (
        "an item of a list object",
        "kind: List\nitems:\n- kind: Pod\n  image: x @tag\n",
        "kind: List\nitems:\n- kind: Pod\n  image: 1.4.0 @tag\n",
    ),
    (
        "beside annotations of Kubernetes' own tools",
        "metadata:\n  annotations:\n    config.kubernetes.io/path: a..b\nimage: x @tag\n",
        "metadata:\n  annotations:\n    config.kubernetes.io/path: a..b\nimage: 1.4.0 @tag\n",
    ),
    ("already right", "a: 1.4.0 @tag\n", ""),
    ("already right in quotes", "a: '1.4.0' @tag\n", ""),
    ("already right as another type", "a: ghcr.io/acme/web:1.4.0 @ref\n", ""),
    ("a policy that nobody asked for", "a: x # {\"$imagepolicy\": \"apps:unknown\"}\n", ""),
];

const NOT_RECOGNISED: &[Case] = &[
    ("text after", "a: x @tag pinned\n", ""),
    ("text before", "a: x # note {\"$imagepolicy\": \"apps:web:tag\"}\n", ""),
    ("a second sign", "a: x # # {\"$imagepolicy\": \"apps:web:tag\"}\n", ""),
    ("single quotes, beside a marker", "b: 1.4.0 @tag\na: x # {'$imagepolicy': 'apps:web:tag'}\n", ""),
    ("a value that is no string", "a: x # {\"$imagepolicy\": \"apps:web:tag\", \"n\": 1}\n", ""),
    ("a truth value", "a: x # {\"$imagepolicy\": \"apps:web:tag\", \"n\": true}\n", ""),
    ("a nested object", "a: x # {\"$imagepolicy\": {\"a\": \"apps:web:tag\"}}\n", ""),
    ("a list", "a: x # [\"$imagepolicy\"]\n", ""),
    ("another case of the token, beside a marker", "b: 1.4.0 @tag\na: x # {\"$imagePolicy\": \"apps:web:tag\"}\n", ""),
    ("another case of the part", "a: x # {\"$imagepolicy\": \"apps:web:Tag\"}\n", ""),
    ("another case of the name", "a: x # {\"$imagepolicy\": \"apps:web:NAME\"}\n", ""),
    ("a slash", "a: x # {\"$imagepolicy\": \"apps/web\"}\n", ""),
    ("no namespace", "a: x # {\"$imagepolicy\": \"web\"}\n", ""),
    ("an empty namespace", "a: x # {\"$imagepolicy\": \":web\"}\n", ""),
    ("an empty name", "a: x # {\"$imagepolicy\": \"apps:\"}\n", ""),
    ("nothing", "a: x # {\"$imagepolicy\": \"\"}\n", ""),
    ("a blank in the reference", "a: x # {\"$imagepolicy\": \"apps: web\"}\n", ""),
    ("a blank after the reference", "a: x # {\"$imagepolicy\": \"apps:web \"}\n", ""),
    ("an unknown part", "a: x # {\"$imagepolicy\": \"apps:web:version\"}\n", ""),
    ("a fourth part", "a: x # {\"$imagepolicy\": \"apps:web:tag:tag\"}\n", ""),
    ("above an entry", "@tag\na: x\n", ""),
    ("above a nested entry", "b:\n  @tag\n  a: x\n", ""),
    ("above an entry in an item", "- b: y\n  @tag\n  a: x\n", ""),
    ("above an item that is a mapping", "- y\n@tag\n- a: x\n", ""),
    ("at the foot", "a: x\n@tag\n", ""),
    ("at the foot, after a blank line", "a: x\n\n@tag\n", ""),
    ("behind the key of a mapping", "a: @tag\n  b: x\n", ""),
    ("behind the key of a sequence", "a: @tag\n- x\n", ""),
    ("on an empty value", "a: @tag\nb: x\n", ""),
    ("on an empty value at the end", "b: x\na: @tag\n", ""),
    ("on an alias", "b: &b x\na: *b @tag\n", ""),
    ("on an alias in a sequence", "b: &b x\na:\n- *b @tag\n", ""),
    ("after a flow mapping on one line", "a: {b: x} @tag\n", ""),
    ("after a flow sequence on one line", "a: [x] @tag\n", ""),
    ("after the end of a flow mapping", "a: {\n  b: x\n} @tag\n", ""),
    ("in the text of a block", "a: |\n  b: x @tag\n", ""),
    ("in the text of a folded block", "a: >\n  b: x @tag\n", ""),
    ("in single quotes", "a: 'x @tag'\n", ""),
    ("in quotes over two lines", "a: 'x\n  y @tag'\n", ""),
    ("no blank before the sign", "a: x#{\"$imagepolicy\":\"apps:web:tag\"}\n", ""),
    ("two markers in one comment", "a: x @tag @tag\n", ""),
    ("a comment on the line hides the one above", "- y\n@tag\n- x # pinned\n", ""),
    ("on a separator", "--- @tag\na: x\n", ""),
    ("alone in the file", "@tag\n", ""),
    ("the long form alone", "a: x # {\"$ref\": \"#/definitions/io.k8s.cli.setters.apps:web:tag\"}\n", ""),
    ("behind a key in an explicit pair", "? a @tag\n: x\n", ""),
];

const BYTES: &[Case] = &[
    ("a byte order mark", "\u{feff}a: x @tag\n", "\u{feff}a: 1.4.0 @tag\n"),
    ("Windows line ends", "a: x @tag\r\nb: y\r\n", "a: 1.4.0 @tag\r\nb: y\r\n"),
    ("Windows line ends and a byte order mark", "\u{feff}# c\r\na: 'x' @tag\r\n", "\u{feff}# c\r\na: '1.4.0' @tag\r\n"),
    ("mixed line ends", "b: y\r\na: x @tag\nc: z\r\n", "b: y\r\na: 1.4.0 @tag\nc: z\r\n"),
    ("old Macintosh line ends", "b: y\ra: x @tag\rc: z", "b: y\ra: 1.4.0 @tag\rc: z"),
    ("a block with Windows line ends", "a: | @tag\r\n  x\r\nb: y\r\n", "a: |- @tag\r\n  1.4.0\r\nb: y\r\n"),
    ("no last line end", "a: x @tag", "a: 1.4.0 @tag"),
    ("no last line end in a block", "a: |- @tag\n  x", "a: |- @tag\n  1.4.0"),
    ("tabs in comments", "b: y\t#\tz\t\na: x\t@tag\t\n", "b: y\t#\tz\t\na: 1.4.0\t@tag\t\n"),
    ("blank lines", "\n\n\na: x @tag\n\n\n\nb: y\n\n", "\n\n\na: 1.4.0 @tag\n\n\n\nb: y\n\n"),
    ("trailing blanks elsewhere", "b: y   \na: x @tag\nc: z \t\n", "b: y   \na: 1.4.0 @tag\nc: z \t\n"),
    (
        "a licence above the separator",
        "# Licence\n#  2 spaces\n---\na: x @tag\n",
        "# Licence\n#  2 spaces\n---\na: 1.4.0 @tag\n",
    ),
    (
        "comments everywhere",
        "# 1\na: x @tag\n  # 2\n# 3\nb: y # 4\n# 5\n",
        "# 1\na: 1.4.0 @tag\n  # 2\n# 3\nb: y # 4\n# 5\n",
    ),
    (
        "odd indentation",
        "b:\n       c:\n        - d\na:\n   e: x @tag\n",
        "b:\n       c:\n        - d\na:\n   e: 1.4.0 @tag\n",
    ),
    ("two ways of sequences", "b:\n- c\nd:\n    - e\na: x @tag\n", "b:\n- c\nd:\n    - e\na: 1.4.0 @tag\n"),
    ("emoji in a value", "b: \"😀 \\U0001F600\"\na: x @tag\n", "b: \"😀 \\U0001F600\"\na: 1.4.0 @tag\n"),
    ("emoji on the line", "😀: x @tag\n", "😀: 1.4.0 @tag\n"),
    ("emoji in a comment", "# 😀\na: x @tag\n", "# 😀\na: 1.4.0 @tag\n"),
    ("emoji in a block", "b: |\n  😀  \na: x @tag\n", "b: |\n  😀  \na: 1.4.0 @tag\n"),
    ("a folded text elsewhere", "b: >\n  one\n\n  two\n\na: x @tag\n", "b: >\n  one\n\n  two\n\na: 1.4.0 @tag\n"),
    ("plain text over lines elsewhere", "b: one\n  two\na: x @tag\n", "b: one\n  two\na: 1.4.0 @tag\n"),
    ("quotes elsewhere", "b: 'c'\nd: \"e\\/f\"\na: x @tag\n", "b: 'c'\nd: \"e\\/f\"\na: 1.4.0 @tag\n"),
    (
        "numbers elsewhere",
        "b: 0x1F\nc: 1_000\nd: 1.10\ne: ~\nf: null\na: x @tag\n",
        "b: 0x1F\nc: 1_000\nd: 1.10\ne: ~\nf: null\na: 1.4.0 @tag\n",
    ),
    ("flow collections elsewhere", "b: [ 1,2 , {c:   d} ,]\na: x @tag\n", "b: [ 1,2 , {c:   d} ,]\na: 1.4.0 @tag\n"),
    (
        "empty annotations",
        "metadata:\n  annotations: {}\n  labels:\na: x @tag\n",
        "metadata:\n  annotations: {}\n  labels:\na: 1.4.0 @tag\n",
    ),
    ("a template that is YAML", "name: {{ .Release.Name }}\na: x @tag\n", "name: {{ .Release.Name }}\na: 1.4.0 @tag\n"),
    (
        "documents that hold nothing",
        "---\n# nothing\n---\na: x @tag\n---\n...\n",
        "---\n# nothing\n---\na: 1.4.0 @tag\n---\n...\n",
    ),
    (
        "two directives",
        "%YAML 1.2\n%TAG ! tag:example.org,2000:\n---\na: x @tag\n",
        "%YAML 1.2\n%TAG ! tag:example.org,2000:\n---\na: 1.4.0 @tag\n",
    ),
    ("an old directive", "%YAML 1.1\n---\na: x @tag\n", "%YAML 1.1\n---\na: 1.4.0 @tag\n"),
];

#[test]
#[allow(clippy::print_stdout)]
fn every_line_of_what_a_marker_is_and_is_not() {
    let counts = [run(RECOGNISED), run(NOT_RECOGNISED), run(BYTES)];
    println!("{counts:?} cases");
    assert!(counts.iter().sum::<usize>() >= 120, "{counts:?}");
}

/// Values that an old or a new reader of YAML takes for something else than text, and values that none does.
const OTHER_TYPES: &[&str] = &[
    "1",
    "0",
    "-1",
    "+1",
    "1_000",
    "0777",
    "0o17",
    "0x1f",
    "0b11",
    "1.10",
    "1.",
    "-0.5",
    "1e3",
    "123e4567",
    "1.5e-3",
    "true",
    "True",
    "TRUE",
    "false",
    "yes",
    "Yes",
    "no",
    "NO",
    "on",
    "On",
    "off",
    "OFF",
    "y",
    "Y",
    "n",
    "N",
    "null",
    "Null",
    "NULL",
    "~",
    "2024-01-02",
    "2024-1-2",
    "2024-01-02T03:04:05Z",
    "20240102030405",
    "12:30:45",
    "1:20",
    "190:20:30.15",
    ".inf",
    "-.inf",
    ".NaN",
    ".5",
    "<<",
    "=",
];
const TEXT: &[&str] = &[
    "1.2.3",
    "v1",
    "v1.10",
    "abc1234",
    "1.10-rc.1",
    "1.4.0",
    "main-abc1234-1707300000",
    "latest",
    "nope",
    "truely",
    "7.4-alpine",
    "20251203-0536-sha-1972e38",
    "0.0.0-20240102",
    "1e3x",
    "0x1g",
    "2024-01",
    "2024-01-02-3",
    "_1",
];

#[test]
fn a_plain_value_is_quoted_exactly_where_some_reader_would_take_it_for_another_type() {
    use crate::markers::{NewImage, edit};
    let image = |tag: &str| NewImage { name: "ghcr.io/acme/web".to_owned(), tag: tag.to_owned(), digest: None };
    let written = |before: &str, tag: &str| {
        let text = with_markers(&format!("a: {before} @tag\n"));
        let edited = edit("a.yaml", text.as_bytes(), &[], &|_| Some(image(tag))).unwrap();
        assert_eq!(edited.problems, [], "{before} {tag}");
        let after = String::from_utf8(edited.bytes).unwrap();
        // A reader of values gets text, whatever the tag looks like.
        let read: std::collections::BTreeMap<String, serde_json::Value> = serde_saphyr::from_str(&after).unwrap();
        assert_eq!(read["a"], serde_json::Value::String(tag.to_owned()), "{after}");
        after.strip_prefix("a: ").and_then(|rest| rest.split_once(" #")).unwrap().0.to_owned()
    };
    for tag in OTHER_TYPES {
        for before in ["x", "1.10", "true", "~", "2024-01-02", "&a x"] {
            let anchor = if before.starts_with('&') { "&a " } else { "" };
            let unchanged = before == *tag;
            if !unchanged {
                assert_eq!(written(before, tag), format!("{anchor}\"{tag}\""));
            }
        }
    }
    for tag in TEXT {
        for before in ["x", "1.10", "1", "true", "~", "0777"] {
            assert_eq!(written(before, tag), *tag);
        }
    }
    for tag in OTHER_TYPES.iter().chain(TEXT) {
        assert_eq!(written("'x'", tag), format!("'{tag}'"));
        assert_eq!(written("\"x\"", tag), format!("\"{tag}\""));
        assert_eq!(written("!!str x", tag).replace('"', ""), format!("!!str {tag}"));
    }
}

#[test]
fn a_type_that_is_wrong_for_an_image_is_never_written_and_never_kept_silently() {
    for (tag, value) in
        [("!!float", "1.10"), ("!!int", "1"), ("!!bool", "true"), ("!!null", "~"), ("!!timestamp", "2024-01-02")]
    {
        let text = with_markers(&format!("a: {tag} {value} @tag\n"));
        let edited = edited(&text);
        assert_eq!(
            (edited.bytes.as_slice(), edited.changes.len(), edited.problems.len()),
            (text.as_bytes(), 0, 1),
            "{tag}"
        );
    }
    for value in ["1.10", "1", "true", "~", "2024-01-02", "0x1f", ".inf"] {
        let after = result(&with_markers(&format!("a: {value} @tag\n")));
        assert!(!after.contains("!!"), "{after}");
    }
}
