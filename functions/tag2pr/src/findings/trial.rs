//! A small repository to try a finding on: one image, one policy, one automation, one marked value.

use jiff::Timestamp;

use super::{Finding, check, read_with};
use crate::ledger::{Ledger, News, Push};
use crate::seams::{File, LeftOut, Why};

#[derive(Clone)]
pub(super) struct Trial {
    files: Vec<File>,
    left_out: Vec<LeftOut>,
    ledger: Option<Ledger>,
}

const IMAGE: &str = "apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: { name: web, namespace: apps }
spec:
  image: ghcr.io/acme/web
";

const AUTOMATION: &str = "apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: { name: all, namespace: apps }
spec:
  sourceRef: { kind: GitRepository, name: fleet }
  git: { checkout: { ref: { branch: main } } }
";

/// The policy `apps/web` with these lines in its spec.
pub(super) fn policy(spec: &str) -> Trial {
    let lines: String = spec.trim().lines().map(|line| format!("  {}\n", line)).collect();
    let object = format!(
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {{ name: web, namespace: apps }}\n\
         spec:\n  imageRepositoryRef: {{ name: web }}\n{lines}"
    );
    Trial { files: Vec::new(), left_out: Vec::new(), ledger: None }
        .file("image.yaml", IMAGE)
        .file("policy.yaml", &object)
        .file("automation.yaml", AUTOMATION)
        .file("web.yaml", "image: ghcr.io/acme/web # {\"$imagepolicy\": \"apps:web\"}\n")
}

impl Trial {
    /// Puts a file in, or another in its place.
    pub(super) fn file(self, path: &str, text: &str) -> Self {
        self.bytes(path, text.as_bytes().to_vec())
    }

    pub(super) fn bytes(mut self, path: &str, bytes: Vec<u8>) -> Self {
        self.files.retain(|file| file.path != path);
        self.files.push(File { path: path.to_owned(), bytes });
        self
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    pub(super) fn without(mut self, path: &str) -> Self {
        self.files.retain(|file| file.path != path);
        self
    }

    /// Puts something in that is not read.
    pub(super) fn left_out(mut self, path: &str, why: Why) -> Self {
        self.left_out.push(LeftOut { path: path.to_owned(), why });
        self
    }

    /// What stands in Git.
    pub(super) fn in_git(self, tag: &str) -> Self {
        self.file("web.yaml", &format!("image: ghcr.io/acme/web:{tag} # {{\"$imagepolicy\": \"apps:web\"}}\n"))
    }

    /// What is known of the image.
    pub(super) fn tags(mut self, tags: &[&str]) -> Self {
        let mut ledger = Ledger::default();
        let tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        ledger.merge(&News::Listed { tags, at: Timestamp::UNIX_EPOCH });
        self.ledger = Some(ledger);
        self
    }

    /// One more tag, of which a delivery told.
    pub(super) fn pushed(mut self, tag: &str) -> Self {
        let at = Timestamp::UNIX_EPOCH;
        self.ledger.get_or_insert_default().merge(&News::Pushed(Push {
            tag: tag.parse().unwrap(),
            digest: None,
            pushed_at: Some(at),
            received_at: at,
            delivery: "delivery".to_owned(),
            event: None,
            source: "hub".to_owned(),
            actor: None,
        }));
        self
    }

    pub(super) fn all(&self) -> Vec<Finding> {
        check(&read_with(self.files.clone(), self.left_out.clone()), &|_| self.ledger.as_ref())
    }

    /// Every finding with this code; its patch is one that mends it.
    pub(super) fn found(&self, code: &str) -> Vec<Finding> {
        let found: Vec<Finding> = self.all().into_iter().filter(|finding| finding.code == code).collect();
        for patch in found.iter().filter_map(|finding| finding.patch.as_ref()) {
            let mended =
                Self { files: self.files.clone(), left_out: self.left_out.clone(), ledger: self.ledger.clone() }
                    .file(&patch.file, &patch.mended);
            let again: Vec<Finding> = mended.all().into_iter().filter(|finding| finding.code == code).collect();
            assert!(again.len() < found.len(), "the patch does not mend it: {again:#?}\n{}", patch.diff);
        }
        found
    }

    /// As a person might read it.
    pub(super) fn shown(&self, code: &str) -> String {
        let show = |finding: &Finding| {
            let patch = finding.patch.as_ref().map(|patch| patch.diff.clone()).unwrap_or_default();
            let changes: String = patch
                .lines()
                .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---"))
                .map(|line| format!("{line}\n"))
                .collect();
            format!("{} {}: {}\nhelp: {}\n{changes}", finding.place, finding.severity, finding.message, finding.help)
        };
        self.found(code).iter().map(show).collect()
    }

    pub(super) fn is_clean(&self, code: &str) -> bool {
        self.found(code).is_empty()
    }
}
