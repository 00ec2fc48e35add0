//! What values look like that are written as text: their JSON Schema. Everything else is derived beside its type.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::{Kind, RegistryCredentials, SecretRef, Size};
use crate::delivery::{Pointer, Sender};
use crate::platform::Platform;
use crate::repository_settings::{Age, Name};

const SECRET: &str = "^(env:.+|file:.+|secretsmanager:[^#]+(#.+)?)$";

macro_rules! written_as {
    ($type:ty, $schema:expr) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

written_as!(
    Age,
    json_schema!({ "type": "string", "pattern": "^[0-9]+[smhdw]$", "examples": ["90s", "15m", "2h", "3d"] })
);
written_as!(
    Size,
    json_schema!({ "type": ["string", "integer"], "pattern": "^[0-9]+ ?(B|KiB|MiB)?$", "exclusiveMinimum": 0 })
);
written_as!(SecretRef, json_schema!({ "type": "string", "pattern": SECRET }));
written_as!(
    RegistryCredentials,
    json_schema!({ "type": "string", "pattern": format!("{SECRET}|^ecr$"), "examples": ["env:REGISTRY", "ecr"] })
);
written_as!(
    Name,
    json_schema!({ "type": "string", "pattern": r"^([^/]+/[^/]+|\*)$", "examples": ["flux-system/web"] })
);
written_as!(Platform, json_schema!({ "type": "string", "pattern": "^[a-z0-9._-]+/[a-z0-9._-]+(/[a-z0-9._-]+)?$" }));
written_as!(Pointer, json_schema!({ "type": "string", "pattern": "^/", "examples": ["/repository/name"] }));
written_as!(Kind, json_schema!({ "type": "string", "enum": kinds() }));

/// The types of sources.
fn kinds() -> Vec<&'static str> {
    Sender::ALL.iter().map(|sender| sender.as_str()).chain(["auto"]).collect()
}

/// One secret, or a list of them.
pub(crate) fn secrets(_: &mut SchemaGenerator) -> Schema {
    let secret = json_schema!({ "type": "string", "pattern": SECRET });
    json_schema!({ "anyOf": [secret, { "type": "array", "items": secret }] })
}

/// One text, or a list of them.
pub(crate) fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }] })
}

/// `host` of a repository.
pub(crate) fn host(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": [
        "azure-devops", "bitbucket", "bitbucket-data-center", "forgejo", "gitea", "github", "gitlab", "local"
    ] })
}

/// `order` of a policy.
pub(crate) fn order(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["asc", "desc", ""], "default": "asc" })
}

/// `digestReflectionPolicy`
pub(crate) fn digest_reflection(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["Never", "IfNotPresent", "Always"], "default": "Never" })
}

/// `part` of a field rule.
pub(crate) fn part(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["reference", "name", "tag", "digest"], "default": "reference" })
}

/// A time of the week, or of every day.
pub(crate) fn moment(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^((Mon|Tue|Wed|Thu|Fri|Sat|Sun) +)?[0-2][0-9]:[0-5][0-9]$" })
}
