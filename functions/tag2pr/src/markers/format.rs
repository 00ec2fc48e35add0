//! Which format a file is in, by its name: the same file is read the same way everywhere.

use super::lines::{self, Lines};

/// How the values and comments of a file are found.
#[derive(Clone, Copy)]
pub(super) enum Format {
    /// As Flux sees it: `.yaml`, `.yml`, `Kustomization`.
    Yaml,
    /// [TOML](https://toml.io)
    Toml,
    /// [HCL](https://github.com/hashicorp/hcl): Terraform, OpenTofu, Nomad, Packer.
    Hcl,
    /// JSON, with or without comments; [JSON5](https://json5.org).
    Json,
    /// A format of one value on each line, or one that nobody can parse but its own program.
    Lines(&'static Lines),
}

impl Format {
    /// The format of a file; none if markers do not count in it. Markdown quotes markers, so it has none.
    pub(super) fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        if is_yaml(path) {
            return Some(Self::Yaml);
        }
        if let Some(lines) = by_name(name) {
            return Some(Self::Lines(lines));
        }
        Some(match name.rsplit_once('.')?.1 {
            "tpl" => Self::Lines(&lines::TEMPLATE),
            "toml" => Self::Toml,
            "hcl" | "nomad" | "tf" | "tfvars" | "tofu" => Self::Hcl,
            "json" | "json5" | "jsonc" => Self::Json,
            "cfg" | "conf" | "container" | "env" | "ini" | "mak" | "mk" | "properties" | "service" => {
                Self::Lines(&lines::SETTINGS)
            }
            "dockerfile" | "Dockerfile" => Self::Lines(&lines::DOCKERFILE),
            "csproj" | "fsproj" | "props" | "targets" | "xml" => Self::Lines(&lines::MARKUP),
            "jsonnet" | "libsonnet" => Self::Lines(&lines::SOURCE),
            "bash" | "bicep" | "bzl" | "cue" | "go" | "gradle" | "groovy" | "js" | "kt" | "kts" | "mjs" | "nix"
            | "pkl" | "py" | "rb" | "sh" | "star" | "ts" => Self::Lines(&lines::SOURCE),
            _ => return None,
        })
    }
}

/// Files that are known by their whole name, or by how it begins.
fn by_name(name: &str) -> Option<&'static Lines> {
    let begins = |with: &str| {
        name.strip_prefix(with).is_some_and(|rest| rest.is_empty() || (rest.starts_with('.') && !rest.ends_with(".md")))
    };
    if begins("Dockerfile") || begins("Containerfile") || begins("Earthfile") {
        return Some(&lines::DOCKERFILE);
    }
    if begins("Makefile") || name == "makefile" || name == "GNUmakefile" || begins(".env") {
        return Some(&lines::SETTINGS);
    }
    let source = ["Jenkinsfile", "Justfile", "justfile", "Tiltfile", "Vagrantfile"];
    source.contains(&name).then_some(&lines::SOURCE)
}

/// Whether Flux would look into the file: case counts.
pub(crate) fn is_yaml(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".yaml") || name.ends_with(".yml") || name == "Kustomization"
}
