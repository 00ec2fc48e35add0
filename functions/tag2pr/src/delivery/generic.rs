//! Whoever has no format of their own, and whoever has one that is read by naming its fields: CI jobs, JSON templates,
//! input transformers.
//!
//! Without `fields` in the configuration a body is `{"image": "ghcr.io/acme/web:1.0"}`, or `registry`, `repository`,
//! `tag` and `digest` apart; `pushed_at`, `actor`, `id` and `action` (`push`, `delete`) may stand beside them. With
//! `fields`, each is where its [JSON pointer](https://www.rfc-editor.org/rfc/rfc6901) says, and the others are not read.
//! Several tags may stand in a list.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::claim::{Claim, Reading, excerpt, ignored};
use super::{Action, Face, Habits, Malformed, Sender, authentication, wire};

pub(super) const FACE: Face = Face {
    name: "generic",
    // Anything may look like this, so nothing does.
    recognise: |_, _| false,
    authenticate: authentication::signature_or_authorization,
    decode: |_, body| read(&Fields::default(), body),
    habits: Habits::PLAIN,
};

/// Where in a body what stands: JSON pointers, `/repository/name`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fields {
    /// The whole reference: `ghcr.io/acme/web:1.0@sha256:…`. What stands in a field of its own counts more.
    pub image: Option<Pointer>,
    /// The registry's host.
    pub registry: Option<Pointer>,
    /// The repository there.
    pub repository: Option<Pointer>,
    /// The tag, or a list of them.
    pub tag: Option<Pointer>,
    /// The digest.
    pub digest: Option<Pointer>,
    /// When it was pushed: RFC 3339, or seconds since 1970.
    pub time: Option<Pointer>,
    /// Who pushed it.
    pub actor: Option<Pointer>,
    /// The sender's id of the event, by which a repetition is known.
    pub id: Option<Pointer>,
    /// `push` or `delete`; everything is a push if there is no such field.
    pub action: Option<Pointer>,
}

/// A JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(String);

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') {
            return Ok(Self(text));
        }
        Err(format!("`{text}` is no JSON pointer: write `/{}`", text.replace('.', "/")))
    }
}

impl Default for Fields {
    fn default() -> Self {
        let at = |name: &str| Some(Pointer(format!("/{name}")));
        Self {
            image: at("image"),
            registry: at("registry"),
            repository: at("repository"),
            tag: at("tag"),
            digest: at("digest"),
            time: at("pushed_at"),
            actor: at("actor"),
            id: at("id"),
            action: at("action"),
        }
    }
}

pub(super) fn read(fields: &Fields, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let Unambiguous(body) = wire::parse(Sender::Generic, body)?;
    let at = |field: &Option<Pointer>| field.as_ref().and_then(|Pointer(pointer)| body.pointer(pointer));
    let text = |field: &Option<Pointer>| match at(field)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let action = match at(&fields.action).map(|action| action.as_str().unwrap_or_default()) {
        None | Some("push") => Action::Push,
        Some("delete") => Action::Delete,
        Some(other) => return Ok(vec![ignored(format!("action `{}` is neither push nor delete", excerpt(other, 40)))]),
    };
    let image = text(&fields.image);
    let image = image.as_deref().map(wire::reference).unwrap_or_default();
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let tags = match at(&fields.tag) {
        Some(Value::Array(several)) => several.iter().map(|tag| owned(tag.as_str())).collect(),
        _ => vec![text(&fields.tag).or_else(|| owned(image.tag))],
    };
    let repository = Some(image.repository).filter(|repository| !repository.is_empty());
    let claim = |tag: Option<String>| Claim {
        action,
        registry: text(&fields.registry).or_else(|| owned(image.registry)),
        repository: text(&fields.repository).or_else(|| owned(repository)),
        tag,
        digest: text(&fields.digest).or_else(|| owned(image.digest)),
        media_type: None,
        parts: Vec::new(),
        pushed_at: at(&fields.time).and_then(|time| wire::time(time).ok().flatten()),
        actor: text(&fields.actor),
        id: text(&fields.id),
    };
    match tags.as_slice() {
        [] => Ok(vec![ignored("its list of tags is empty")]),
        _ => Ok(tags.into_iter().map(|tag| claim(tag).judge()).collect()),
    }
}

/// JSON in which no object has a key twice: which of them counts is not for chance to decide.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Unambiguous;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Unambiguous, E> {
                Ok(Unambiguous(flag.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Unambiguous, E> {
                Ok(Unambiguous(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Unambiguous, E> {
                Ok(Unambiguous(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Unambiguous, E> {
                Ok(Unambiguous(number.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Unambiguous, E> {
                Ok(Unambiguous(text.into()))
            }

            fn visit_unit<E>(self) -> Result<Unambiguous, E> {
                Ok(Unambiguous(Value::Null))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unambiguous, A::Error> {
                let mut values = Vec::new();
                while let Some(Unambiguous(value)) = list.next_element()? {
                    values.push(value);
                }
                Ok(Unambiguous(values.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unambiguous, A::Error> {
                let mut values = Map::new();
                while let Some((key, Unambiguous(value))) = map.next_entry::<String, _>()? {
                    if values.contains_key(&key) {
                        return Err(de::Error::custom(format_args!("duplicate field `{}`", excerpt(&key, 40))));
                    }
                    values.insert(key, value);
                }
                Ok(Unambiguous(values.into()))
            }
        }

        deserializer.deserialize_any(Any)
    }
}
