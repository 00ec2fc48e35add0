//! What people ask for in a comment under a pull request.

/// A comment that begins like this is for us.
pub const PREFIX: &str = "/tag2pr";

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// That the branch is made anew, whatever was committed to it.
    Rebase,
    /// That what was closed is proposed again.
    Release,
}

impl Command {
    /// Reads the first line of a comment; nothing if it is no command, or one that nobody knows.
    pub fn parse(comment: &str) -> Option<Self> {
        let mut words = comment.lines().next()?.split_whitespace();
        match (words.next()?, words.next()?, words.next()) {
            (PREFIX, "rebase", None) => Some(Self::Rebase),
            (PREFIX, "release", None) => Some(Self::Release),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_alone_on_the_first_line() {
        assert_eq!(Command::parse("/tag2pr rebase"), Some(Command::Rebase));
        assert_eq!(Command::parse("  /tag2pr  release \r\nBecause it works now."), Some(Command::Release));
        for other in
            ["", "/tag2pr", "/tag2pr rebase please", "Try /tag2pr rebase", "> /tag2pr rebase", "/tag2pr Rebase"]
        {
            assert_eq!(Command::parse(other), None, "{other}");
        }
    }
}
