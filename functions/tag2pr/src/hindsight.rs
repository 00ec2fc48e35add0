//! What a policy would have selected, and when, had it been there while deliveries came in.

use jiff::Timestamp;
use serde::Serialize;

use crate::image::Digest;
use crate::ledger::{Ledger, News};
use crate::plan::known;
use crate::policy::Policy;

/// A moment at which the selection changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When the delivery that changed it came in.
    pub at: Timestamp,
    /// That delivery.
    pub delivery: String,
    /// What is selected from then on.
    pub selected: Option<Selected>,
    /// Why nothing is.
    pub error: Option<String>,
}

/// A selected tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Selected {
    /// The tag.
    pub tag: String,
    /// What it pointed at, if the delivery said so.
    pub digest: Option<Digest>,
}

/// Plays news, in the order in which they came in, and notes each change of what the policy selects.
///
/// Nothing is known but what these news say. It is the selection alone: no minimum age, no hold and no guard against
/// going backwards counts, and nothing is confirmed at a registry.
pub fn changes(policy: &Policy, news: &[News]) -> Vec<Change> {
    let mut ledger = Ledger::default();
    let mut changes: Vec<Change> = Vec::new();
    for one in news {
        let (at, delivery) = match one {
            News::Pushed(push) => (push.received_at, &push.delivery),
            News::Deleted { at, delivery, .. } => (*at, delivery),
            // What registries were asked is no news of a delivery.
            _ => continue,
        };
        ledger.merge(one);
        let known = known(&ledger);
        let selection = policy.select(&known);
        let selected =
            selection.selected.map(|known| Selected { tag: known.tag.to_owned(), digest: known.digest.cloned() });
        if changes.last().is_none_or(|last| last.selected != selected) {
            let error = selection.error.as_ref().map(ToString::to_string);
            changes.push(Change { at, delivery: delivery.clone(), selected, error });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings;
    use crate::ledger::Push;
    use crate::seams::File;

    fn policy(choice: &str) -> Policy {
        let text = format!(
            "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {{ name: web, namespace: apps }}\n\
             spec: {{ imageRepositoryRef: {{ name: web }}, policy: {choice} }}\n"
        );
        let mut manifests = findings::read(vec![File { path: "policy.yaml".to_owned(), bytes: text.into_bytes() }]);
        manifests.judge_without_images();
        manifests.policies.remove(0).policy.unwrap().1
    }

    fn push(second: i64, tag: &str) -> News {
        let at = Timestamp::from_second(1_770_000_000 + second).unwrap();
        News::Pushed(Push {
            tag: tag.parse().unwrap(),
            digest: None,
            pushed_at: Some(at),
            received_at: at,
            delivery: format!("d{second}"),
            event: None,
            source: "hub".to_owned(),
            actor: None,
        })
    }

    fn told(policy: &Policy, news: &[News]) -> Vec<String> {
        let tag = |change: Change| match (change.selected, change.error) {
            (Some(selected), None) => format!("{} {}", change.delivery, selected.tag),
            (_, error) => format!("{} nothing: {}", change.delivery, error.unwrap()),
        };
        changes(policy, news).into_iter().map(tag).collect()
    }

    #[test]
    fn two_policies_make_different_things_of_the_same_month() {
        let mut month =
            vec![push(1, "latest"), push(2, "1.0.0"), push(3, "1.1.0-rc.1"), push(4, "1.0.1"), push(5, "0.9.9")];
        let gone = Timestamp::from_second(1_770_000_006).unwrap();
        month.push(News::Deleted {
            tag: Some("1.0.1".parse().unwrap()),
            digest: None,
            at: gone,
            delivery: "d6".to_owned(),
        });
        insta::assert_snapshot!(told(&policy("{ semver: { range: '>=1.0.0' } }"), &month).join("\n"), @r"
        d1 nothing: unable to determine latest version from provided list: none of the tags considered (1) is a version in the range >=1.0.0; widen the range, or push a version that is in it
        d2 1.0.0
        d4 1.0.1
        d6 1.0.0
        ");
        insta::assert_snapshot!(told(&policy("{ alphabetical: { order: asc } }"), &month).join("\n"), @"d1 latest");
        assert_eq!(told(&policy("{ alphabetical: {} }"), &[]), [""; 0]);
    }
}
