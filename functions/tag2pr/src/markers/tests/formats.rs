//! The same marker in every format but YAML: what changes, and what is told.
//!
//! `%tag` stands for the object of the marker, `{"$imagepolicy": "apps:web:tag"}`, and so on.

use super::selected;
use crate::markers::{FieldRule, edit, read};

/// The file's name, the file before, and after; an empty `after` says that nothing changes and that somebody is told.
type Case = (&'static str, &'static str, &'static str);

fn with_markers(text: &str) -> String {
    [("%ref", "apps:web"), ("%name", "apps:web:name"), ("%tag", "apps:web:tag")]
        .iter()
        .fold(text.to_owned(), |text, (short, setter)| {
            text.replace(short, &format!("{{\"$imagepolicy\": \"{setter}\"}}"))
        })
}

const CASES: &[Case] = &[
    // TOML
    ("a.toml", "tag = \"x\" # %tag\n", "tag = \"1.4.0\" # %tag\n"),
    (
        "a.toml",
        "[image] # web\r\ntag   =   'x'\t# %tag\r\n[b]\r\n",
        "[image] # web\r\ntag   =   '1.4.0'\t# %tag\r\n[b]\r\n",
    ),
    ("a.toml", "\u{feff}# %tag\ntag = \"x\"\n", "\u{feff}# %tag\ntag = \"1.4.0\"\n"),
    ("a.toml", "tag = 1.10 # %tag\n", "tag = \"1.4.0\" # %tag\n"),
    ("a.toml", "tag = 2024-01-02 # %tag", "tag = \"1.4.0\" # %tag"),
    (
        "a.toml",
        "images = [\n  'a', # %name\n  \"b\" # %ref\n]\n",
        "images = [\n  'ghcr.io/acme/web', # %name\n  \"ghcr.io/acme/web:1.4.0\" # %ref\n]\n",
    ),
    ("a.toml", "a = { b = \"y\", tag = \"x\" } # %tag\n", ""),
    ("a.toml", "a = [\"x\"] # %tag\n", ""),
    ("a.toml", "tag = \"\"\"\nx # %tag\n\"\"\"\n", ""),
    ("a.toml", "tag = \"\"\"x\"\"\" # %tag\n", ""),
    ("a.toml", "[table] # %tag\ntag = \"x\"\n", ""),
    ("a.toml", "tag = \"x\" # %tag pinned\n", ""),
    ("a.toml", "text = 'y # %tag'\ntag = \"x\" # %tag\n", "text = 'y # %tag'\ntag = \"1.4.0\" # %tag\n"),
    ("a.toml", "# 😀\n[[a]]\nb.\"c d\".tag=\"x\"# %tag\n", "# 😀\n[[a]]\nb.\"c d\".tag=\"1.4.0\"# %tag\n"),
    // HCL
    ("main.tf", "locals {\n  tag = \"x\" # %tag\n}\n", "locals {\n  tag = \"1.4.0\" # %tag\n}\n"),
    (
        "main.tf",
        "locals {\r\n  tag    = \"x\" // %tag\r\n  b=1\r\n}\r\n",
        "locals {\r\n  tag    = \"1.4.0\" // %tag\r\n  b=1\r\n}\r\n",
    ),
    ("a.tfvars", "tag = 1.10 # %tag\nother = true", "tag = \"1.4.0\" # %tag\nother = true"),
    (
        "a.hcl",
        "service \"web\" {\n  # %ref\n  image = \"x:1\"\n}\n",
        "service \"web\" {\n  # %ref\n  image = \"ghcr.io/acme/web:1.4.0\"\n}\n",
    ),
    (
        "a.nomad",
        "config {\n  images = [\n    \"x\", # %name\n    \"y\",\n  ]\n}\n",
        "config {\n  images = [\n    \"ghcr.io/acme/web\", # %name\n    \"y\",\n  ]\n}\n",
    ),
    ("a.tf", "a = { tag = \"x\", # %tag\n b = 1 }\n", "a = { tag = \"1.4.0\", # %tag\n b = 1 }\n"),
    ("a.tf", "a = f(\n  \"x\", # %tag\n  \"y\"\n)\n", "a = f(\n  \"1.4.0\", # %tag\n  \"y\"\n)\n"),
    ("a.tf", "tag = \"${var.x}:1\" # %tag\n", ""),
    ("a.tf", "tag = var.x # %tag\n", ""),
    ("a.tf", "text = <<EOT\ntag = \"x\" # %tag\nEOT\n", ""),
    ("a.tf", "resource \"a\" \"b\" { # %tag\n}\n", ""),
    ("a.tf", "é = \"😀\"\ntag = \"x\" # %tag\n", "é = \"😀\"\ntag = \"1.4.0\" # %tag\n"),
    // JSON with comments
    ("a.json5", "{\n  tag: 'x', // %tag\n}\n", "{\n  tag: '1.4.0', // %tag\n}\n"),
    ("a.jsonc", "{\r\n\t\"tag\": \"x\" // %tag\r\n}", "{\r\n\t\"tag\": \"1.4.0\" // %tag\r\n}"),
    (
        "a.json",
        "{\n  // %tag\n  \"tag\": \"x\",\n  \"b\": \"\\u00e9\\/\"\n}\n",
        "{\n  // %tag\n  \"tag\": \"1.4.0\",\n  \"b\": \"\\u00e9\\/\"\n}\n",
    ),
    ("a.json5", "{ tag: 1.10 // %tag\n}", "{ tag: \"1.4.0\" // %tag\n}"),
    ("a.json5", "{ a: {tag: 'x'} // %tag\n}", ""),
    (
        "a.json",
        "{\"note\": \"{\\\"$imagepolicy\\\"\", \"tag\": \"x\" // %tag\n}",
        "{\"note\": \"{\\\"$imagepolicy\\\"\", \"tag\": \"1.4.0\" // %tag\n}",
    ),
    // .env, INI, properties, Makefiles
    (".env", "A=1\nIMAGE=x:1 # %ref\n", "A=1\nIMAGE=ghcr.io/acme/web:1.4.0 # %ref\n"),
    (".env.production", "# %ref\r\nIMAGE=x:1\r\n", "# %ref\r\nIMAGE=ghcr.io/acme/web:1.4.0\r\n"),
    ("deploy/prod.env", "export TAG='x' # %tag\n", "export TAG='1.4.0' # %tag\n"),
    ("a.properties", "image.tag = x # %tag\n", "image.tag = 1.4.0 # %tag\n"),
    ("a.properties", "# %tag\nimage.tag=x", "# %tag\nimage.tag=1.4.0"),
    ("a.ini", "[web]\ntag = x ; %tag\n", "[web]\ntag = 1.4.0 ; %tag\n"),
    ("a.ini", "; %tag\ntag: 1.10\n", "; %tag\ntag: 1.4.0\n"),
    ("web.container", "[Container]\n# %ref\nImage=x:1\n", "[Container]\n# %ref\nImage=ghcr.io/acme/web:1.4.0\n"),
    ("Makefile", "IMAGE ?= x:1 # %ref\nall:\n\techo\n", "IMAGE ?= ghcr.io/acme/web:1.4.0 # %ref\nall:\n\techo\n"),
    ("rules.mk", "TAG := x  # %tag\n", "TAG := 1.4.0  # %tag\n"),
    (".env", "IMAGE=$BASE:1 # %ref\n", ""),
    (".env", "IMAGE= # %ref\n", ""),
    (".env", "IMAGE=a b # %ref\n", ""),
    ("Makefile", "IMAGE = $(BASE):1 # %ref\n", ""),
    (".env", "# %ref\n\nIMAGE=x\n", ""),
    // Dockerfiles
    ("Dockerfile", "# %ref\nFROM x:1\nRUN true\n", "# %ref\nFROM ghcr.io/acme/web:1.4.0\nRUN true\n"),
    (
        "Dockerfile",
        "# %ref\r\nFROM --platform=linux/amd64 x:1 AS build\r\n",
        "# %ref\r\nFROM --platform=linux/amd64 ghcr.io/acme/web:1.4.0 AS build\r\n",
    ),
    ("docker/web.Dockerfile", "# %tag\nARG TAG=x\nFROM web:${TAG}\n", "# %tag\nARG TAG=1.4.0\nFROM web:${TAG}\n"),
    ("Dockerfile.web", "# %tag\nENV TAG=\"x\"\n", "# %tag\nENV TAG=\"1.4.0\"\n"),
    ("Containerfile", "# %ref\nCOPY --from=x:1 /a /b\n", "# %ref\nCOPY --from=ghcr.io/acme/web:1.4.0 /a /b\n"),
    ("Dockerfile", "# %ref\nFROM $BASE\n", ""),
    ("Dockerfile", "# %ref\nRUN true\n", ""),
    ("Dockerfile", "FROM x:1\n# %ref\n", ""),
    // Programs
    (
        "a.jsonnet",
        "{\n  image: 'x:1', // %ref\n  b:: $.c,\n}\n",
        "{\n  image: 'ghcr.io/acme/web:1.4.0', // %ref\n  b:: $.c,\n}\n",
    ),
    ("a.libsonnet", "local tag = \"x\"; # %tag\n", "local tag = \"1.4.0\"; # %tag\n"),
    (
        "index.ts",
        "const image: string = \"x:1\"; // %ref\n",
        "const image: string = \"ghcr.io/acme/web:1.4.0\"; // %ref\n",
    ),
    ("a.py", "TAG = 'x'  # %tag\n", "TAG = '1.4.0'  # %tag\n"),
    ("a.sh", "#!/bin/sh\nTAG=\"x\" # %tag\n", "#!/bin/sh\nTAG=\"1.4.0\" # %tag\n"),
    ("Tiltfile", "# %ref\nimage = 'x:1'\n", "# %ref\nimage = 'ghcr.io/acme/web:1.4.0'\n"),
    ("a.jsonnet", "{ image: 'x:' + tag } // %ref\n", ""),
    ("index.ts", "run(\"x:1\", \"y\"); // %ref\n", ""),
    // XML
    ("pom.xml", "<a>\n  <tag>x</tag> <!-- %tag -->\n</a>\n", "<a>\n  <tag>1.4.0</tag> <!-- %tag -->\n</a>\n"),
    (
        "a.csproj",
        "<!-- %ref -->\r\n<ContainerBaseImage>x:1</ContainerBaseImage>\r\n",
        "<!-- %ref -->\r\n<ContainerBaseImage>ghcr.io/acme/web:1.4.0</ContainerBaseImage>\r\n",
    ),
    ("a.xml", "<add value=\"x\"/> <!-- %tag -->\n", "<add value=\"1.4.0\"/> <!-- %tag -->\n"),
    ("a.xml", "<add key=\"y\" value=\"x\"/> <!-- %tag -->\n", ""),
    // Templates
    (
        "web.yaml",
        "{{- if .Values.on }}\nimage: x:1 # %ref\n{{- end }}\n",
        "{{- if .Values.on }}\nimage: ghcr.io/acme/web:1.4.0 # %ref\n{{- end }}\n",
    ),
    (
        "_web.tpl",
        "{{- define \"web\" }}\r\n  - image: 'x:1'   # %ref\r\n{{- end }}",
        "{{- define \"web\" }}\r\n  - image: 'ghcr.io/acme/web:1.4.0'   # %ref\r\n{{- end }}",
    ),
    ("web.yml", "{% if on %}\ntag: 1.10 # %tag\n{% endif %}\n", "{% if on %}\ntag: 1.4.0 # %tag\n{% endif %}\n"),
    (
        "web.yaml",
        "{{- if .on }}\n- x # %tag\n- \"y\"\n{{- end }}\n",
        "{{- if .on }}\n- 1.4.0 # %tag\n- \"y\"\n{{- end }}\n",
    ),
    ("web.yaml", "{{- if .on }}\nimage: {{ .x }} # %ref\n{{- end }}\n", ""),
    ("web.yaml", "{{- if .on }}\nimage: \"{{ .x }}:1\" # %ref\n{{- end }}\n", ""),
    ("web.yaml", "{{- if .on }}\ntext: |\n  {{- if .b }}\n  image: x:1 # %ref\n  {{- end }}\n{{- end }}\n", ""),
    ("web.yaml", "{{- if .on }}\nimage: # %ref\n{{- end }}\n", ""),
    ("web.yaml", "{{- if .on }}\nimage: *web # %ref\n{{- end }}\n", ""),
];

#[test]
#[allow(clippy::print_stdout)]
fn the_value_at_a_marker_changes_and_no_other_byte() {
    for (path, before, after) in CASES {
        let before = with_markers(before);
        let unchanged = after.is_empty();
        let after = if unchanged { before.clone() } else { with_markers(after) };
        let edited = edit(path, before.as_bytes(), &[], &selected).unwrap();
        assert_eq!(String::from_utf8(edited.bytes).unwrap(), after, "{path}");
        assert_eq!(edited.problems, [], "{path}: {before}");
        let again = edit(path, after.as_bytes(), &[], &selected).unwrap();
        assert_eq!((again.changes.len(), again.bytes), (0, after.clone().into_bytes()), "{path}: {after}");
        let strays = read(path, before.as_bytes(), &[]).unwrap().strays;
        assert!(!unchanged || !strays.is_empty(), "{path}: passed over without a word: {before}");
        super::goes_there_and_back(path, &after, &[]);
    }
    println!("{} cases", CASES.len());
}

#[test]
fn a_comment_that_a_program_would_take_for_something_else_is_named() {
    let text = with_markers("FROM x:1 # %ref\n");
    let told = read("Dockerfile", text.as_bytes(), &[]).unwrap();
    assert_eq!(told.markers.len(), 1, "it is updated all the same");
    insta::assert_snapshot!(told.strays[0], @"Dockerfile:1:13: a Dockerfile has no comments behind an instruction: put the marker alone on the line above");
}

#[test]
fn a_file_that_its_parser_refuses_has_a_place_and_a_reason() {
    let problem = |path: &str, text: &str| {
        let problem = edit(path, with_markers(text).as_bytes(), &[], &selected).unwrap_err();
        problem.to_string()
    };
    insta::assert_snapshot!(
        [
            problem("a.toml", "tag = \"x\" # %tag\nb = [1\n"),
            problem("a.tf", "tag = \"x\" # %tag\nb {\n"),
            problem("a.json", "{\"tag\": \"x\" // %tag\n"),
        ]
        .join("\n")
    );
    for (path, open) in [("a.json", "["), ("a.toml", "a = ["), ("a.tf", "a = [")] {
        let deep = format!("// %tag\n# %tag\n{}", open.to_owned() + &"[".repeat(100_000));
        assert!(edit(path, with_markers(&deep).as_bytes(), &[], &selected).is_err(), "{path}");
    }
}

#[test]
fn a_file_that_is_broken_and_no_template_is_left_alone_and_named() {
    let text = with_markers("image: x:1 # %ref\ntorn: [\n");
    let problem = edit("a.yaml", text.as_bytes(), &[], &selected).unwrap_err();
    insta::assert_snapshot!(problem, @"a.yaml:2:7: this is no valid YAML: unclosed bracket '['");
}

#[test]
fn an_encrypted_file_is_refused_with_the_reason() {
    let yaml = with_markers(
        "image: x:1 # %ref\npassword: ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]\nsops:\n  mac: ENC[AES256_GCM,data:d,iv:e,tag:f,type:str]\n",
    );
    let env = with_markers("# %ref\nIMAGE=x:1\nPASSWORD=ENC[AES256_GCM,data:a]\nsops_mac=ENC[AES256_GCM,data:d]\n");
    for (path, text) in [("a.yaml", &yaml), ("a.env", &env)] {
        let problem = edit(path, text.as_bytes(), &[], &selected).unwrap_err();
        assert!(problem.reason.starts_with("the file is encrypted with SOPS"), "{problem}");
        assert_eq!(problem.file, path);
    }
    let rule = rules("[{ files: a.json, at: $.image, policy: apps/web }]");
    let json = "{\"image\": \"x\", \"sops\": {\"mac\": \"ENC[AES256_GCM,data:d]\"}}";
    assert!(edit("a.json", json.as_bytes(), &rule, &selected).is_err());
    // Without a marked value there is nothing to refuse.
    assert!(read("a.yaml", yaml.replace("# {", "# x {").as_bytes(), &[]).is_ok());
}

fn rules(text: &str) -> Vec<FieldRule> {
    crate::problem::read_yaml("rules", text).unwrap()
}

#[test]
fn a_rule_updates_what_is_there_and_adds_nothing() {
    let rules = rules(
        "[{ files: ['devices/*.json', '**/*.gen.yaml'], at: ['$.services[*].config.image', '$.services[*].imageName'], policy: apps/web },
          { files: '**/values.json', at: '$..tag', policy: apps/web, part: tag },
          { files: '**/values.json', at: '$..repository', policy: apps/web, part: name }]",
    );
    for (path, before, after) in [
        (
            "devices/a.json",
            "{\"services\": [{\"imageName\": \"x\"}, {\"config\": {\"image\":\"x\"}}, {}, 1]}",
            "{\"services\": [{\"imageName\": \"ghcr.io/acme/web:1.4.0\"}, {\"config\": {\"image\":\"ghcr.io/acme/web:1.4.0\"}}, {}, 1]}",
        ),
        (
            "devices/a.json",
            "\u{feff}{ \"services\" :\r\n[\t{\"imageName\" : 'x' ,}] } // c\r\n",
            "\u{feff}{ \"services\" :\r\n[\t{\"imageName\" : 'ghcr.io/acme/web:1.4.0' ,}] } // c\r\n",
        ),
        ("devices/a.json", "{\"services\": [{\"imageName\": null}, {\"imageName\": {}}, {\"config\": []}]}", ""),
        ("devices/a.json", "{\"imageName\": \"x\", \"services\": {\"imageName\": \"x\"}}", ""),
        ("devices/a.json", "", ""),
        ("devices/deep/a.json", "{\"services\": [{\"imageName\": \"x\"}]}", ""),
        (
            "a.gen.yaml",
            "services:\n- imageName: x   \n- config: {image: 'x'}\n- {}\n",
            "services:\n- imageName: ghcr.io/acme/web:1.4.0   \n- config: {image: 'ghcr.io/acme/web:1.4.0'}\n- {}\n",
        ),
        (
            "b/a.gen.yaml",
            "services:\n- imageName:\n- imageName: ~\n- imageName: |\n    x\n- ? [imageName]\n  : x\n",
            "services:\n- imageName:\n- imageName: ~\n- imageName: |-\n    ghcr.io/acme/web:1.4.0\n- ? [imageName]\n  : x\n",
        ),
        (
            "values.json",
            "{\"a\": {\"tag\": 1.10, \"repository\": \"y\"}, \"tag\": \"x\"}",
            "{\"a\": {\"tag\": \"1.4.0\", \"repository\": \"ghcr.io/acme/web\"}, \"tag\": \"1.4.0\"}",
        ),
    ] {
        let after = if after.is_empty() { before } else { after };
        let edited = edit(path, before.as_bytes(), &rules, &selected).unwrap();
        assert_eq!(String::from_utf8(edited.bytes).unwrap(), after, "{path}");
        assert_eq!(edited.problems, []);
        super::goes_there_and_back(path, after, &rules);
    }
}

#[test]
fn a_marker_says_more_than_a_rule() {
    let rules = rules("[{ files: a.yaml, at: $.tag, policy: apps/api, part: tag }]");
    let text = with_markers("tag: x # %tag\n");
    let read = read("a.yaml", text.as_bytes(), &rules).unwrap();
    assert_eq!(
        read.markers.iter().map(|marker| (marker.setter.to_string(), marker.by_rule)).collect::<Vec<_>>(),
        [("apps:web:tag".to_owned(), false)]
    );
}
