//! Walking the tree: <https://pkg.go.dev/text/template#hdr-Pipelines>.

use std::collections::BTreeMap;

use super::format::Bounded;
use super::parse::{Command, Node, Operand, Pipe};
use super::value::Value;
use super::{DEEPEST, Error, STEPS, builtins, sprig};

type Others = BTreeMap<String, Vec<Node>>;

pub(super) fn run(main: &[Node], others: &Others, dot: &Value) -> Result<String, Error> {
    let mut run = Run {
        others,
        variables: vec![(String::new(), dot.clone())],
        output: Bounded::default(),
        budget: Budget(STEPS),
        depth: 0,
        line: 1,
    };
    match run.nodes(main, dot) {
        Ok(_) => Ok(run.output.into_string()),
        Err(reason) => Err(Error { line: run.line, reason }),
    }
}

/// How much may still be done.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), String> {
        self.0 = self.0.checked_sub(steps).ok_or_else(|| format!("it takes more than {STEPS} steps"))?;
        Ok(())
    }
}

/// Whether a loop goes on.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'a> {
    others: &'a Others,
    variables: Vec<(String, Value)>,
    output: Bounded,
    budget: Budget,
    depth: usize,
    line: usize,
}

impl Run<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, String> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, String> {
        self.budget.spend(1)?;
        match node {
            Node::Text(text) => self.output.push(text)?,
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    self.output.value(&value)?;
                }
            }
            Node::If { pipe, then, otherwise, with } => {
                let mark = self.variables.len();
                let value = self.pipe(pipe, dot)?;
                let flow = match (value.is_true(), with) {
                    (true, true) => self.nodes(then, &value),
                    (true, false) => self.nodes(then, dot),
                    (false, _) => self.nodes(otherwise, dot),
                };
                self.variables.truncate(mark);
                return flow;
            }
            Node::Range { pipe, each, otherwise } => return self.range(pipe, each, otherwise, dot),
            Node::Template { name, pipe, line } => {
                let value = pipe.as_ref().map_or(Ok(Value::Nil), |pipe| self.pipe(pipe, dot))?;
                self.line = *line;
                let others = self.others;
                let body = others.get(name).ok_or_else(|| format!("there is no template `{name}`"))?;
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(format!("templates call each other deeper than {DEEPEST}"));
                }
                let outer = std::mem::replace(&mut self.variables, vec![(String::new(), value.clone())]);
                self.nodes(body, &value)?;
                self.variables = outer;
                self.depth -= 1;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn range(&mut self, pipe: &Pipe, each: &[Node], otherwise: &[Node], dot: &Value) -> Result<Flow, String> {
        let mark = self.variables.len();
        let value = self.value(pipe, dot)?;
        let mut any = false;
        let mut visit = |run: &mut Self, key: Value, item: Value| {
            any = true;
            run.budget.spend(1)?;
            let named = match pipe.variables.as_slice() {
                [one] => vec![(one, item.clone())],
                [first, second] => vec![(first, key), (second, item.clone())],
                _ => Vec::new(),
            };
            for (name, value) in named {
                run.bind(name, value, pipe.assigns);
            }
            let flow = run.nodes(each, &item);
            run.variables.truncate(mark);
            flow.map(|flow| flow == Flow::Break)
        };
        match &value {
            Value::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    if visit(self, Value::Int(index as i64), item.clone())? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, item) in map.iter() {
                    if visit(self, key.clone(), item.clone())? {
                        break;
                    }
                }
            }
            Value::Int(number) => {
                for index in 0..(*number).max(0) {
                    if visit(self, Value::Int(index), Value::Int(index))? {
                        break;
                    }
                }
            }
            Value::Nil | Value::Missing => {}
            other => return Err(format!("`range` can't iterate over a {}", other.kind())),
        }
        let flow = if any { Ok(Flow::On) } else { self.nodes(otherwise, dot) };
        self.variables.truncate(mark);
        flow
    }

    fn bind(&mut self, name: &str, value: Value, assigns: bool) {
        let known = self.variables.iter_mut().rev().find(|(known, _)| known == name).filter(|_| assigns);
        match known {
            Some((_, known)) => *known = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    /// The value of a pipeline, bound to its variable if it has one.
    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, String> {
        let value = self.value(pipe, dot)?;
        if let [name] = pipe.variables.as_slice() {
            self.bind(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    fn value(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, String> {
        self.line = pipe.line;
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &Command, last: Option<Value>, dot: &Value) -> Result<Value, String> {
        self.budget.spend(1)?;
        self.line = command.line;
        let (first, rest) = command.operands.split_first().ok_or("a command is missing")?;
        if let Operand::Function(name) = first {
            return self.call(name, rest, last, dot);
        }
        if !rest.is_empty() || last.is_some() {
            return Err("something that is no function cannot be given an argument".to_owned());
        }
        self.operand(first, dot)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, String> {
        Ok(match operand {
            Operand::Constant(value) => value.clone(),
            Operand::Nil => Value::Nil,
            Operand::Dot => dot.clone(),
            Operand::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                known.map(|(_, value)| value.clone()).ok_or_else(|| format!("there is no variable `${name}`"))?
            }
            Operand::Function(name) => self.call(name, &[], None, dot)?,
            Operand::Parenthesis(pipe) => self.value(pipe, dot)?,
            Operand::Fields(of, names) => {
                let mut value = self.operand(of, dot)?;
                for name in names {
                    self.budget.spend(1 + value.weight() / 8)?;
                    value = field(&value, name)?;
                }
                value
            }
        })
    }

    fn call(&mut self, name: &str, operands: &[Operand], last: Option<Value>, dot: &Value) -> Result<Value, String> {
        // These look at no more than they must.
        if matches!(name, "and" | "or") {
            let mut value = None;
            for operand in operands {
                let this = self.operand(operand, dot)?;
                let decides = this.is_true() == (name == "or");
                value = Some(this);
                if decides {
                    return Ok(value.unwrap_or(Value::Nil));
                }
            }
            return last.or(value).ok_or_else(|| format!("`{name}` wants at least one argument"));
        }
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(last);
        self.budget.spend(1 + arguments.iter().map(Value::weight).sum::<usize>())?;
        let result = match builtins::call(name, &arguments) {
            Some(result) => result,
            None => sprig::call(name, &arguments, &mut self.budget),
        };
        let value = result.map_err(|reason| format!("`{name}`: {reason}"))?;
        // What is nested is paid for dearly, so that nothing nests without end.
        let nests = |value: &Value| matches!(value, Value::List(_) | Value::Map(_));
        let nested = nests(&value) && arguments.iter().any(nests);
        self.budget.spend(value.weight() + if nested { 400 } else { 0 })?;
        Ok(value)
    }
}

fn field(value: &Value, name: &str) -> Result<Value, String> {
    match value {
        Value::Object(object) => {
            let field = object.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
            field.ok_or_else(|| format!("there is no field `{name}` in {}", object.kind))
        }
        Value::Map(_) => Ok(value.get(name).cloned().unwrap_or(Value::Missing)),
        Value::Nil | Value::Missing => Err(format!("there is no field `{name}` in nothing")),
        other => Err(format!("there is no field `{name}` in a {}", other.kind())),
    }
}
