//! From tokens to a tree: <https://pkg.go.dev/text/template#hdr-Actions>.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use super::lex::{Kind, Piece, Token, pieces};
use super::value::Value;
use super::{DEEPEST, Error, builtins, sprig};

#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    /// Prints, unless it declares or assigns.
    Action(Pipe),
    If {
        pipe: Pipe,
        then: Vec<Node>,
        otherwise: Vec<Node>,
        /// `with`: the value is the dot inside.
        with: bool,
    },
    Range {
        pipe: Pipe,
        each: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Template {
        name: String,
        pipe: Option<Pipe>,
        line: usize,
    },
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct Pipe {
    /// `$a` or `$a, $b`
    pub(super) variables: Vec<String>,
    /// `=` and not `:=`
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
    pub(super) line: usize,
}

/// An operand and its arguments.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) operands: Vec<Operand>,
    pub(super) line: usize,
}

#[derive(Debug)]
pub(super) enum Operand {
    Constant(Value),
    Nil,
    Dot,
    Variable(String),
    Function(String),
    Parenthesis(Pipe),
    /// `.a.b` behind something.
    Fields(Box<Operand>, Vec<String>),
}

type Parsed = (Vec<Node>, BTreeMap<String, Vec<Node>>);

pub(super) fn parse(text: &str) -> Result<Parsed, Error> {
    let mut parser = Parser { pieces: pieces(text)?.into(), others: BTreeMap::new(), depth: 0, loops: 0, line: 1 };
    let (main, end) = parser.list(vec![String::new()])?;
    match end {
        Ended::Text => Ok((main, parser.others)),
        Ended::End | Ended::Else(_) => {
            let word = if matches!(end, Ended::End) { "end" } else { "else" };
            Err(parser.fail(format!("`{{{{{word}}}}}` ends nothing")))
        }
    }
}

/// What a list of nodes ended with.
enum Ended {
    Text,
    End,
    /// With what follows the word.
    Else(Vec<Token>),
}

struct Parser {
    pieces: VecDeque<Piece>,
    others: BTreeMap<String, Vec<Node>>,
    depth: usize,
    loops: usize,
    line: usize,
}

impl Parser {
    fn fail(&self, reason: impl Into<String>) -> Error {
        Error { line: self.line, reason: reason.into() }
    }

    /// Nodes up to an `end`, an `else`, or the end of the text; `known` are the variables in sight.
    fn list(&mut self, mut known: Vec<String>) -> Result<(Vec<Node>, Ended), Error> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.fail(format!("actions nest deeper than {DEEPEST}")));
        }
        let mut nodes = Vec::new();
        let end = loop {
            let (mut tokens, line) = match self.pieces.pop_front() {
                None => break Ended::Text,
                Some(Piece::Text(text)) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Some(Piece::Action(tokens, line)) => (tokens, line),
            };
            self.line = line;
            let word = match tokens.first().map(|token| &token.kind) {
                Some(Kind::Word(word)) => word.clone(),
                _ => String::new(),
            };
            let rest = if tokens.is_empty() { Vec::new() } else { tokens.split_off(1) };
            match word.as_str() {
                "end" if rest.is_empty() => break Ended::End,
                "else" => break Ended::Else(rest),
                "if" | "with" => nodes.push(self.branch(rest, &known, word == "with")?),
                "range" => {
                    let mut inner = known.clone();
                    let pipe = self.pipe(rest, &mut inner, true)?;
                    self.loops += 1;
                    let (each, end) = self.list(inner)?;
                    self.loops -= 1;
                    let otherwise = self.otherwise(end, &known, None)?;
                    nodes.push(Node::Range { pipe, each, otherwise });
                }
                "break" | "continue" if rest.is_empty() => {
                    if self.loops == 0 {
                        return Err(self.fail(format!("`{{{{{word}}}}}` outside of `range`")));
                    }
                    nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                }
                "define" => {
                    let name = self.name(&rest, "define")?;
                    let loops = std::mem::take(&mut self.loops);
                    let (body, end) = self.list(vec![String::new()])?;
                    self.loops = loops;
                    self.ends(&end, "define")?;
                    self.others.insert(name, body);
                }
                "block" => {
                    let name = self.name(&rest[..rest.len().min(1)], "block")?;
                    let pipe = self.pipe(rest[1..].to_vec(), &mut known, false)?;
                    let (body, end) = self.list(vec![String::new()])?;
                    self.ends(&end, "block")?;
                    self.others.insert(name.clone(), body);
                    nodes.push(Node::Template { name, pipe: Some(pipe), line });
                }
                "template" => {
                    let name = self.name(&rest[..rest.len().min(1)], "template")?;
                    let pipe =
                        if rest.len() > 1 { Some(self.pipe(rest[1..].to_vec(), &mut known, false)?) } else { None };
                    nodes.push(Node::Template { name, pipe, line });
                }
                _ => {
                    tokens.extend(rest);
                    nodes.push(Node::Action(self.pipe(tokens, &mut known, false)?));
                }
            }
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    fn branch(&mut self, rest: Vec<Token>, known: &[String], with: bool) -> Result<Node, Error> {
        let mut inner = known.to_vec();
        let pipe = self.pipe(rest, &mut inner, false)?;
        let (then, end) = self.list(inner.clone())?;
        let otherwise = self.otherwise(end, &inner, Some(with))?;
        Ok(Node::If { pipe, then, otherwise, with })
    }

    /// What stands behind `else`; `else if` and `else with` are one action inside it, that ends with the same `end`.
    fn otherwise(&mut self, end: Ended, known: &[String], chains: Option<bool>) -> Result<Vec<Node>, Error> {
        match end {
            Ended::Text => Err(self.fail("an action lacks its `{{end}}`")),
            Ended::End => Ok(Vec::new()),
            Ended::Else(rest) if rest.is_empty() => {
                let (nodes, end) = self.list(known.to_vec())?;
                self.ends(&end, "else")?;
                Ok(nodes)
            }
            Ended::Else(mut rest) => {
                let word = if chains == Some(true) { "with" } else { "if" };
                if chains.is_none() || rest[0].kind != Kind::Word(word.to_owned()) {
                    return Err(self.fail("something unexpected behind `else`"));
                }
                let rest = rest.split_off(1);
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(self.fail(format!("actions nest deeper than {DEEPEST}")));
                }
                let node = self.branch(rest, known, word == "with");
                self.depth -= 1;
                Ok(vec![node?])
            }
        }
    }

    fn ends(&self, end: &Ended, what: &str) -> Result<(), Error> {
        match end {
            Ended::End => Ok(()),
            Ended::Text | Ended::Else(_) => Err(self.fail(format!("`{what}` lacks its `{{{{end}}}}`"))),
        }
    }

    fn name(&self, tokens: &[Token], what: &str) -> Result<String, Error> {
        match tokens {
            [Token { kind: Kind::Text(name), .. }] => Ok(name.clone()),
            _ => Err(self.fail(format!("`{what}` wants the name of a template in quotes"))),
        }
    }

    /// A whole pipeline.
    fn pipe(&self, tokens: Vec<Token>, known: &mut Vec<String>, ranges: bool) -> Result<Pipe, Error> {
        let mut words = Words { tokens: tokens.into(), line: self.line, depth: 0 };
        let pipe = words.pipe(known, ranges)?;
        match words.tokens.front() {
            None => Ok(pipe),
            Some(_) => Err(self.fail("unexpected `)`")),
        }
    }
}

/// The tokens of one action.
struct Words {
    tokens: VecDeque<Token>,
    line: usize,
    depth: usize,
}

impl Words {
    fn fail(&self, reason: impl Into<String>) -> Error {
        Error { line: self.line, reason: reason.into() }
    }

    fn kind(&self, at: usize) -> Option<&Kind> {
        self.tokens.get(at).map(|token| &token.kind)
    }

    /// Up to a closing parenthesis or the end.
    fn pipe(&mut self, known: &mut Vec<String>, ranges: bool) -> Result<Pipe, Error> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.fail(format!("parentheses nest deeper than {DEEPEST}")));
        }
        let mut variables = Vec::new();
        let mut assigns = false;
        let names = match (self.kind(0), self.kind(1), self.kind(2), self.kind(3)) {
            (Some(Kind::Variable(_)), Some(Kind::Declare | Kind::Assign), ..) => 1,
            (
                Some(Kind::Variable(_)),
                Some(Kind::Comma),
                Some(Kind::Variable(_)),
                Some(Kind::Declare | Kind::Assign),
            ) if ranges => 2,
            _ => 0,
        };
        while variables.len() < names {
            match self.tokens.pop_front().map(|token| token.kind) {
                Some(Kind::Variable(name)) => variables.push(name),
                _ => continue,
            }
        }
        if names > 0 {
            assigns = self.tokens.pop_front().is_some_and(|token| token.kind == Kind::Assign);
        }
        let mut commands = Vec::new();
        let mut operands = Vec::new();
        while let Some(token) = self.tokens.front() {
            self.line = token.line;
            match token.kind {
                Kind::Close => break,
                Kind::Pipe => {
                    self.tokens.pop_front();
                    if operands.is_empty() {
                        return Err(self.fail("a command is missing in front of `|`"));
                    }
                    commands.push(self.command(std::mem::take(&mut operands), commands.len())?);
                    if self.tokens.is_empty() {
                        return Err(self.fail("a command is missing behind `|`"));
                    }
                }
                _ => operands.push(self.operand(known)?),
            }
        }
        if operands.is_empty() {
            return Err(self.fail("a value is missing"));
        }
        commands.push(self.command(operands, commands.len())?);
        if assigns {
            if let Some(name) = variables.iter().find(|name| !known.contains(name)) {
                return Err(self.fail(format!("there is no variable `${name}`")));
            }
        } else {
            known.extend(variables.iter().cloned());
        }
        self.depth -= 1;
        Ok(Pipe { variables, assigns, commands, line: self.line })
    }

    fn command(&self, operands: Vec<Operand>, before: usize) -> Result<Command, Error> {
        match &operands[0] {
            Operand::Nil if operands.len() == 1 && before == 0 => return Err(self.fail("`nil` is no command")),
            Operand::Constant(_) | Operand::Nil | Operand::Dot if operands.len() > 1 || before > 0 => {
                return Err(self.fail("something that is no function cannot be given an argument"));
            }
            _ => {}
        }
        Ok(Command { operands, line: self.line })
    }

    fn operand(&mut self, known: &mut Vec<String>) -> Result<Operand, Error> {
        let Some(token) = self.tokens.pop_front() else { return Err(self.fail("a value is missing")) };
        let mut fields = Vec::new();
        let operand = match token.kind {
            Kind::Dot => Operand::Dot,
            Kind::Field(name) => {
                fields.push(name);
                Operand::Dot
            }
            Kind::Variable(name) if known.contains(&name) => Operand::Variable(name),
            Kind::Variable(name) => return Err(self.fail(format!("there is no variable `${name}`"))),
            Kind::Integer(number) => Operand::Constant(Value::Int(number)),
            Kind::Float(number) => Operand::Constant(Value::Float(number)),
            Kind::Text(text) => Operand::Constant(Value::text(text)),
            Kind::Word(word) => match word.as_str() {
                "true" | "false" => Operand::Constant(Value::Bool(word == "true")),
                "nil" => Operand::Nil,
                name if builtins::is_known(name) || sprig::is_known(name) => Operand::Function(word),
                name => return Err(self.fail(sprig::unknown(name))),
            },
            Kind::Open => {
                let pipe = self.pipe(known, false)?;
                match self.tokens.pop_front().map(|token| token.kind) {
                    Some(Kind::Close) => Operand::Parenthesis(pipe),
                    _ => return Err(self.fail("a `(` lacks its `)`")),
                }
            }
            Kind::Pipe | Kind::Close | Kind::Comma | Kind::Declare | Kind::Assign => {
                return Err(self.fail("a value is missing"));
            }
        };
        while let Some(Token { kind: Kind::Field(_), apart: false, .. }) = self.tokens.front() {
            if let Some(Token { kind: Kind::Field(name), .. }) = self.tokens.pop_front() {
                fields.push(name);
            }
        }
        match self.tokens.front() {
            Some(token) if !token.apart && !matches!(token.kind, Kind::Pipe | Kind::Close) => {
                return Err(self.fail("two values without a space between them"));
            }
            _ => {}
        }
        Ok(if fields.is_empty() { operand } else { Operand::Fields(Box::new(operand), fields) })
    }
}
