//! Values in the object store: JSON with the version of its format, a generation number and who wrote it.
//!
//! ```json
//! {"format":1,"generation":7,"writer":"propose/01JK…","value":{…}}
//! ```
//!
//! Etags are hashes of contents, so a value that goes from A to B and back to A would pass as unchanged: the generation
//! makes each state another one. The writer lets a write whose answer was lost be recognised as our own.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys::Key;
use crate::seams::{Expected, Objects, Poke, StoreError, Version};

/// How often a write is tried before somebody else's writes are too many.
const ATTEMPTS: u32 = 12;

/// A value that is stored as one object.
pub trait Stored: Serialize + DeserializeOwned {
    /// The version of its format. It grows when a program that knows only the old one would lose something by reading
    /// and writing back; the type itself goes on reading every older format.
    const FORMAT: u32;
}

impl Stored for Poke {
    const FORMAT: u32 = 1;
}

/// A value as it was read, with what is needed to put it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<T> {
    /// The value.
    pub value: T,
    /// How often the object was written before, the first time included.
    pub generation: u64,
    /// Who wrote it.
    pub writer: String,
    /// The state of the object in the store.
    pub version: Version,
}

/// What the caller of [`update_from`] knows of an object already: because it read it, or wrote it.
#[derive(Debug, Clone)]
pub enum AtHand<T> {
    /// Nothing: it is read first.
    Nothing,
    /// There was none.
    Absence,
    /// This was there.
    Value(Loaded<T>),
}

/// What came of an [`update`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Updated<T> {
    /// The value was written as this generation.
    Written(Loaded<T>),
    /// There was nothing to write.
    Unchanged,
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    format: u32,
    generation: u64,
    writer: String,
    value: T,
}

/// Reads one value; `None` if there is none.
///
/// # Errors
///
/// Those of the store. An object in a newer format, or one that can't be read, is [`StoreError::Refused`] with its key
/// and the reason: it is never taken for an absent one.
pub async fn load<T: Stored>(objects: &dyn Objects, key: &Key) -> Result<Option<Loaded<T>>, StoreError> {
    let Some(object) = objects.get(key).await? else { return Ok(None) };
    let envelope = decode::<T>(key, &object.bytes)?;
    Ok(Some(Loaded {
        value: envelope.value,
        generation: envelope.generation,
        writer: envelope.writer,
        version: object.version,
    }))
}

/// Writes a value that is written once and never changed; `false` if there already was an object of that name.
///
/// # Errors
///
/// Those of the store; one that is not available is asked several times.
pub async fn create<T: Stored>(objects: &dyn Objects, key: &Key, writer: &str, value: &T) -> Result<bool, StoreError> {
    let bytes = encode(key, 1, writer, value)?;
    let mut lost = false;
    let mut attempt = 0;
    loop {
        match objects.put(key, bytes.clone(), Expected::Absent).await {
            Ok(_) => return Ok(true),
            Err(StoreError::Conflict(_)) if lost => {
                return Ok(objects.get(key).await?.is_some_and(|object| object.bytes == bytes));
            }
            Err(StoreError::Conflict(_)) => return Ok(false),
            Err(StoreError::Unavailable(_)) if attempt + 1 < ATTEMPTS => lost = true,
            Err(error) => return Err(error),
        }
        objects.pause(attempt).await;
        attempt += 1;
    }
}

/// Changes one value: reads it, lets `decide` make the next one of it (`None`: leave it alone), and writes that only if
/// nobody else wrote meanwhile, else begins again.
///
/// `decide` may run several times, and must not depend on how often. A write whose answer was lost counts as done if
/// the store then holds exactly what was to be written, generation and writer included; so `writer` names one call of
/// one process: a function's name and the id of its invocation. If somebody wrote on top of it before it could be seen,
/// `decide` gets a value that its own change is already part of.
///
/// # Errors
///
/// Those of the store; [`StoreError::Conflict`] when others were faster every time, [`StoreError::Unavailable`] when
/// the store did not take the write in several attempts. A newer format or an unreadable object is
/// [`StoreError::Refused`], and stays as it is.
pub async fn update<T: Stored>(
    objects: &dyn Objects,
    key: &Key,
    writer: &str,
    decide: impl FnMut(Option<T>) -> Option<T>,
) -> Result<Updated<T>, StoreError> {
    update_from(objects, key, writer, AtHand::Nothing, decide).await
}

/// [`update`] of an object that was read or written before: it is not read again if nobody else wrote meanwhile. If
/// `decide` has nothing to write, it is asked again with what is there now.
///
/// # Errors
///
/// Those of [`update`].
pub async fn update_from<T: Stored>(
    objects: &dyn Objects,
    key: &Key,
    writer: &str,
    at_hand: AtHand<T>,
    mut decide: impl FnMut(Option<T>) -> Option<T>,
) -> Result<Updated<T>, StoreError> {
    // Kept until another write is lost: one that timed out may still arrive after the next read.
    let mut lost: Option<Vec<u8>> = None;
    let mut attempt = 0;
    let mut known = match at_hand {
        AtHand::Nothing => None,
        AtHand::Absence => Some((None, 0, None)),
        AtHand::Value(Loaded { value, generation, version, .. }) => Some((Some(value), generation, Some(version))),
    };
    loop {
        let is_read_now = known.is_none();
        let (before, generation, version) = match known.take() {
            Some(known) => known,
            None => match objects.get(key).await? {
                None => (None, 0, None),
                Some(object) => {
                    let Envelope { generation, writer, value, .. } = decode::<T>(key, &object.bytes)?;
                    if lost.as_ref() == Some(&object.bytes) {
                        return Ok(Updated::Written(Loaded { value, generation, writer, version: object.version }));
                    }
                    (Some(value), generation, Some(object.version))
                }
            },
        };
        let Some(value) = decide(before) else {
            if is_read_now {
                return Ok(Updated::Unchanged);
            }
            continue;
        };
        let generation = generation + 1;
        let bytes = encode(key, generation, writer, &value)?;
        let expected = version.as_ref().map_or(Expected::Absent, Expected::Unchanged);
        match objects.put(key, bytes.clone(), expected).await {
            Ok(version) => {
                return Ok(Updated::Written(Loaded { value, generation, writer: writer.to_owned(), version }));
            }
            Err(StoreError::Conflict(_)) if attempt + 1 < ATTEMPTS => {}
            Err(StoreError::Unavailable(_)) if attempt + 1 < ATTEMPTS => lost = Some(bytes),
            Err(error) => return Err(error),
        }
        objects.pause(attempt).await;
        attempt += 1;
    }
}

fn encode<T: Stored>(key: &Key, generation: u64, writer: &str, value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&Envelope { format: T::FORMAT, generation, writer: writer.to_owned(), value })
        .map_err(|error| StoreError::Refused(format!("`{key}` can't be written as JSON: {error}")))
}

fn decode<T: Stored>(key: &Key, bytes: &[u8]) -> Result<Envelope<T>, StoreError> {
    let unreadable = |error: serde_json::Error| {
        StoreError::Refused(format!(
            "`{key}` can't be read: {error}; restore it, or remove it so that it is made again"
        ))
    };
    let Header { format } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if format > T::FORMAT {
        return Err(StoreError::Refused(format!(
            "`{key}` has format {format}, and this tag2pr knows formats up to {}: run the newer tag2pr that wrote it",
            T::FORMAT
        )));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

#[cfg(all(test, feature = "testing"))]
mod tests;
