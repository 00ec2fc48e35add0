//! Label selectors, as
//! [Kubernetes defines them](https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors).

use std::collections::BTreeMap;

use super::fields::Fields;

/// Which labels an object must have. Empty matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// All of them, with these values.
    pub match_labels: BTreeMap<String, String>,
    /// And all of these must hold.
    pub match_expressions: Vec<Requirement>,
}

/// What must hold for one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Which label.
    pub key: String,
    /// What must hold for it.
    pub operator: Operator,
}

/// What must hold for a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// It is there, with one of these values.
    In(Vec<String>),
    /// It is not there, or has none of these values.
    NotIn(Vec<String>),
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl Selector {
    /// Whether an object with these labels is meant.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| {
                let label = labels.get(&requirement.key);
                match &requirement.operator {
                    Operator::In(values) => label.is_some_and(|label| values.contains(label)),
                    Operator::NotIn(values) => label.is_none_or(|label| !values.contains(label)),
                    Operator::Exists => label.is_some(),
                    Operator::DoesNotExist => label.is_none(),
                }
            })
    }
}

pub(super) fn read(fields: &mut Fields<'_>, path: &str) -> Option<Selector> {
    if !fields.mapping(path) {
        return None;
    }
    Some(Selector {
        match_labels: fields.dictionary(&format!("{path}.matchLabels")),
        match_expressions: fields.each(&format!("{path}.matchExpressions"), requirement),
    })
}

fn requirement(fields: &mut Fields<'_>) -> Option<Requirement> {
    let key = fields.required("key");
    let values: Vec<String> = fields.texts("values").into_iter().map(|at| at.value).collect();
    let operator = fields.text("operator")?;
    let needs_values = matches!(operator.value.as_str(), "In" | "NotIn");
    if needs_values == values.is_empty() {
        let what = if needs_values { "needs" } else { "allows no" };
        fields.refuse(&operator, &format!("operator `{}` {what} `values`", operator.value));
    }
    let operator = match operator.value.as_str() {
        "In" => Operator::In(values),
        "NotIn" => Operator::NotIn(values),
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => {
            let reason = format!("`{other}` is no operator: use In, NotIn, Exists or DoesNotExist");
            fields.refuse(&operator, &reason);
            return None;
        }
    };
    Some(Requirement { key, operator })
}
