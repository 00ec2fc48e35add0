//! The deliveries under `events/`, as requests.

use std::fs;
use std::path::{Path, PathBuf};

use http::HeaderMap;
use tag2pr::delivery::{Request, Sender, read_headers};
use tag2pr::secret::Secret;

/// What is in `events/` beside the folders of deliveries, and is read by other tests or by people.
const READ_ELSEWHERE: [&str; 4] = ["README.md", "identity-key.pem", "identity-keys.json", "invoke"];

/// One pair of files.
pub(crate) struct Delivery {
    /// `ghcr/push`
    pub(crate) name: String,
    /// From the `# request:` line.
    pub(crate) sender: Sender,
    pub(crate) headers: HeaderMap,
    pub(crate) path_secret: Option<String>,
    /// From the `# secret:` line.
    pub(crate) secrets: Vec<Secret>,
    pub(crate) body: Vec<u8>,
}

impl Delivery {
    pub(crate) fn request(&self) -> Request<'_> {
        Request { headers: &self.headers, path_secret: self.path_secret.as_deref(), body: &self.body }
    }
}

pub(crate) fn events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// File names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().expect("file names are UTF-8")).collect();
    names.sort();
    names
}

/// Every delivery, in the order of its name. A file without its other half is an error.
pub(crate) fn all() -> Vec<Delivery> {
    let mut found = Vec::new();
    for folder in names(&events()).iter().filter(|name| !READ_ELSEWHERE.contains(&name.as_str())) {
        let files = names(&events().join(folder));
        for file in &files {
            let (case, kind) = file.rsplit_once('.').unwrap_or((file, ""));
            let has = |extension: &str| files.contains(&format!("{case}.{extension}"));
            match kind {
                "headers" => found.push(read(folder, case)),
                "json" => assert!(has("headers"), "{folder}/{file} has no {case}.headers beside it"),
                "txt" => assert!(has("headers") && !has("json"), "{folder}/{file} belongs to no {case}.headers"),
                _ => panic!("{folder}/{file} is neither a body (.json, .txt) nor headers (.headers)"),
            }
        }
    }
    found
}

/// One delivery.
pub(crate) fn read(folder: &str, case: &str) -> Delivery {
    let name = format!("{folder}/{case}");
    let text = fs::read_to_string(events().join(format!("{name}.headers"))).unwrap();
    let bodies = ["json", "txt"].map(|extension| fs::read(events().join(format!("{name}.{extension}"))));
    let body = bodies.into_iter().find_map(Result::ok).unwrap_or_else(|| panic!("{name} has headers and no body"));
    let comment = |key: &str| text.lines().find_map(|line| line.strip_prefix(&format!("# {key}: ")));

    let path = comment("request").and_then(|line| line.strip_prefix("POST /hooks/"));
    let path = path.unwrap_or_else(|| panic!("{name}.headers has no line `# request: POST /hooks/<sender>`"));
    let (sender, path_secret) = path.split_once('/').map_or((path, None), |(sender, secret)| (sender, Some(secret)));
    Delivery {
        sender: sender.parse().unwrap_or_else(|error| panic!("{name}.headers: {error}")),
        headers: read_headers(&text).unwrap_or_else(|error| panic!("{name}.headers: {error}")),
        path_secret: path_secret.map(str::to_owned),
        secrets: comment("secret").map(Secret::new).into_iter().collect(),
        name,
        body,
    }
}
