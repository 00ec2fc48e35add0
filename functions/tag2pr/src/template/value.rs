//! The values that templates work with.

use std::rc::Rc;

/// A value as Go's templates see it. Copies are cheap.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `nil`
    Nil,
    /// What a map gives for a key that it does not have: printed `<no value>`.
    Missing,
    /// `true`
    Bool(bool),
    /// `7`
    Int(i64),
    /// `0.5`
    Float(f64),
    /// `"text"`
    Text(Rc<str>),
    /// A slice.
    List(Rc<[Value]>),
    /// A map: its entries in the order in which `range` visits them.
    Map(Rc<Vec<(Value, Value)>>),
    /// A struct.
    Object(Rc<Object>),
}

/// A struct.
#[derive(Debug, PartialEq)]
pub struct Object {
    /// Its type, for errors.
    pub kind: &'static str,
    /// What it is printed as.
    pub shown: String,
    /// Its fields, and the methods that need no argument.
    pub fields: Vec<(&'static str, Value)>,
}

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Rc::from(text.as_ref()))
    }

    /// A list.
    pub fn list(values: impl IntoIterator<Item = Self>) -> Self {
        Self::List(values.into_iter().collect())
    }

    /// A map, whose entries must be in their order.
    pub fn map(entries: impl IntoIterator<Item = (Self, Self)>) -> Self {
        Self::Map(Rc::new(entries.into_iter().collect()))
    }

    /// A struct.
    pub fn object(kind: &'static str, shown: String, fields: Vec<(&'static str, Self)>) -> Self {
        Self::Object(Rc::new(Object { kind, shown, fields }))
    }

    /// Whether it counts as true: anything but its type's zero.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nil | Self::Missing => false,
            Self::Bool(value) => *value,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(_) => true,
        }
    }

    /// Its type, for errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil | Self::Missing => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Object(object) => object.kind,
        }
    }

    /// What a key of a map stands for.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(map) = self else { return None };
        map.iter().find(|(known, _)| matches!(known, Self::Text(known) if **known == *key)).map(|(_, value)| value)
    }

    /// What it costs to look at the whole of it, in steps.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len() / 64,
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(),
            _ => 0,
        }
    }
}
