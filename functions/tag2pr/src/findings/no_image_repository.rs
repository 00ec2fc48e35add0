//! A policy whose ImageRepository is missing, or does not let it in.

use super::mend::{Change, mend};
use super::subject::Subject;
use super::tree::{namespace, nearest};
use super::{Finding, Rule, Severity, invalid_policy};

pub(super) const RULE: Rule =
    Rule { code: "T2P023", meaning: "the ImageRepository of a policy is missing or does not let the policy in" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let reason = subject.declared.policy.as_ref().err().filter(|_| subject.plain)?;
    let written = subject.written;
    let wanted = &written.image_repository;
    let own = namespace(&written.object);
    let in_namespace = wanted.namespace.as_deref().unwrap_or(own);
    if let Some(repository) = subject.repository {
        if written.suspend || subject.declared.rival.is_some() || invalid_policy::find(subject).is_some() {
            return None;
        }
        let reason = reason.rsplit_once(": ").map_or(reason.as_str(), |(reason, _)| reason);
        let help = format!("add a namespace selector to `spec.accessFrom` of {in_namespace}/{}", wanted.name);
        return Some(Finding::new(&RULE, Severity::Error, &repository.object.place, reason.to_owned(), help));
    }
    if subject.tree.is_broken("ImageRepository", in_namespace, &wanted.name) {
        return None;
    }
    let message = format!("there is no ImageRepository {in_namespace}/{}, so the policy knows no image", wanted.name);
    let repositories = &subject.tree.found.repositories;
    let elsewhere: Vec<&str> =
        repositories.iter().filter(|one| one.object.name == wanted.name).map(|one| namespace(&one.object)).collect();
    let beside =
        repositories.iter().filter(|one| namespace(&one.object) == in_namespace).map(|one| one.object.name.as_str());
    let change = match (&elsewhere[..], nearest(&wanted.name, beside)) {
        ([only], _) => Some(("namespace", (*only).to_owned())),
        (_, Some(name)) => Some(("name", name.to_owned())),
        _ => None,
    };
    let help = match &change {
        Some((field, value)) => format!("write `imageRepositoryRef.{field}: {value}`, where there is one"),
        None => format!("add the ImageRepository {in_namespace}/{}, or correct `imageRepositoryRef`", wanted.name),
    };
    let patch = change.and_then(|change| {
        let (mended, _) = mend(subject, &Change { image_repository: Some(change), ..Change::default() })?;
        subject.tree.repository_of(&mended.written).map(|_| mended.patch)
    });
    Some(
        Finding::new(&RULE, Severity::Error, &subject.place_of_key("spec.imageRepositoryRef"), message, help)
            .with(patch),
    )
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::{Trial, policy};

    const POLICY: &str = "policy: { numerical: {} }";

    fn image(name: &str, namespace: &str, rest: &str) -> Trial {
        let object = format!(
            "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\n\
             metadata: {{ name: {name}, namespace: {namespace} }}\nspec:\n  image: ghcr.io/acme/web\n{rest}"
        );
        policy(POLICY).file("image.yaml", &object)
    }

    #[test]
    fn what_is_missing_may_be_near() {
        insta::assert_snapshot!(policy(POLICY).without("image.yaml").shown("T2P023"), @"
        policy.yaml:5:3 error: there is no ImageRepository apps/web, so the policy knows no image
        help: add the ImageRepository apps/web, or correct `imageRepositoryRef`
        ");
        insta::assert_snapshot!(image("webs", "apps", "").shown("T2P023"), @"
        policy.yaml:5:3 error: there is no ImageRepository apps/web, so the policy knows no image
        help: write `imageRepositoryRef.name: webs`, where there is one
        -  imageRepositoryRef: { name: web }
        +  imageRepositoryRef: { name: webs }
        ");
        let open = "  accessFrom: { namespaceSelectors: [{ matchLabels: {} }] }\n";
        insta::assert_snapshot!(image("web", "flux-system", open).shown("T2P023"), @"
        policy.yaml:5:3 error: there is no ImageRepository apps/web, so the policy knows no image
        help: write `imageRepositoryRef.namespace: flux-system`, where there is one
        -  imageRepositoryRef: { name: web }
        +  imageRepositoryRef: { name: web, namespace: flux-system }
        ");
    }

    #[test]
    fn another_namespace_must_be_let_in() {
        let object = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\n\
                      metadata: { name: web, namespace: apps }\n\
                      spec: { imageRepositoryRef: { name: web, namespace: flux-system }, policy: { numerical: {} } }\n";
        let trial = image("web", "flux-system", "").file("policy.yaml", object);
        insta::assert_snapshot!(trial.shown("T2P023"), @"
        image.yaml:1:1 error: the ImageRepository flux-system/web does not let the namespace apps in
        help: add a namespace selector to `spec.accessFrom` of flux-system/web
        ");
    }

    #[test]
    fn it_is_there() {
        assert!(policy(POLICY).is_clean("T2P023"));
        assert!(policy("policy: { numerical: {} }\nsuspend: true").is_clean("T2P023"));
    }
}
