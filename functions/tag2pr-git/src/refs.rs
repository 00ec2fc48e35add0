//! What a Git server tells of itself before anything else: its branches, and what it can do.
//!
//! <https://git-scm.com/docs/gitprotocol-pack#_reference_discovery>

use std::io::Read;

use git2::Oid;

use crate::Failure;
use crate::pkt_line::Lines;

/// The branches of a repository, and what its server can do.
#[derive(Debug, Default)]
pub(crate) struct Refs {
    /// `refs/heads/main` and where it is.
    pub(crate) branches: Vec<(String, Oid)>,
    capabilities: Vec<String>,
}

impl Refs {
    pub(crate) fn read(source: impl Read) -> Result<Self, Failure> {
        let mut lines = Lines::of(source);
        let mut refs = Self::default();
        let mut is_first = true;
        // `# service=git-upload-pack` stands in a list of its own.
        if lines.next()?.is_some_and(|line| line.starts_with(b"# service=")) {
            while lines.next()?.is_some() {}
        } else {
            lines.put_back();
        }
        while let Some(line) = lines.next()? {
            let line = std::str::from_utf8(line).unwrap_or_default();
            let (line, capabilities) = if is_first { line.split_once('\0').unwrap_or((line, "")) } else { (line, "") };
            is_first = false;
            refs.capabilities.extend(capabilities.split_whitespace().map(str::to_owned));
            let Some((id, name)) = line.split_once(' ') else { continue };
            if name.starts_with("refs/heads/") {
                let id = Oid::from_str(id).ok().filter(|_| id.len() == 40);
                let id = id.ok_or_else(|| Failure::Exchange(format!("`{name}` stands at what is no SHA-1")))?;
                refs.branches.push((name.to_owned(), id));
            }
        }
        Ok(refs)
    }

    /// Where a branch is: `refs/heads/main`.
    pub(crate) fn find(&self, name: &str) -> Option<Oid> {
        self.branches.iter().find(|(branch, _)| branch == name).map(|(_, id)| *id)
    }

    pub(crate) fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|one| one == capability)
    }

    /// Those that the server knows, each with a blank before it.
    pub(crate) fn those_of(&self, capabilities: &[&str]) -> String {
        let known = capabilities.iter().filter(|one| self.can(one));
        known.map(|one| format!(" {one}")).collect()
    }
}
