//! From Swagger 2.0 to OpenAPI 3.0, as far as requests and answers in JSON go.

use serde_json::{Map, Value, json};

pub(super) fn as_openapi(swagger: &Value) -> Value {
    let swagger = referring(swagger);
    let mut paths = Map::new();
    for (path, operations) in swagger["paths"].as_object().into_iter().flatten() {
        let operations = operations.as_object().into_iter().flatten();
        let operations = operations.map(|(method, one)| (method.clone(), operation(one)));
        paths.insert(path.clone(), Value::Object(operations.collect()));
    }
    let responses = swagger["responses"].as_object().into_iter().flatten();
    let responses: Map<String, Value> = responses.map(|(name, one)| (name.clone(), response(one))).collect();
    json!({ "paths": paths, "components": { "schemas": swagger["definitions"], "responses": responses } })
}

fn operation(before: &Value) -> Value {
    let Some(parameters) = before.get("parameters").and_then(Value::as_array) else { return described(before, &[]) };
    let (bodies, others): (Vec<&Value>, Vec<&Value>) = parameters.iter().partition(|one| one["in"] == "body");
    let others: Vec<Value> =
        others.into_iter().map(|one| json!({ "name": one["name"], "in": one["in"], "schema": schema(one) })).collect();
    let mut after = described(before, &others);
    if let Some(body) = bodies.first() {
        after["requestBody"] = json!({ "content": { "application/json": { "schema": body["schema"] } } });
    }
    after
}

fn described(before: &Value, parameters: &[Value]) -> Value {
    let responses = before["responses"].as_object().into_iter().flatten();
    // Refusals are described by their headers, and come with a body all the same.
    let refusal = json!({ "content": { "application/json": { "schema": {} } } });
    let responses: Map<String, Value> = responses
        .map(|(status, one)| (status.clone(), if status.starts_with('4') { refusal.clone() } else { response(one) }))
        .collect();
    json!({ "parameters": parameters, "responses": responses })
}

fn response(before: &Value) -> Value {
    match before.get("schema") {
        Some(schema) => json!({ "content": { "application/json": { "schema": schema } } }),
        None => before.clone(),
    }
}

/// What a parameter says of its value itself.
fn schema(parameter: &Value) -> Value {
    let of_value = ["type", "enum", "format", "items", "minimum", "maximum"];
    let kept = of_value.iter().filter_map(|key| Some(((*key).to_owned(), parameter.get(*key)?.clone())));
    Value::Object(kept.collect())
}

/// The same with references to where things are in OpenAPI 3.0.
fn referring(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(referring).collect(),
        Value::Object(all) => {
            let moved = |key: &str, value: &Value| match value.as_str().filter(|_| key == "$ref") {
                Some(reference) => json!(
                    reference
                        .replace("#/definitions/", "#/components/schemas/")
                        .replace("#/responses/", "#/components/responses/")
                ),
                None => referring(value),
            };
            all.iter().map(|(key, value)| (key.clone(), moved(key, value))).collect()
        }
        other => other.clone(),
    }
}
