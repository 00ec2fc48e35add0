//! Seconds and milliseconds, compared as numbers.

use super::subject::Subject;
use super::{Finding, Rule, Severity};

pub(super) const RULE: Rule =
    Rule { code: "T2P029", meaning: "`numerical` order over both seconds and milliseconds since 1970" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    subject.numerical()?;
    let values = subject.candidates();
    let within = |value: &str, width: usize| {
        value.len() == width && value.bytes().all(|byte| byte.is_ascii_digit()) && value.starts_with(['1', '2'])
    };
    let seconds = values.iter().find(|valued| within(valued.value, 10))?;
    let milliseconds = values.iter().find(|valued| within(valued.value, 13))?;
    let message = format!(
        "`{}` counts milliseconds and `{}` seconds: the largest number is not the newest",
        milliseconds.tag, seconds.tag
    );
    let help = "let `filterTags.pattern` match one of the two widths, such as `[0-9]{10}`".to_owned();
    let place = subject.written.pattern.as_ref().map_or_else(|| subject.place_of_order(), |at| at.place.clone());
    Some(Finding::new(&RULE, Severity::Warning, &place, message, help))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn seconds_and_milliseconds_do_not_mix() {
        let trial = policy("policy:\n  numerical: {}").tags(&["1707300000", "1707200000123", "7"]);
        insta::assert_snapshot!(trial.shown("T2P029"), @"
        policy.yaml:7:5 warning: `1707200000123` counts milliseconds and `1707300000` seconds: the largest number is not the newest
        help: let `filterTags.pattern` match one of the two widths, such as `[0-9]{10}`
        ");
        assert!(policy("policy:\n  numerical: {}").tags(&["1707300000", "1707200000", "7"]).is_clean("T2P029"));
    }
}
