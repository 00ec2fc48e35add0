//! A template for a commit message or a title that cannot be used.

use std::collections::BTreeMap;

use super::tree::Tree;
use super::{Finding, Rule, Severity};
use crate::policy::PolicyName;
use crate::proposal::message::sample;
use crate::template::Template;

pub(super) const RULE: Rule =
    Rule { code: "T2P032", meaning: "a template for a commit message or a title cannot be used" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    // Parts of one automation share its template.
    let automations = tree.manifests.automations.iter().map(|automation| (&automation.whole, automation));
    let automations: BTreeMap<_, _> = automations.collect();
    let templates = automations.into_values().flat_map(|automation| {
        let message =
            automation.message.as_ref().map(|template| (automation, template, "commit message", "commits have"));
        let title =
            automation.wishes.title.as_ref().map(|template| (automation, template, "title", "pull requests have"));
        message.into_iter().chain(title)
    });
    templates
        .filter_map(|(automation, template, what, have)| {
            // Tried on a change that could be: a field that is not there shows only then.
            let policy = PolicyName { namespace: automation.namespace.clone(), name: "web".to_owned() };
            let (change, bump) = sample(&policy);
            let read = Template::parse(&template.text).map(|_| ());
            let error = match template.render(&[change], &[bump]) {
                Ok(_) => return None,
                Err(problem) => problem.reason,
            };
            let reason = error.split_once('(').and_then(|(_, rest)| rest.split_once("); ")).map(|(reason, _)| reason);
            let message = format!("the {what} template cannot be used: {}", reason.unwrap_or(&error));
            let own = what.rsplit(' ').next().unwrap_or(what);
            let help = match read {
                Err(_) => format!("correct it; until then {have} tag2pr's own {own}"),
                Ok(()) => format!(
                    "correct it; it can use `.AutomationObject`, `.Changed` and `.Values`, and until then {have} \
                     tag2pr's own {own}"
                ),
            };
            Some(Finding::new(&RULE, Severity::Error, &template.place, message, help))
        })
        .collect()
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
    fn what_is_no_template_and_what_uses_a_field_that_is_not_there() {
        insta::assert_snapshot!(with("'{{ range .Changed.Changes }}{{ .NewValue }}'").shown("T2P032"), @"
        automation.yaml:8:24 error: the commit message template cannot be used: line 1: an action lacks its `{{end}}`
        help: correct it; until then commits have tag2pr's own message
        ");
        insta::assert_snapshot!(with("'{{ range .Changed.Changes }}{{ .NewVale }}{{ end }}'").shown("T2P032"), @"
        automation.yaml:8:24 error: the commit message template cannot be used: line 1: there is no field `NewVale` in Change
        help: correct it; it can use `.AutomationObject`, `.Changed` and `.Values`, and until then commits have tag2pr's own message
        ");
        insta::assert_snapshot!(with("'{{ .Values.cluster | uper }}'").shown("T2P032"), @"
        automation.yaml:8:24 error: the commit message template cannot be used: line 1: there is no function `uper`; did you mean `upper`?
        help: correct it; until then commits have tag2pr's own message
        ");
    }

    #[test]
    fn a_title_is_told_where_it_stands() {
        let settings = "proposals:\n  - name: apps/all\n    title: '{{ .Titel }}'\n";
        let trial = with("Update").file(".tag2pr.yaml", settings);
        insta::assert_snapshot!(trial.shown("T2P032"), @"
        .tag2pr.yaml:3:12 error: the title template cannot be used: line 1: there is no field `Titel` in TemplateData
        help: correct it; it can use `.AutomationObject`, `.Changed` and `.Values`, and until then pull requests have tag2pr's own title
        ");
        assert!(with("Update").file(".tag2pr.yaml", &settings.replace("Titel", "Title")).is_clean("T2P032"));
    }

    #[test]
    fn what_can_be_used_is_left_alone() {
        for template in [
            "'{{ range .Changed.Changes }}{{ println .NewValue }}{{ end }}'",
            "'{{ range .Updated.Images }}{{ println . }}{{ end }}'",
            "Update",
        ] {
            assert!(with(template).is_clean("T2P032"), "{template}");
        }
    }
}
