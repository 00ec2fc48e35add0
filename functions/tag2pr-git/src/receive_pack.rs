//! Pushes one branch: the old value, the new one, and the objects that are new.
//!
//! <https://git-scm.com/docs/gitprotocol-pack#_pushing_data_to_a_server>

use std::io::Read;

use git2::{ObjectType, Oid, Repository, Tree};
use reqwest::Url;

use crate::Failure;
use crate::http::{Http, Service};
use crate::pkt_line::{self, Bands, FLUSH, Lines, invalid};
use crate::refs::Refs;

const WANTED: &[&str] = &["report-status", "side-band-64k"];

/// What a server did.
pub(crate) struct Report {
    /// Why it did not move the branch.
    pub(crate) rejected: Option<String>,
    /// What it says to people.
    pub(crate) said: Vec<u8>,
}

/// Moves a branch from its old value, or makes it. Only the report tells whether it was moved.
pub(crate) fn push(
    http: &Http,
    base: &Url,
    refs: &Refs,
    name: &str,
    (old, new): (Option<Oid>, Oid),
    pack: &[u8],
) -> Result<Report, Failure> {
    let old = old.unwrap_or(Oid::ZERO_SHA1);
    let agent = concat!(" agent=tag2pr/", env!("CARGO_PKG_VERSION"));
    let mut request = Vec::with_capacity(pack.len() + 300);
    pkt_line::write(&mut request, &format!("{old} {new} {name}\0{}{agent}", refs.those_of(WANTED)));
    request.extend_from_slice(FLUSH);
    request.extend_from_slice(pack);
    let answer = Lines::of(http.ask(base, Service::ReceivePack, request)?);
    if !refs.can("side-band-64k") {
        return Ok(Report { rejected: rejected(answer)?, said: Vec::new() });
    }
    let mut bands = Bands::of(answer);
    let rejected = rejected(Lines::of(&mut bands))?;
    // What is said after the report.
    std::io::copy(&mut bands, &mut std::io::sink())?;
    Ok(Report { rejected, said: bands.said })
}

/// Reads the report: `unpack ok`, and a line for the branch.
fn rejected(mut report: Lines<impl Read>) -> Result<Option<String>, Failure> {
    let words = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    match report.next()? {
        Some(b"unpack ok") => {}
        // It could not read what came, so what is here may be broken.
        Some(line) => return Err(git2::Error::from_str(&format!("the server says: {}", words(line))).into()),
        None => return Err(invalid("the report is empty").into()),
    }
    match report.next()? {
        Some(line) if line.starts_with(b"ok ") => Ok(None),
        Some(line) => match words(line).strip_prefix("ng ").and_then(|line| line.split_once(' ')) {
            Some((_, reason)) => Ok(Some(reason.to_owned())),
            None => Ok(Some(words(line))),
        },
        None => Err(invalid("the report does not name the branch").into()),
    }
}

/// The objects of a commit that its parents do not have, as a pack.
pub(crate) fn pack(git: &Repository, commit: Oid) -> Result<Vec<u8>, git2::Error> {
    let commit = git.find_commit(commit)?;
    let mut pack = git.packbuilder()?;
    pack.insert_object(commit.id(), None)?;
    let (tree, before) = (commit.tree()?, commit.parents().next().map(|parent| parent.tree()).transpose()?);
    let is_new = before.as_ref().is_none_or(|before| before.id() != tree.id());
    if is_new {
        insert(git, &mut pack, &tree, before.as_ref())?;
    }
    let mut bytes = git2::Buf::new();
    pack.write_buf(&mut bytes)?;
    Ok(bytes.to_vec())
}

fn insert(
    git: &Repository,
    pack: &mut git2::PackBuilder<'_>,
    tree: &Tree<'_>,
    before: Option<&Tree<'_>>,
) -> Result<(), git2::Error> {
    pack.insert_object(tree.id(), None)?;
    for entry in tree {
        let was = before.and_then(|before| before.get_name_bytes(entry.name_bytes()));
        if was.as_ref().is_some_and(|was| was.id() == entry.id()) {
            continue;
        }
        match entry.kind() {
            Some(ObjectType::Tree) => {
                let was = was.filter(|was| was.kind() == Some(ObjectType::Tree));
                let was = was.map(|was| git.find_tree(was.id())).transpose()?;
                insert(git, pack, &git.find_tree(entry.id())?, was.as_ref())?;
            }
            Some(ObjectType::Blob) => pack.insert_object(entry.id(), None)?,
            // A submodule's commit is elsewhere.
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Option<String>, Failure> {
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| pkt_line::write(&mut bytes, line));
        bytes.extend_from_slice(FLUSH);
        rejected(Lines::of(&*bytes))
    }

    #[test]
    fn only_a_branch_that_is_named_was_moved() {
        assert_eq!(read(&["unpack ok\n", "ok refs/heads/a\n"]).unwrap(), None);
        let refused = read(&["unpack ok\n", "ng refs/heads/a protected branch hook declined\n"]).unwrap();
        assert_eq!(refused.as_deref(), Some("protected branch hook declined"));
        assert_eq!(read(&["unpack ok\n", "what\n"]).unwrap().as_deref(), Some("what"));
        assert!(matches!(read(&["unpack ok\n"]), Err(Failure::Exchange(_))));
        assert!(matches!(read(&[]), Err(Failure::Exchange(_))));
    }

    #[test]
    fn a_pack_that_was_not_understood_says_that_what_is_here_may_be_broken() {
        let failure = read(&["unpack index-pack abnormal exit\n", "ng refs/heads/a unpacker error\n"]).unwrap_err();
        assert!(
            matches!(failure, Failure::Git(error) if error.message() == "the server says: unpack index-pack abnormal exit")
        );
    }
}
