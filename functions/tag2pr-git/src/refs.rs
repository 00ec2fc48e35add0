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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pkt_line::{FLUSH, write};

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn advertised(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            match *line {
                "" => bytes.extend_from_slice(FLUSH),
                line => write(&mut bytes, line),
            }
        }
        bytes
    }

    #[test]
    fn branches_are_told_with_what_the_server_can_do() {
        let branch = format!("{TWO} refs/heads/main\n");
        let (head, tag) =
            (format!("{ONE} HEAD\0side-band-64k shallow agent=git/2.39\n"), format!("{ONE} refs/tags/v1\n"));
        let shallow = format!("shallow {ONE}\n");
        for service in [&["# service=git-upload-pack\n", ""][..], &[]] {
            let lines = [service, &[&*head, &*branch, &*tag, &*shallow, ""][..]].concat();
            let refs = Refs::read(&*advertised(&lines)).unwrap();
            assert_eq!(refs.branches.len(), 1);
            assert_eq!(refs.find("refs/heads/main").unwrap().to_string(), TWO);
            assert_eq!(refs.find("refs/heads/mai"), None);
            assert_eq!(refs.those_of(&["ofs-delta", "shallow", "side-band-64k"]), " shallow side-band-64k");
        }
    }

    #[test]
    fn an_empty_repository_has_no_branches() {
        let nothing = format!("{} capabilities^{{}}\0report-status\n", "0".repeat(40));
        let refs = Refs::read(&*advertised(&["# service=git-receive-pack\n", "", &nothing, ""])).unwrap();
        assert!(refs.branches.is_empty() && refs.can("report-status"));
        assert!(Refs::read(&*advertised(&["# service=git-upload-pack\n", "", ""])).unwrap().branches.is_empty());
    }

    #[test]
    fn names_of_another_kind_and_half_an_answer_are_refused() {
        let long = format!("{} refs/heads/main\0object-format=sha256\n", "a".repeat(64));
        let failure = Refs::read(&*advertised(&[&long, ""])).unwrap_err();
        assert!(
            matches!(failure, Failure::Exchange(reason) if reason == "`refs/heads/main` stands at what is no SHA-1")
        );
        let whole = advertised(&[&format!("{ONE} refs/heads/main\0\n"), ""]);
        for length in 0..whole.len() {
            assert!(matches!(Refs::read(&whole[..length]), Err(Failure::Exchange(_))), "{length}");
        }
    }
}
