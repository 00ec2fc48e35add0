use super::*;
use std::fmt::Write;

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn one(text: &str) -> Found {
    read(&[file("images.yaml", text)])
}

fn shown(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |mut all, problem| {
        let _ = writeln!(all, "{problem}");
        all
    })
}

const HOME_LAB: &str = r#"# What the cluster at home watches
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImageRepository
metadata:
  name: backend
  namespace: flux-system
spec:
  image: 192.168.0.40:5000/backend
  interval: 1m0s
  secretRef:
    name: harbor
  insecure: true # no TLS at home
  exclusionList: ["^cache-", '\.sig$']
  accessFrom:
    namespaceSelectors:
    - matchLabels: {kubernetes.io/metadata.name: shop}
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImagePolicy
metadata:
  name: backend
  namespace: flux-system
  labels: {team: shop}
spec:
  imageRepositoryRef:
    name: backend
  policy:
    alphabetical:
      order: asc
  filterTags:
    pattern: '^main-[a-f0-9]{7}-(?P<ts>[0-9]{10})$'
    extract: $ts
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImageUpdateAutomation
metadata: {name: home, namespace: flux-system}
spec:
  interval: 1m0s
  sourceRef: {kind: GitRepository, name: home, namespace: sources}
  git:
    checkout: {ref: {branch: main}}
    commit:
      author: {name: bot, email: bot@acme.example}
      messageTemplate: |
        Update {{ range .Changed.Changes }}{{ .NewValue }}{{ end }}
      messageTemplateValues: {cluster: home}
    push: {branch: updates}
  policySelector:
    matchLabels: {team: shop}
    matchExpressions:
    - {key: tier, operator: NotIn, values: [test]}
  update: {path: ./clusters/home, strategy: Setters}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: home, namespace: sources}
spec: {url: "ssh://git@git.acme.example/fleet", ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: home}
"#;

#[test]
fn a_repository_is_read_with_the_place_of_everything() {
    let found = one(HOME_LAB);
    assert_eq!((shown(&found.problems), shown(&found.notes)), (String::new(), String::new()));

    let repository = &found.repositories[0];
    assert_eq!((repository.image.value.as_str(), repository.insecure), ("192.168.0.40:5000/backend", true));
    assert_eq!(repository.image.place.to_string(), "images.yaml:9:10");
    let exclusions: Vec<&str> = repository.exclusion_list.iter().map(|at| at.value.as_str()).collect();
    assert_eq!(exclusions, ["^cache-", r"\.sig$"]);
    assert_eq!(repository.access_from.len(), 1);
    assert_eq!(repository.access_from[0]["kubernetes.io/metadata.name"], "shop");

    let policy = &found.policies[0];
    assert_eq!(policy.object.place.to_string(), "images.yaml:19:1");
    assert_eq!(policy.image_repository, Reference { name: "backend".to_owned(), namespace: None });
    let order = policy.alphabetical.clone().unwrap().order.unwrap();
    assert_eq!((order.value.as_str(), order.place.to_string().as_str()), ("asc", "images.yaml:30:14"));
    assert_eq!(policy.pattern.as_ref().unwrap().place.to_string(), "images.yaml:32:14");
    assert_eq!(policy.extract.as_ref().unwrap().value, "$ts");
    assert!(policy.numerical.is_none() && policy.semver_range.is_none() && !policy.suspend);

    let automation = &found.automations[0];
    assert_eq!(automation.source.namespace.as_deref(), Some("sources"));
    assert_eq!(automation.checkout.as_ref().unwrap().branch.as_ref().unwrap().value, "main");
    assert_eq!(automation.push_branch.as_ref().unwrap().value, "updates");
    assert_eq!(automation.author_email.as_deref(), Some("bot@acme.example"));
    assert_eq!(automation.path.as_ref().unwrap().value, "./clusters/home");
    assert_eq!(automation.message_template_values["cluster"], "home");
    assert!(automation.message_template.as_ref().unwrap().value.ends_with("{{ end }}\n"));
    let selector = automation.policies.as_ref().unwrap();
    assert!(selector.matches(&policy.object.labels));
    assert!(!selector.matches(&BTreeMap::new()));

    let source = &found.git_repositories[0];
    assert_eq!(source.url.value, "ssh://git@git.acme.example/fleet");
    assert_eq!(source.reference.as_ref().unwrap().branch.as_ref().unwrap().value, "main");
}

#[test]
fn every_served_version_is_read_and_older_ones_are_named() {
    for version in ["v1beta1", "v1beta2", "v1"] {
        let found =
            one(&HOME_LAB.replace("image.toolkit.fluxcd.io/v1beta2", &format!("image.toolkit.fluxcd.io/{version}")));
        assert_eq!((found.policies.len(), found.repositories.len(), found.automations.len()), (1, 1, 1), "{version}");
    }
    let old = one("apiVersion: image.toolkit.fluxcd.io/v1alpha1\nkind: ImagePolicy\nmetadata: {name: a}\n");
    insta::assert_snapshot!(shown(&old.problems), @"images.yaml:1:1: ImagePolicy: `image.toolkit.fluxcd.io/v1alpha1` is no version that can be read: use `image.toolkit.fluxcd.io/v1`");
}

#[test]
fn wrong_shapes_are_problems_with_a_place_and_the_others_go_on() {
    let found = one(r#"
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: list, namespace: apps}
spec: [a, b]
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: number, namespace: apps}
spec:
  imageRepositoryRef: {name: 42}
  policy:
    numerical: {order: 7}
  suspend: "yes"
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {namespace: apps}
spec:
  imageRepositoryRef: {name: web}
  policy: {semver: {range: 1.0}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: empty, namespace: apps}
spec: {image: "", exclusionList: "^x"}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: bot, namespace: apps}
spec:
  sourceRef: {name: fleet}
  policySelector:
    matchExpressions:
    - {key: a, operator: Near}
    - {key: a, operator: In}
    - {operator: Exists}
---
kind: ImagePolicy
apiVersion: image.toolkit.fluxcd.io/v1
metadata: {name: {{ .Values.name }}, namespace: apps}
spec: {imageRepositoryRef: {name: web}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: good, namespace: apps}
spec: {imageRepositoryRef: {name: web}, policy: {alphabetical: {}, numerical: }, unknown: {a: [1]}}
"#);
    insta::assert_snapshot!(shown(&found.problems), @r#"
    images.yaml:5:7: ImagePolicy apps/list: `spec` is a list, but must be a mapping
    images.yaml:13:24: ImagePolicy apps/number: `spec.policy.numerical.order` must be text, but `7` without quotes is not: write "7"
    images.yaml:11:30: ImagePolicy apps/number: `spec.imageRepositoryRef.name` must be text, but `42` without quotes is not: write "42"
    images.yaml:14:12: ImagePolicy apps/number: `spec.suspend` must be true or false, without quotes
    images.yaml:16:1: ImagePolicy: `metadata.name` is missing
    images.yaml:21:28: ImagePolicy: `spec.policy.semver.range` must be text, but `1.0` without quotes is not: write "1.0"
    images.yaml:26:15: ImageRepository apps/empty: `spec.image` is missing
    images.yaml:26:34: ImageRepository apps/empty: `spec.exclusionList` is text, but must be a list
    images.yaml:35:26: ImageUpdateAutomation apps/bot: `Near` is no operator: use In, NotIn, Exists or DoesNotExist
    images.yaml:36:26: ImageUpdateAutomation apps/bot: operator `In` needs `values`
    images.yaml:37:7: ImageUpdateAutomation apps/bot: `key` is missing
    images.yaml:41:18: ImagePolicy: `metadata.name` is a mapping, but must be text
    "#);
    let names: Vec<&str> = found.policies.iter().map(|policy| policy.object.name.as_str()).collect();
    assert_eq!(names, ["good"]);
    assert_eq!(found.policies[0].alphabetical, Some(Order { order: None }));
    assert_eq!(found.policies[0].numerical, None);
    assert!(found.repositories.is_empty() && found.automations.is_empty());
}

#[test]
fn lists_anchors_and_merged_mappings_are_read_like_the_objects_they_stand_for() {
    let found = one(r#"
apiVersion: v1
kind: List
items:
- apiVersion: image.toolkit.fluxcd.io/v1
  kind: ImagePolicy
  metadata: {name: a, namespace: apps}
  spec: &spec
    imageRepositoryRef: &web {name: web}
    policy: {numerical: {order: asc}}
- apiVersion: image.toolkit.fluxcd.io/v1
  kind: ImagePolicyList
  items:
  - apiVersion: image.toolkit.fluxcd.io/v1
    kind: ImagePolicy
    metadata: {name: b, namespace: apps}
    spec: {<<: *spec, policy: {alphabetical: {}}}
- apiVersion: image.toolkit.fluxcd.io/v1
  kind: ImagePolicy
  metadata: {name: c, namespace: apps}
  spec: {imageRepositoryRef: *web}
"#);
    assert_eq!(shown(&found.problems), "");
    let read: Vec<_> = found
        .policies
        .iter()
        .map(|policy| {
            let name = policy.object.name.as_str();
            (name, policy.image_repository.name.as_str(), policy.numerical.is_some(), policy.alphabetical.is_some())
        })
        .collect();
    assert_eq!(read, [("a", "web", true, false), ("b", "web", false, true), ("c", "web", false, false)]);
}

#[test]
fn a_namespace_comes_from_the_nearest_kustomization_above() {
    let policy = |name: &str| {
        format!(
            "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {{name: {name}}}\n\
             spec: {{imageRepositoryRef: {{name: web}}}}\n"
        )
    };
    let found = read(&[
        file("apps/kustomization.yaml", "namespace: apps\nresources: [staging]\n"),
        file("apps/staging/kustomization.yml", "namespace: staging\n"),
        file("apps/staging/images/Kustomization", "resources: [policy.yaml]\n"),
        file("apps/staging/images/policy.yaml", &policy("near")),
        file("apps/other/policy.yaml", &policy("far")),
        file("elsewhere/policy.yaml", &policy("none")),
    ]);
    let namespaces: Vec<_> = found.policies.iter().map(|policy| policy.object.namespace.as_deref()).collect();
    assert_eq!(namespaces, [Some("staging"), Some("apps"), None]);
    insta::assert_snapshot!(shown(&found.notes), @r#"
    apps/staging/images/policy.yaml:1:1: ImagePolicy near names no namespace: `staging` is that of the kustomization in apps/staging
    apps/other/policy.yaml:1:1: ImagePolicy far names no namespace: `apps` is that of the kustomization in apps
    elsewhere/policy.yaml:1:1: ImagePolicy none names no namespace, and no kustomization above it sets one: add `metadata.namespace`
    "#);
}

#[test]
fn what_cannot_be_parsed_is_named_unless_it_is_a_template_of_something_else() {
    let found = read(&[
        file("chart/templates/deployment.yaml", "{{- if .Values.on }}\nkind: Deployment\n{{- end }}\n"),
        file("chart/templates/kustomization.yaml", "{{- if .Values.on }}\nkind: Deployment\n{{- end }}\n"),
        file(
            "chart/templates/policy.yaml",
            "{{- if .Values.on }}\napiVersion: image.toolkit.fluxcd.io/v1\n{{- end }}\n",
        ),
        file("notes.md", "image.toolkit.fluxcd.io: [\n"),
        file("latin1.yaml", "image.toolkit.fluxcd.io"),
        File { path: "bytes.yaml".to_owned(), bytes: b"# image.toolkit.fluxcd.io\na: \xe9\n".to_vec() },
    ]);
    insta::assert_snapshot!(shown(&found.problems), @r#"
    chart/templates/policy.yaml:1:3: this is no valid YAML: "-" is only valid inside a block
    bytes.yaml:2:4: byte 0xe9 is no UTF-8 text
    "#);
    let half = one(&format!("apiVersion: image.toolkit.fluxcd.io/v1\nkind: [\n{HOME_LAB}"));
    assert_eq!((half.policies.len(), half.problems.len()), (1, 1), "{}", shown(&half.problems));
}

#[test]
fn files_made_to_grow_when_they_are_read_do_not() {
    let mut bomb = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: L\na0: &a0 {kind: x, apiVersion: y}\n".to_owned();
    for level in 1..40 {
        let below = format!("*a{}", level - 1);
        let items = [below.as_str(); 50].join(", ");
        let _ =
            writeln!(bomb, "a{level}: &a{level} {{<<: [{items}], kind: DeepList, apiVersion: v1, items: [{items}]}}");
    }
    let _ = writeln!(bomb, "---\nx: &x {{kind: List, apiVersion: image.toolkit.fluxcd.io/v1, items: [*x, *x]}}");
    let bomb = bomb.replace("kind: L\n", "kind: List\nitems: [*a39]\n");
    let late = bomb.replacen("items: [*a39]\n", "", 1).replace("---\n", "items: [*a39]\n---\n");
    insta::assert_snapshot!(shown(&one(&late).problems), @"images.yaml: more than 10000 objects: the rest is not read");
    let merged = late.replace("kind: DeepList, apiVersion: v1, ", "");
    assert_eq!(shown(&one(&merged).problems), "");
    let deep = format!("# image.toolkit.fluxcd.io\na: {}", "[".repeat(100_000));
    insta::assert_snapshot!(shown(&one(&deep).problems), @"images.yaml:2:259: this YAML is nested too deep, more than 255 levels");
}
