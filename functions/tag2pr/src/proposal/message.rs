//! The commit's message: as the automation says, or as the pull request is titled, and then the trailers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::markdown::plain;
use super::{Bump, Parts};
use crate::image::ImageRef;
use crate::markers::{Change, ObjectId};
use crate::problem::{Place, Problem};
use crate::template::{Template, Value};

/// `git.commit.messageTemplate` of an automation, and what goes into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTemplate {
    /// Go's text/template, with [what Flux gives to it](https://fluxcd.io/flux/components/image/imageupdateautomations/#message-template).
    pub text: String,
    /// Where it stands.
    pub place: Place,
    /// `messageTemplateValues`
    pub values: BTreeMap<String, String>,
    /// The automation's namespace and name.
    pub automation: (String, String),
    /// The automation's path: the files in the message are named from there.
    pub path: String,
}

impl MessageTemplate {
    /// What the template makes of these changes.
    ///
    /// # Errors
    ///
    /// What is wrong with the template, where it stands, and what to do.
    pub fn render(&self, changes: &[Change], bumps: &[Bump]) -> Result<String, Problem> {
        self.render_beside(changes, bumps, "")
    }

    /// The same, with the title that the pull request would have by itself.
    fn render_beside(&self, changes: &[Change], bumps: &[Bump], title: &str) -> Result<String, Problem> {
        let data = self.data(changes, bumps, title);
        let rendered = Template::parse(&self.text).and_then(|template| template.render(&data));
        rendered.map(|text| cleaned(&text)).map_err(|error| {
            Problem::at(
                self.place.clone(),
                format!(
                    "the commit message template cannot be used ({error}); the commit gets the message that it would \
                     have without one: correct the template"
                ),
            )
        })
    }

    fn data(&self, changes: &[Change], bumps: &[Bump], title: &str) -> Value {
        let result = image_result(&self.path, changes, bumps);
        let (namespace, name) = &self.automation;
        let changed = Value::object(
            "ResultV2",
            "{}".to_owned(),
            vec![
                ("FileChanges", file_changes(&self.path, changes)),
                ("Objects", by_object(changes.iter())),
                ("Changes", distinct(changes)),
                ("ImageResult", result.clone()),
            ],
        );
        let automation = Value::object(
            "NamespacedName",
            format!("{namespace}/{name}"),
            vec![("Namespace", Value::text(namespace)), ("Name", Value::text(name))],
        );
        let values = self.values.iter().map(|(key, value)| (Value::text(key), Value::text(value)));
        Value::object(
            "TemplateData",
            "{}".to_owned(),
            vec![
                ("AutomationObject", automation),
                ("Changed", changed),
                // Flux removed it; the templates that use it are still everywhere.
                ("Updated", result),
                ("Values", Value::map(values)),
                ("Title", Value::text(title)),
            ],
        )
    }
}

/// The title, and what is wrong with the template for it if it could not be used. One line, and nothing in it is a
/// mention or a reference.
pub(super) fn title(own: &str, parts: &Parts) -> (String, Option<Problem>) {
    let rendered =
        parts.wishes.title.as_ref().map(|template| template.render_beside(&parts.changes, &parts.bumps, own));
    match rendered {
        Some(Ok(text)) if !text.is_empty() => (plain(text.lines().next().unwrap_or(own)), None),
        Some(Err(problem)) => {
            let reason =
                problem.reason.replace("the commit message template", "`title`").replace("commit", "pull request");
            (own.to_owned(), Some(Problem { reason: reason.replace("message that", "title that"), ..problem }))
        }
        Some(Ok(_)) | None => (own.to_owned(), None),
    }
}

/// The whole message, and what is wrong with the automation's template if it could not be used.
pub(super) fn message(title: &str, parts: &Parts) -> (String, Option<Problem>) {
    let rendered = parts.message.as_ref().map(|template| template.render(&parts.changes, &parts.bumps));
    let (text, problem) = match rendered {
        Some(Ok(text)) if !text.is_empty() => (text, None),
        Some(Err(problem)) => (default(title, &parts.bumps), Some(problem)),
        Some(Ok(_)) | None => (default(title, &parts.bumps), None),
    };
    (format!("{text}\n{}\n", trailers(&parts.bumps)), problem)
}

fn default(title: &str, bumps: &[Bump]) -> String {
    let mut text = format!("{title}\n");
    for bump in bumps {
        for from in &bump.from {
            let _ = write!(text, "\n{}: {} -> {}", plain(&bump.image), plain(from), plain(&bump.to()));
        }
    }
    text
}

/// In a paragraph of their own, which is where Git looks for them.
fn trailers(bumps: &[Bump]) -> String {
    let mut text = String::new();
    for bump in bumps {
        let _ = write!(
            text,
            "\nTag2pr-Policy: {}\nTag2pr-Image: {}:{}",
            plain(&bump.policy.to_string()),
            plain(&bump.image),
            bump.tag
        );
        if let Some(digest) = &bump.digest {
            let _ = write!(text, "@{digest}");
        }
        if let Some(delivery) = &bump.delivery {
            let _ = write!(text, "\nTag2pr-Delivery: {delivery}");
        }
    }
    text
}

/// Without what no message should hold, and no blank lines around it.
fn cleaned(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let kept: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    kept.trim().to_owned()
}

fn below<'a>(path: &str, file: &'a str) -> &'a str {
    let rest = file.strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
    rest.filter(|_| !path.is_empty()).unwrap_or(file)
}

fn object(id: &ObjectId) -> Value {
    let ObjectId { api_version, kind, name, namespace } = id;
    Value::object(
        "ObjectIdentifier",
        format!("{{{{{{{api_version} {kind}}} {{{name} {namespace}}}}}}}"),
        vec![
            ("APIVersion", Value::text(api_version)),
            ("Kind", Value::text(kind)),
            ("Name", Value::text(name)),
            ("Namespace", Value::text(namespace)),
        ],
    )
}

fn change(change: &Change) -> Value {
    let setter = change.setter.to_string();
    Value::object(
        "Change",
        format!("{{{} {} {setter}}}", change.old, change.new),
        vec![
            ("OldValue", Value::text(&change.old)),
            ("NewValue", Value::text(&change.new)),
            ("Setter", Value::text(setter)),
        ],
    )
}

fn by_object<'a>(changes: impl Iterator<Item = &'a Change>) -> Value {
    let mut objects: BTreeMap<ObjectId, Vec<Value>> = BTreeMap::new();
    for one in changes {
        objects.entry(one.object.clone().unwrap_or_default()).or_default().push(change(one));
    }
    Value::map(objects.iter().map(|(id, changes)| (object(id), Value::list(changes.iter().cloned()))))
}

fn file_changes(path: &str, changes: &[Change]) -> Value {
    let mut files: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for one in changes {
        files.entry(below(path, &one.file)).or_default().push(one);
    }
    Value::map(files.into_iter().map(|(file, changes)| (Value::text(file), by_object(changes.into_iter()))))
}

/// Each change once, in the order of files and lines; Flux has them in no order.
fn distinct(changes: &[Change]) -> Value {
    let mut seen = std::collections::BTreeSet::new();
    let first = changes.iter().filter(|change| seen.insert((&change.old, &change.new, change.setter.to_string())));
    Value::list(first.map(change).collect::<Vec<_>>())
}

/// What templates had before `.Changed`: files, objects and images, as
/// [`ImageRef`](https://pkg.go.dev/github.com/fluxcd/image-automation-controller@v0.41.0/pkg/update#ImageRef).
fn image_result(path: &str, changes: &[Change], bumps: &[Bump]) -> Value {
    let of = |change: &Change| bumps.iter().find(|bump| bump.policy == change.setter.policy).map(image);
    let objects = |changes: &[&Change]| {
        let mut objects: BTreeMap<ObjectId, Vec<Value>> = BTreeMap::new();
        for one in changes {
            let images = objects.entry(one.object.clone().unwrap_or_default()).or_default();
            images.extend(of(one).filter(|image| !images.contains(image)));
        }
        Value::map(objects.iter().map(|(id, images)| (object(id), Value::list(images.iter().cloned()))))
    };
    let mut files: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for one in changes {
        files.entry(below(path, &one.file)).or_default().push(one);
    }
    let files = files.into_iter().map(|(file, changes)| {
        let result = Value::object("FileResult", "{}".to_owned(), vec![("Objects", objects(&changes))]);
        (Value::text(file), result)
    });
    let all: Vec<&Change> = changes.iter().collect();
    let changed = bumps.iter().filter(|bump| changes.iter().any(|change| change.setter.policy == bump.policy));
    Value::object(
        "Result",
        "{}".to_owned(),
        vec![
            ("Files", Value::map(files.collect::<Vec<_>>())),
            ("Objects", objects(&all)),
            ("Images", Value::list(changed.map(image).collect::<Vec<_>>())),
        ],
    )
}

fn image(bump: &Bump) -> Value {
    let name = bump.image.parse::<ImageRef>().ok().and_then(|reference| reference.image().ok());
    let (registry, repository) = name.as_ref().map_or(("", bump.image.as_str()), |n| (n.registry(), n.repository()));
    let policy = Value::object(
        "NamespacedName",
        bump.policy.to_string(),
        vec![("Namespace", Value::text(&bump.policy.namespace)), ("Name", Value::text(&bump.policy.name))],
    );
    Value::object(
        "ImageRef",
        format!("{}:{}", bump.image, bump.tag),
        vec![
            ("Identifier", Value::text(&bump.tag)),
            ("Name", Value::text(&bump.image)),
            ("Policy", policy),
            ("Registry", Value::text(registry)),
            ("Repository", Value::text(repository)),
            ("String", Value::text(format!("{}:{}", bump.image, bump.tag))),
        ],
    )
}

/// What a template is tried on where nothing has changed yet.
pub(crate) fn sample(policy: &crate::policy::PolicyName) -> (Change, Bump) {
    let id = ObjectId {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        name: "web".into(),
        namespace: "apps".into(),
    };
    let setter = crate::markers::Setter { policy: policy.clone(), part: crate::markers::Part::Reference };
    let change = Change {
        file: "web.yaml".into(),
        line: 1,
        old: "registry.example/web:1.0.0".into(),
        new: "registry.example/web:1.1.0".into(),
        setter,
        object: Some(id),
    };
    let bump = Bump {
        policy: policy.clone(),
        place: String::new(),
        image: "registry.example/web".into(),
        from: ["1.0.0".to_owned()].into(),
        tag: "1.1.0".into(),
        moved: false,
        digest: None,
        pushed_at: None,
        actor: None,
        delivery: None,
        why: Vec::new(),
        instead_of: None,
        source: None,
    };
    (change, bump)
}
