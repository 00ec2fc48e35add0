//! Every code and what it stands for.

use super::{
    broken_stage, broken_template, collapsing_extract, commit_first, declared_twice, deleted_template_field,
    digest_marker, idle_group, idle_rule, invalid_policy, link_not_followed, misspelt_marker, mixed_units, moving_tag,
    namespace_filled_in, no_automation, no_image_repository, no_marker, no_version, not_a_number, nothing_matches,
    nothing_selected, nothing_to_soak, oldest_first, one_tag, out_of_reach, passed_over, prerelease_suffix,
    several_orders, signatures, stray_marker, suspended, unanchored, unequal_widths, unknown_group, unknown_policy,
    unknown_rule_policy, unreadable,
};

/// What a finding is an instance of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// `T2P001`. A code is never used for anything else, even when its rule is gone.
    pub code: &'static str,
    /// What it stands for, in one line.
    pub meaning: &'static str,
}

/// Every rule, in the order of the codes.
pub const CATALOGUE: [&Rule; 38] = [
    &oldest_first::RULE,
    &not_a_number::RULE,
    &commit_first::RULE,
    &unequal_widths::RULE,
    &collapsing_extract::RULE,
    &unknown_group::RULE,
    &idle_group::RULE,
    &nothing_matches::RULE,
    &unanchored::RULE,
    &one_tag::RULE,
    &moving_tag::RULE,
    &no_version::RULE,
    &prerelease_suffix::RULE,
    &signatures::RULE,
    &several_orders::RULE,
    &no_automation::RULE,
    &passed_over::RULE,
    &unknown_policy::RULE,
    &no_marker::RULE,
    &stray_marker::RULE,
    &misspelt_marker::RULE,
    &deleted_template_field::RULE,
    &no_image_repository::RULE,
    &invalid_policy::RULE,
    &unreadable::RULE,
    &namespace_filled_in::RULE,
    &out_of_reach::RULE,
    &digest_marker::RULE,
    &mixed_units::RULE,
    &nothing_selected::RULE,
    &suspended::RULE,
    &broken_template::RULE,
    &idle_rule::RULE,
    &unknown_rule_policy::RULE,
    &link_not_followed::RULE,
    &declared_twice::RULE,
    &broken_stage::RULE,
    &nothing_to_soak::RULE,
];
