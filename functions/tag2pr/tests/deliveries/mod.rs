//! The deliveries under `events/`, as requests.

use std::fs;
use std::path::{Path, PathBuf};

use http::{HeaderMap, Method};
use jiff::Timestamp;
use tag2pr::delivery::{self, Fields, Refusal, Request, Sender, Trusted, read_headers};
use tag2pr::jwt::{Expectations, Keys};
use tag2pr::secret::Secret;

/// What is in `events/` beside the folders of deliveries, and is read by other tests or by people.
const READ_ELSEWHERE: [&str; 4] = ["README.md", "identity-key.pem", "identity-keys.json", "invoke"];

/// One pair of files.
pub(crate) struct Delivery {
    /// `ghcr/push`
    pub(crate) name: String,
    /// From the `# request:` line.
    pub(crate) method: Method,
    pub(crate) sender: Sender,
    pub(crate) headers: HeaderMap,
    pub(crate) path_secret: Option<String>,
    /// From the `# secret:` line.
    pub(crate) secrets: Vec<Secret>,
    /// From the `# oidc:` line.
    pub(crate) expected: Option<Expectations>,
    pub(crate) keys: Keys,
    /// From the `# at:` line: when a token has to be valid.
    pub(crate) at: Timestamp,
    /// From the `# fields:` line.
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
}

impl Delivery {
    pub(crate) fn request(&self) -> Request<'_> {
        Request { headers: &self.headers, path_secret: self.path_secret.as_deref(), body: &self.body }
    }

    /// Whether it is believed, by whatever is configured for it.
    pub(crate) fn authenticate(&self) -> Result<Trusted<'_>, Refusal> {
        let request = self.request();
        let trusted = match &self.expected {
            Some(expected) => delivery::identify(self.sender, &request, &self.keys, expected, self.at)?,
            None => delivery::authenticate(self.sender, &request, &self.secrets)?,
        };
        Ok(trusted.reading(&self.fields))
    }

    /// The same taken at its word.
    pub(crate) fn unchecked(&self) -> Trusted<'_> {
        delivery::unchecked(self.sender, &self.request()).reading(&self.fields)
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

    let path = comment("request").and_then(|line| line.split_once(" /hooks/"));
    let (method, path) = path.unwrap_or_else(|| panic!("{name}.headers has no line `# request: POST /hooks/<sender>`"));
    let fields = comment("fields").map(|json| serde_json::from_str(json).unwrap());
    let (sender, path_secret) = path.split_once('/').map_or((path, None), |(sender, secret)| (sender, Some(secret)));
    Delivery {
        method: method.parse().unwrap(),
        sender: sender.parse().unwrap_or_else(|error| panic!("{name}.headers: {error}")),
        headers: read_headers(&text).unwrap_or_else(|error| panic!("{name}.headers: {error}")),
        path_secret: path_secret.map(str::to_owned),
        secrets: comment("secret").map(Secret::new).into_iter().collect(),
        expected: comment("oidc").map(expectations),
        keys: Keys::read(&fs::read(events().join("identity-keys.json")).unwrap()).unwrap(),
        at: comment("at").map_or(Timestamp::UNIX_EPOCH, |time| time.parse().unwrap()),
        fields: fields.unwrap_or_default(),
        name,
        body,
    }
}

/// `issuer=… audience=… <claim>=…`
fn expectations(line: &str) -> Expectations {
    let mut claims: std::collections::BTreeMap<String, String> =
        line.split(' ').map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let mut take = |name: &str| claims.remove(name).unwrap_or_default();
    Expectations { issuer: take("issuer"), audience: take("audience"), claims }
}
