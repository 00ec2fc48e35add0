//! What people ask for in a comment under a pull request.

/// A comment that begins like this is for us.
pub const PREFIX: &str = "/tag2pr";

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// That the branch is made anew, whatever was committed to it up to this commit, or up to the one that whoever asks
    /// could see. At least seven digits of its id.
    Rebase(Option<&'a str>),
    /// That what was closed is proposed again.
    Release,
}

/// So many digits of a commit's id are enough, as people quote commits.
const DIGITS: usize = 7;

impl<'a> Command<'a> {
    /// Reads the first line of a comment; nothing if it is no command, or one that nobody knows.
    pub fn parse(comment: &'a str) -> Option<Self> {
        let is_commit = |word: &&str| word.len() >= DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut words = comment.lines().next()?.split_whitespace();
        match (words.next()?, words.next()?, words.next(), words.next()) {
            (PREFIX, "rebase", None, None) => Some(Self::Rebase(None)),
            (PREFIX, "rebase", commit @ Some(_), None) => commit.filter(is_commit).map(|id| Self::Rebase(Some(id))),
            (PREFIX, "release", None, None) => Some(Self::Release),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_alone_on_the_first_line() {
        assert_eq!(Command::parse("/tag2pr rebase"), Some(Command::Rebase(None)));
        assert_eq!(Command::parse("/tag2pr rebase 0a1b2c3\n"), Some(Command::Rebase(Some("0a1b2c3"))));
        assert_eq!(Command::parse("  /tag2pr  release \r\nBecause it works now."), Some(Command::Release));
        for other in [
            "",
            "/tag2pr",
            "/tag2pr rebase please",
            "/tag2pr rebase 0a1b2c",
            "/tag2pr rebase 0a1b2c3 4",
            "Try /tag2pr rebase",
            "> /tag2pr rebase",
            "/tag2pr Rebase",
        ] {
            assert_eq!(Command::parse(other), None, "{other}");
        }
    }
}
