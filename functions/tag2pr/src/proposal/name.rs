//! Names of proposals: `<namespace>.<automation>`, and `<namespace>.<automation>.<policy>` of one that is for a policy.
//!
//! A dot inside of a name, and what no branch may be called, is percent-encoded: no two proposals share a name or a
//! branch by accident.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// `<namespace>.<automation>`
pub fn of(namespace: &str, automation: &str) -> String {
    format!("{}.{}", segment(namespace), segment(automation))
}

/// The name, or the branch, of the part of a proposal that is for this policy.
pub fn part(whole: &str, policy: &str) -> String {
    format!("{whole}.{}", segment(policy))
}

/// The name of which this is the part for a policy, if it is that.
pub fn whole<'a>(name: &'a str, policy: &str) -> Option<&'a str> {
    name.strip_suffix(&segment(policy))?.strip_suffix('.')
}

/// The name, or the branch, of the part of a proposal that is for this path.
pub fn batch(whole: &str, path: &str) -> String {
    let segments: Vec<String> = path.split('/').map(|one| segment(one).replace('_', "%5F")).collect();
    format!("{whole}.{}", segments.join("_"))
}

/// Namespace and name of the automation that this is a proposal of, or a part of one.
pub fn automation(name: &str) -> (String, String) {
    let mut segments = name.split('.').map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned());
    (segments.next().unwrap_or_default(), segments.next().unwrap_or_default())
}

/// `<namespace>/<automation>`, as people write it.
pub fn readable(name: &str) -> String {
    let segments: Vec<_> = name.split('.').map(|segment| percent_decode_str(segment).decode_utf8_lossy()).collect();
    segments.join("/")
}

fn segment(name: &str) -> String {
    match name {
        // No branch may end in `.lock`.
        "lock" => "%6Cock".to_owned(),
        name => utf8_percent_encode(name, ESCAPED).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_as_they_are_written_unless_that_could_be_mistaken() {
        assert_eq!(of("flux-system", "production"), "flux-system.production");
        assert_eq!(part("flux-system.production", "web"), "flux-system.production.web");
        assert_eq!(of("flux-system", "production.web"), "flux-system.production%2Eweb");
        assert_eq!(readable("flux-system.production%2Eweb"), "flux-system/production.web");
        assert_eq!(part("apps.all", "lock"), "apps.all.%6Cock");
        assert_eq!(readable("%6Cock"), "lock");
        assert_eq!(batch("fleet.devices", "sites/north_1"), "fleet.devices.sites_north%5F1");
        assert_eq!(
            automation("flux-system.production%2Eweb.x"),
            ("flux-system".to_owned(), "production.web".to_owned())
        );
    }

    proptest! {
        #[test]
        fn different_automations_have_different_names(a in "[a.%/]{1,4}", b in "[a.%/]{1,4}", c in "[a.%/]{1,4}", d in "[a.%/]{1,4}") {
            prop_assert_eq!(of(&a, &b) == of(&c, &d), (&a, &b) == (&c, &d));
            prop_assert_ne!(of(&a, &b), part(&of(&c, &d), &a));
            let one = part(&of(&a, &b), &c);
            let all = of(&a, &b);
            prop_assert_eq!(whole(&one, &c), Some(all.as_str()));
            prop_assert_eq!(readable(&all), format!("{a}/{b}"));
        }
    }
}
