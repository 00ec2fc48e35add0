//! Holds what is said over HTTP against a published [OpenAPI 3.0](https://spec.openapis.org/oas/v3.0.3) description.

mod swagger;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// `GET`
    pub method: String,
    /// Below the description's server, without a query.
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    /// `None` when there was none.
    pub request: Option<Value>,
    /// `200`
    pub status: u16,
    /// What was answered.
    pub answer: Value,
}

/// A description of an HTTP API. Only what is asked for is looked at closely.
pub struct Description {
    document: Value,
    /// The answer of any operation to what it does not describe itself: a pointer below `#/components/schemas/`.
    error: String,
    validators: Mutex<BTreeMap<String, Validator>>,
}

impl Description {
    /// Reads a description. Statuses of 300 and more that an operation does not describe are held against the schema
    /// named `error`.
    ///
    /// # Panics
    ///
    /// When the file cannot be read.
    pub fn read(path: &Path, error: &str) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let document = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::new(document, error)
    }

    /// The same for a description in [Swagger 2.0](https://spec.openapis.org/oas/v2.0.html), the format before.
    ///
    /// # Panics
    ///
    /// When the file cannot be read.
    pub fn read_swagger(path: &Path, error: &str) -> Self {
        let before = Self::read(path, error);
        Self::new(swagger::as_openapi(&before.document), error)
    }

    /// A description that is read already.
    pub fn new(document: Value, error: &str) -> Self {
        Self { document, error: error.to_owned(), validators: Mutex::default() }
    }

    /// What in the exchange the description does not allow: operation, place and reason of each.
    pub fn violations(&self, exchange: &Exchange) -> Vec<String> {
        let Exchange { method, path, .. } = exchange;
        let Some((template, operation)) = self.operation(method, path) else {
            return vec![format!("{method} {path}: no such operation")];
        };
        let name = format!("{method} {template}");
        let mut found = self.parameters(&name, template, operation, exchange);
        let body = self.resolved(operation.get("requestBody")).and_then(content);
        match (body, &exchange.request) {
            (Some(schema), Some(body)) => {
                // Servers ignore a property that they do not know; here it is a mistake.
                found.extend(self.hold(&name, "request", &closed(schema), body));
            }
            (None, Some(_)) => found.push("request: a body, where none belongs".to_owned()),
            (_, None) => {}
        }
        let described = operation.pointer(&format!("/responses/{}", exchange.status));
        let error = json!({ "$ref": format!("#/components/schemas/{}", self.error) });
        match self.resolved(described) {
            Some(answer) => match content(answer) {
                Some(schema) => {
                    found.extend(self.hold(&name, &format!("answer {}", exchange.status), schema, &exchange.answer));
                }
                None if exchange.answer.is_null() => {}
                None => found.push(format!("{}: an answer, where none belongs", exchange.status)),
            },
            None if exchange.status >= 300 => found.extend(self.hold("", "error", &error, &exchange.answer)),
            None => found.push(format!("{}: no such status", exchange.status)),
        }
        found.into_iter().map(|violation| format!("{name}: {violation}")).collect()
    }

    /// The operation whose path fits, with the most literal segments.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let literals = |template: &str| template.split('/').filter(|segment| !segment.starts_with('{')).count();
        let paths = self.document["paths"].as_object()?;
        let fitting = paths.iter().filter(|(template, operations)| {
            fits(template, path) && operations.get(method.to_ascii_lowercase()).is_some()
        });
        let (template, operations) = fitting.max_by_key(|(template, _)| literals(template))?;
        Some((template, &operations[method.to_ascii_lowercase()]))
    }

    fn parameters(&self, operation_name: &str, template: &str, operation: &Value, exchange: &Exchange) -> Vec<String> {
        let of_path = self.document["paths"][template].get("parameters");
        let lists = [of_path, operation.get("parameters")].into_iter().flatten().filter_map(Value::as_array);
        let known: Vec<&Value> = lists.flatten().filter_map(|parameter| self.resolved(Some(parameter))).collect();
        let mut found = Vec::new();
        for (name, value) in &exchange.query {
            let parameter = known.iter().find(|known| known["in"] == "query" && known["name"] == name.as_str());
            match parameter {
                None => found.push(format!("query: no parameter `{name}`")),
                Some(parameter) => {
                    let read = match parameter["schema"]["type"].as_str() {
                        Some("integer") => value.parse().map(|number: i64| json!(number)).ok(),
                        Some("boolean") => value.parse().map(|word: bool| json!(word)).ok(),
                        _ => None,
                    };
                    let value = read.unwrap_or(json!(value));
                    found.extend(self.hold(operation_name, &format!("query {name}"), &parameter["schema"], &value));
                }
            }
        }
        found
    }

    /// Follows a reference to a parameter, request body or response.
    fn resolved<'a>(&'a self, value: Option<&'a Value>) -> Option<&'a Value> {
        match value?.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.document.pointer(reference.strip_prefix('#')?),
            None => value,
        }
    }

    /// Holds one value against one schema of an operation.
    fn hold(&self, operation: &str, what: &str, schema: &Value, value: &Value) -> Vec<String> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{operation}: {what}");
        let validator = validators.entry(name).or_insert_with_key(|name| self.compiled(name, schema));
        validator.iter_errors(value).map(|error| format!("{what}: at `{}`: {error}", error.instance_path())).collect()
    }

    fn compiled(&self, what: &str, schema: &Value) -> Validator {
        let mut schemas = Map::new();
        let mut wanted = BTreeSet::new();
        references(schema, &mut wanted);
        while let Some(reference) = wanted.pop_first() {
            let Some(name) = reference.strip_prefix("#/components/schemas/") else {
                panic!("{what}: `{reference}` is no schema")
            };
            if !schemas.contains_key(name) {
                let schema = &self.document["components"]["schemas"][name];
                references(schema, &mut wanted);
                schemas.insert(name.to_owned(), json_schema(schema));
            }
        }
        let whole = json!({ "allOf": [json_schema(schema)], "components": { "schemas": schemas } });
        let options = jsonschema::options().with_draft(Draft::Draft4).should_validate_formats(true);
        options.build(&whole).unwrap_or_else(|error| panic!("{what}: {error}"))
    }
}

fn content(described: &Value) -> Option<&Value> {
    described.pointer("/content/application~1json/schema")
}

fn fits(template: &str, path: &str) -> bool {
    let (mut expected, mut actual) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => return true,
            // `{index}.{kind}`
            (Some(expected), Some(actual)) if expected.matches('{').count() > 1 && !actual.contains('.') => {
                return false;
            }
            (Some(expected), Some(actual)) if expected.starts_with('{') && !actual.is_empty() => {}
            (Some(expected), Some(actual)) if expected == actual => {}
            _ => return false,
        }
    }
}

/// The same schema, which allows no property that it does not name.
fn closed(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if schema.get("properties").is_some() {
        schema["additionalProperties"] = json!(false);
    }
    for several in ["oneOf", "anyOf"] {
        if let Some(all) = schema.get_mut(several).and_then(Value::as_array_mut) {
            all.iter_mut().for_each(|one| *one = closed(one));
        }
    }
    schema
}

fn references(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                found.insert(reference.clone());
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// OpenAPI 3.0 is JSON Schema draft 4, but for `nullable`, which JSON Schema says with a type.
fn json_schema(schema: &Value) -> Value {
    match schema {
        Value::Array(values) => values.iter().map(json_schema).collect(),
        Value::Object(map) => {
            let mut map: Map<_, _> = map.iter().map(|(key, value)| (key.clone(), json_schema(value))).collect();
            if map.get("nullable") != Some(&json!(true)) {
                return Value::Object(map);
            }
            map.remove("nullable");
            if let Some(Value::Array(values)) = map.get_mut("enum")
                && !values.contains(&Value::Null)
            {
                values.push(Value::Null);
            }
            match map.get_mut("type") {
                Some(kind) => {
                    *kind = json!([kind, "null"]);
                    Value::Object(map)
                }
                None => json!({ "anyOf": [map, { "type": "null" }] }),
            }
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        let thing = json!({
            "type": "object",
            "required": ["name", "note", "kind", "parent"],
            "properties": {
                "name": { "type": "string" },
                "note": { "type": "string", "nullable": true },
                "kind": { "type": "string", "enum": ["a", "b"], "nullable": true },
                "parent": { "nullable": true, "allOf": [{ "$ref": "#/components/schemas/thing" }] },
            },
        });
        let answer = json!({ "$ref": "#/components/responses/thing" });
        let document = json!({
            "paths": {
                "/things/{name}": { "get": {
                    "parameters": [
                        { "name": "page", "in": "query", "schema": { "type": "integer" } },
                        { "name": "whole", "in": "query", "schema": { "type": "boolean" } },
                    ],
                    "responses": { "200": answer },
                } },
                "/things": { "post": {
                    "requestBody": { "content": { "application/json": { "schema": {
                        "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } },
                    } } } },
                    "responses": { "201": answer },
                } },
            },
            "components": {
                "schemas": { "thing": thing, "error": { "type": "object", "required": ["message"] } },
                "responses": { "thing": { "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/thing" },
                } } } },
            },
        });
        Description::new(document, "error")
    }

    fn said(method: &str, path: &str, request: Option<Value>, status: u16, answer: Value) -> Vec<String> {
        let query = path.split_once('?').and_then(|(_, query)| query.split_once('='));
        description().violations(&Exchange {
            method: method.to_owned(),
            path: path.split('?').next().unwrap_or_default().to_owned(),
            query: query.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect(),
            request,
            status,
            answer,
        })
    }

    const NONE: [String; 0] = [];

    #[test]
    fn what_is_described_is_allowed() {
        let bare = json!({ "name": "x", "note": null, "kind": null, "parent": null });
        let nested = json!({ "name": "x", "note": "n", "kind": "a", "parent": bare });
        assert_eq!(said("GET", "/things/x?page=2", None, 200, nested), NONE);
        assert_eq!(said("GET", "/things/x?whole=false", None, 200, bare.clone()), NONE);
        assert_eq!(said("POST", "/things", Some(json!({ "name": "x" })), 201, bare), NONE);
        assert_eq!(said("GET", "/things/x", None, 404, json!({ "message": "Not Found" })), NONE);
    }

    #[test]
    fn what_is_not_described_is_named_with_its_place() {
        let bare = json!({ "name": "x", "note": null, "kind": null, "parent": null });
        let wrong = json!({ "name": null, "note": null, "kind": "c", "parent": { "name": "y" } });
        let places = said("GET", "/things/x", None, 200, wrong);
        assert_eq!(places.len(), 3);
        assert_eq!(places[0], "GET /things/{name}: answer 200: at `/kind`: \"c\" is not one of \"a\", \"b\" or null");
        assert_eq!(said("DELETE", "/things/x", None, 200, json!({})), ["DELETE /things/x: no such operation"]);
        assert_eq!(said("GET", "/things/x/y", None, 200, json!({})), ["GET /things/x/y: no such operation"]);
        assert_eq!(
            said("GET", "/things/x?pag=2", None, 200, bare.clone()),
            ["GET /things/{name}: query: no parameter `pag`"]
        );
        assert_eq!(said("GET", "/things/x?page=two", None, 200, bare.clone()).len(), 1);
        assert_eq!(said("GET", "/things/x?whole=no", None, 200, bare.clone()).len(), 1);
        assert_eq!(said("POST", "/things", Some(json!({ "name": "x", "nmae": "y" })), 201, bare.clone()).len(), 1);
        assert_eq!(said("POST", "/things", Some(json!({})), 201, bare).len(), 1);
        assert_eq!(said("GET", "/things/x", None, 204, Value::Null), ["GET /things/{name}: 204: no such status"]);
        assert_eq!(said("GET", "/things/x", None, 500, json!({})).len(), 1);
    }
}
