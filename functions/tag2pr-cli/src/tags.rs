//! Tags from a file: one on each line, or what `skopeo list-tags` prints.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use jiff::Timestamp;
use serde::Deserialize;
use tag2pr::image::{Digest, ImageName, Tag};
use tag2pr::ledger::{Ledger, News, Push};

use crate::output::{During, Failure};

/// `--tags [IMAGE=]FILE`
#[derive(Debug, Clone)]
pub struct TagsFile {
    image: Option<ImageName>,
    file: String,
}

impl std::str::FromStr for TagsFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((image, file)) if !file.is_empty() => {
                Ok(Self { image: Some(image.parse().map_err(|error| format!("{error}"))?), file: file.to_owned() })
            }
            _ => Ok(Self { image: None, file: text.to_owned() }),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Skopeo {
    repository: Option<String>,
    tags: Vec<String>,
}

/// Ledgers made of tag files, by image; the key `None` is for whatever image a policy names.
pub fn ledgers(files: &[TagsFile], now: Timestamp) -> Result<BTreeMap<Option<ImageName>, Ledger>, Failure> {
    let mut ledgers: BTreeMap<Option<ImageName>, Ledger> = BTreeMap::new();
    for tags in files {
        let text = match tags.file.as_str() {
            "-" => io::read_to_string(io::stdin()),
            file => fs::read_to_string(file),
        }
        .during(format!("reading {}", tags.file))?;
        let (image, news) = parse(&tags.file, &text, now)?;
        let ledger = ledgers.entry(tags.image.clone().or(image)).or_default();
        news.iter().for_each(|news| ledger.merge(news));
    }
    Ok(ledgers)
}

fn parse(file: &str, text: &str, now: Timestamp) -> Result<(Option<ImageName>, Vec<News>), Failure> {
    if text.trim_start().starts_with('{') {
        let listed: Skopeo = serde_json::from_str(text).during(format!("{file} is no output of skopeo list-tags"))?;
        let image = listed.repository.and_then(|name| name.parse().ok());
        let tags = listed.tags.iter().filter_map(|tag| tag.parse().ok()).collect();
        return Ok((image, vec![News::Listed { tags, at: now }]));
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let news = lines
        .map(|(number, line)| one(line, now).map_err(|reason| Failure::new(format!("{file}:{}: {reason}", number + 1))))
        .collect::<Result<_, _>>()?;
    Ok((None, news))
}

fn one(line: &str, now: Timestamp) -> Result<News, String> {
    let mut words = line.split_whitespace();
    let tag: Tag = words.next().unwrap_or_default().parse().map_err(|error| format!("{error}"))?;
    let (mut digest, mut pushed_at) = (None::<Digest>, None::<Timestamp>);
    for word in words {
        match (word.parse(), word.parse()) {
            (Ok(found), _) => digest = Some(found),
            (_, Ok(found)) => pushed_at = Some(found),
            _ => return Err(format!("`{word}` is neither a digest nor a time such as 2026-01-31T12:00:00Z")),
        }
    }
    if digest.is_none() && pushed_at.is_none() {
        return Ok(News::Listed { tags: vec![tag], at: now });
    }
    Ok(News::Pushed(Push {
        tag,
        digest,
        pushed_at,
        received_at: now,
        delivery: String::new(),
        event: None,
        source: "file".to_owned(),
        actor: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Result<Vec<String>, String> {
        let (_, news) = parse("tags.txt", text, Timestamp::UNIX_EPOCH).map_err(|failure| failure.to_string())?;
        let mut ledger = Ledger::default();
        news.iter().for_each(|news| ledger.merge(news));
        Ok(ledger.live().map(|(tag, entry)| format!("{tag} {:?}", entry.pushed_at())).collect())
    }

    #[test]
    fn one_tag_on_each_line_with_digest_and_time_where_they_are_known() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let text = format!("# from the registry\n1.0\n\n1.1 {digest} 2026-01-31T12:00:00Z\n");
        assert_eq!(tags(&text).unwrap(), ["1.0 None", "1.1 Some(2026-01-31T12:00:00Z)"]);
    }

    #[test]
    fn what_skopeo_prints_names_its_image() {
        let text = r#"{"Repository": "docker.io/library/redis", "Tags": ["7.4", "7.5"]}"#;
        let (image, _) = parse("x", text, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(image.unwrap().to_string(), "docker.io/library/redis");
        assert_eq!(tags(text).unwrap().len(), 2);
    }

    #[test]
    fn a_wrong_line_is_named() {
        insta::assert_snapshot!(tags("1.0\n1.1 yesterday\n").unwrap_err(), @"tags.txt:2: `yesterday` is neither a digest nor a time such as 2026-01-31T12:00:00Z");
    }
}
