//! A marker that names a policy that is not there.

use super::tree::{Tree, nearest};
use super::{Finding, Rule, Severity};
use crate::markers::Marker;
use crate::problem::Place;

pub(super) const RULE: Rule = Rule { code: "T2P018", meaning: "a marker names a policy that does not exist" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    let known = |marker: &Marker| tree.manifests.policies.iter().any(|policy| policy.name == marker.setter.policy);
    // Of a rule that names no policy its own finding tells.
    let unknown = |marker: &Marker| !marker.by_rule && !known(marker);
    tree.markers().filter(|(_, marker)| unknown(marker)).filter_map(|(file, marker)| of(tree, file, marker)).collect()
}

fn of(tree: &Tree<'_>, file: &str, marker: &Marker) -> Option<Finding> {
    let wanted = &marker.setter.policy;
    if tree.is_broken("ImagePolicy", &wanted.namespace, &wanted.name) {
        return None;
    }
    let policies = &tree.manifests.policies;
    let named: Vec<String> = policies.iter().map(|policy| policy.name.setter()).collect();
    let same_name = || policies.iter().filter(|policy| policy.name.name == wanted.name);
    let meant = match (same_name().count(), same_name().next()) {
        (1, Some(only)) => Some(only.name.setter()),
        _ => nearest(&wanted.setter(), named.iter().map(String::as_str)).map(str::to_owned),
    };
    let message = format!("the marker names the policy {wanted}, which is not there: its value never changes");
    let help = match &meant {
        Some(meant) => format!("write `{meant}`, if that is what is meant"),
        None => format!("add the ImagePolicy {wanted}, or remove the marker"),
    };
    // The policies may all be somewhere else, or in a file that cannot be read.
    let sure = !policies.is_empty() && tree.found.problems.is_empty();
    let severity = if sure { Severity::Warning } else { Severity::Note };
    let place = Place { file: file.to_owned(), line: marker.line, column: marker.column };
    let patch = meant.and_then(|meant| {
        let text = tree.text(file)?;
        let line_end = text[marker.span.end..].find('\n').map_or(text.len(), |end| marker.span.end + end);
        let comment = text.get(marker.span.end..line_end)?;
        let mended = format!(
            "{}{}{}",
            &text[..marker.span.end],
            comment.replacen(&wanted.setter(), &meant, 1),
            &text[line_end..]
        );
        let after = crate::markers::find(file, mended.as_bytes(), &tree.manifests.rules).ok()?;
        let before = tree.manifests.markers.get(file)?;
        let renamed = after.iter().zip(before).filter(|(new, old)| new.setter != old.setter).count();
        if after.len() == before.len() && renamed == 1 { tree.patch(file, mended) } else { None }
    });
    Some(Finding::new(&RULE, severity, &place, message, help).with(patch))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::{Trial, policy};

    fn marked(with: &str) -> Trial {
        let spec = "policy: { numerical: {} }";
        policy(spec).file("more.yaml", &format!("tag: x # {{\"$imagepolicy\": \"{with}\"}}\n"))
    }

    #[test]
    fn the_policy_that_is_meant_is_near() {
        insta::assert_snapshot!(marked("apps:wep:tag").shown("T2P018"), @r#"
        more.yaml:1:6 warning: the marker names the policy apps/wep, which is not there: its value never changes
        help: write `apps:web`, if that is what is meant
        -tag: x # {"$imagepolicy": "apps:wep:tag"}
        +tag: x # {"$imagepolicy": "apps:web:tag"}
        "#);
        insta::assert_snapshot!(marked("flux-system:web").shown("T2P018"), @r#"
        more.yaml:1:6 warning: the marker names the policy flux-system/web, which is not there: its value never changes
        help: write `apps:web`, if that is what is meant
        -tag: x # {"$imagepolicy": "flux-system:web"}
        +tag: x # {"$imagepolicy": "apps:web"}
        "#);
        insta::assert_snapshot!(marked("apps:database").shown("T2P018"), @"
        more.yaml:1:6 warning: the marker names the policy apps/database, which is not there: its value never changes
        help: add the ImagePolicy apps/database, or remove the marker
        ");
        assert!(marked("apps:web").is_clean("T2P018"));
    }

    #[test]
    fn policies_may_be_somewhere_else() {
        insta::assert_snapshot!(policy("policy: {}").without("policy.yaml").shown("T2P018"), @"
        web.yaml:1:8 note: the marker names the policy apps/web, which is not there: its value never changes
        help: add the ImagePolicy apps/web, or remove the marker
        ");
    }
}
