//! A commit message template that uses what newer controllers no longer have.

use std::sync::LazyLock;

use regex::Regex;

use super::tree::Tree;
use super::{Finding, Patch, Rule, Severity};
use crate::flux::{self, ImageUpdateAutomation};
use crate::problem::Place;
use crate::seams::File;

pub(super) const RULE: Rule =
    Rule { code: "T2P022", meaning: "a commit message template uses `.Updated`, which Flux removed in 2.7" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    tree.found.automations.iter().filter_map(|automation| of(tree, automation)).collect()
}

fn of(tree: &Tree<'_>, automation: &ImageUpdateAutomation) -> Option<Finding> {
    static FIELD: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\{\{[^}]*(\$?\.Updated|\.Changed\.ImageResult)\b").ok());
    let template = automation.message_template.as_ref()?;
    let field = FIELD.as_ref()?.captures(&template.value)?.get(1)?;
    let place = line_of(tree, &template.place, field.as_str()).unwrap_or_else(|| template.place.clone());
    let message = format!(
        "the commit message template uses `{}`, which Flux removed in 2.7: since then the automation stalls",
        field.as_str()
    );
    let patch = mended(tree, automation, &template.value);
    let help = "use `.Changed`: `{{range .Changed.Changes}}{{println .NewValue}}{{end}}`".to_owned();
    Some(Finding::new(&RULE, Severity::Warning, &place, message, help).with(patch))
}

/// Where a field stands in the text of a template.
fn line_of(tree: &Tree<'_>, start: &Place, field: &str) -> Option<Place> {
    let lines = tree.text(&start.file)?.lines().enumerate().skip(start.line - 1);
    let (line, column) = lines
        .take(200)
        .find_map(|(line, text)| Some((line, text.find(field)?, text)))
        .map(|(line, at, text)| (line + 1, text[..at].chars().count() + 1))?;
    Some(Place { file: start.file.clone(), line, column })
}

/// The list of images that everybody copied from the documentation, as it is written now.
fn mended(tree: &Tree<'_>, automation: &ImageUpdateAutomation, template: &str) -> Option<Patch> {
    static LIST: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let action = |inside: &str| format!(r"(\{{\{{-?\s*){inside}(\s*-?\}}\}})");
        let list = [r"range\s+\.Updated\.Images", r"println\s+\."].map(action).join(r"(\s*(?:-\s*)?)");
        Regex::new(&list).ok()
    });
    let place = &automation.object.place;
    let text = tree.text(&place.file)?;
    let list = LIST.as_ref()?;
    let rewrite =
        |text: &str| list.replace_all(text, "${1}range .Changed.Changes${2}${3}${4}println .NewValue${5}").into_owned();
    let wanted = rewrite(template);
    if wanted.contains(".Updated") {
        return None;
    }
    // Only below this object's first line; the next objects have findings of their own.
    let start: usize = text.split_inclusive('\n').take(place.line - 1).map(str::len).sum();
    let found = list.find_at(text, start)?;
    let mended = format!("{}{}{}", &text[..found.start()], rewrite(found.as_str()), &text[found.end()..]);
    let after = flux::read(&[File { path: place.file.clone(), bytes: mended.clone().into_bytes() }]);
    let same_place = after.automations.iter().find(|one| one.object.place == *place)?;
    let is_mended = same_place.message_template.as_ref().is_some_and(|template| template.value == wanted);
    if is_mended { tree.patch(&place.file, mended) } else { None }
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::{Trial, policy};

    fn with(template: &str) -> Trial {
        let object = format!(
            "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\n\
             metadata: {{ name: all, namespace: apps }}\nspec:\n  sourceRef: {{ kind: GitRepository, name: fleet }}\n  \
             git:\n    commit:\n      messageTemplate: {template}\n"
        );
        policy("policy: { numerical: {} }").file("automation.yaml", &object)
    }

    #[test]
    fn what_flux_removed_is_named() {
        insta::assert_snapshot!(with("'{{range .Updated.Images}}{{println .}}{{end}}'").shown("T2P022"), @"
        automation.yaml:8:33 warning: the commit message template uses `.Updated`, which Flux removed in 2.7: since then the automation stalls
        help: use `.Changed`: `{{range .Changed.Changes}}{{println .NewValue}}{{end}}`
        -      messageTemplate: '{{range .Updated.Images}}{{println .}}{{end}}'
        +      messageTemplate: '{{range .Changed.Changes}}{{println .NewValue}}{{end}}'
        ");
        let block =
            "|\n        Images:\n        {{ range .Updated.Images -}}\n        - {{ println . }}\n        {{ end -}}";
        insta::assert_snapshot!(with(block).shown("T2P022"), @"
        automation.yaml:10:18 warning: the commit message template uses `.Updated`, which Flux removed in 2.7: since then the automation stalls
        help: use `.Changed`: `{{range .Changed.Changes}}{{println .NewValue}}{{end}}`
        -        {{ range .Updated.Images -}}
        -        - {{ println . }}
        +        {{ range .Changed.Changes -}}
        +        - {{ println .NewValue }}
        ");
        insta::assert_snapshot!(with("'{{ range $f, $_ := .Updated.Files }}{{ $f }}{{ end }}'").shown("T2P022"), @"
        automation.yaml:8:44 warning: the commit message template uses `.Updated`, which Flux removed in 2.7: since then the automation stalls
        help: use `.Changed`: `{{range .Changed.Changes}}{{println .NewValue}}{{end}}`
        ");
    }

    #[test]
    fn what_is_there_may_be_used() {
        assert!(with("'{{range .Changed.Changes}}{{println .NewValue}}{{end}}'").is_clean("T2P022"));
        assert!(with("'Updated by flux'").is_clean("T2P022"));
    }
}
