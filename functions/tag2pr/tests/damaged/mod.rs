//! Every delivery under `events/`, damaged in every way that a seeded generator thinks of: it is read or refused, and
//! whatever is read belongs where it is put.

use serde_json::{Value, json};
use tag2pr::delivery::{Request, decode, recognise, unchecked};
use tag2pr::image::ImageName;
use tag2pr::keys::Key;

use crate::deliveries::{self, Delivery};

/// How often each delivery is damaged.
const TIMES: u64 = 60;

/// Splitmix64: the same on every machine, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.throw() % bound.max(1) as u64).unwrap()
    }
}

fn damaged(body: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut body = body.to_vec();
    let at = dice.below(body.len());
    match dice.below(8) {
        0 => body.truncate(at),
        1 => {
            for _ in 0..=dice.below(4) {
                let at = dice.below(body.len());
                let bit = 1 << dice.below(8);
                body.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
            }
        }
        2 => drop(body.splice(at..at, [0xFF, 0xC3, 0x28, 0x00])),
        3 => drop(body.splice(at..at, vec![[b'[', b'{'][dice.below(2)]; 10_000])),
        4 => repeat_a_key(&mut body, dice),
        // Where there is JSON, another value in the place of one of its own.
        _ => {
            if let Ok(mut value) = serde_json::from_slice::<Value>(&body) {
                let strange = strange(dice);
                replace(&mut value, strange, dice);
                body = value.to_string().into_bytes();
            }
        }
    }
    body
}

/// `{"tag": 1}` becomes `{"tag": null, "tag": 1}`.
fn repeat_a_key(body: &mut Vec<u8>, dice: &mut Dice) {
    let objects: Vec<usize> = (0..body.len()).filter(|&at| body[at] == b'{').collect();
    if objects.is_empty() {
        return;
    }
    let after = objects[dice.below(objects.len())] + 1;
    let mut quotes = (after..body.len()).filter(|&at| body[at] == b'"');
    if let (Some(first), Some(second)) = (quotes.next(), quotes.next()) {
        let member = [&body[first..=second], b": null, "].concat();
        body.splice(after..after, member);
    }
}

fn strange(dice: &mut Dice) -> Value {
    let texts = [
        "",
        "../../../tag2pr.yaml",
        "a/../../b",
        "%2e%2e/%2f",
        "é\u{0}\u{1b}[2J\n",
        "sha256:",
        ":@:@/",
        "1.0.0",
        "https://[::1]:99999/x",
    ];
    match dice.below(20) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(1e300),
        4 => json!(u64::MAX),
        5 => json!([]),
        6 => json!({}),
        7 => json!(["a", "b"]),
        8 => (0..60).fold(json!([]), |inner, _| json!([inner])),
        9 => json!("x".repeat(20_000)),
        other => json!(texts[other % texts.len()]),
    }
}

fn replace(value: &mut Value, with: Value, dice: &mut Dice) {
    let deeper = dice.below(6) > 0;
    match value {
        Value::Object(map) if deeper && !map.is_empty() => {
            let at = dice.below(map.len());
            map.values_mut().skip(at).take(1).for_each(|value| replace(value, with.clone(), dice));
        }
        Value::Array(list) if deeper && !list.is_empty() => {
            let at = dice.below(list.len());
            replace(&mut list[at], with, dice);
        }
        value => *value = with,
    }
}

/// Reads it, and looks where its events would go.
fn read(delivery: &Delivery, body: &[u8]) -> usize {
    let request = Request { headers: &delivery.headers, path_secret: None, body };
    let Ok(decoded) = decode(&unchecked(delivery.sender, &request).reading(&delivery.fields)) else { return 0 };
    for event in &decoded.events {
        let host = event.registry.as_deref().unwrap_or("registry.example");
        let image = ImageName::new(host, &event.repository).unwrap();
        assert_eq!(image.repository(), event.repository, "a name in another spelling than the ledger's");
        let id = event.id.as_deref().unwrap_or("../../none");
        let key = Key::push(&image, id);
        let prefix = Key::pushes(&image);
        assert!(key.as_str().starts_with(prefix.as_str()) && prefix.as_str().starts_with("images/"), "{key}");
        let segments: Vec<&str> = key.as_str().split('/').collect();
        let plain = |segment: &&str| !["", ".", ".."].contains(segment) && segment.len() <= 255;
        assert!(segments.len() == 5 && segments.iter().all(plain), "{key}");
    }
    decoded.events.len()
}

#[test]
fn whatever_happens_to_a_delivery_its_events_stay_in_their_place() {
    let (mut cases, mut events) = (0_u64, 0);
    for (index, delivery) in (0_u64..).zip(deliveries::all()) {
        for round in 0..TIMES {
            let mut dice = Dice(index << 32 | round);
            let mut body = damaged(&delivery.body, &mut dice);
            if dice.below(4) == 0 {
                body = damaged(&body, &mut dice);
            }
            events += read(&delivery, &body);
            if round % 10 == 0 {
                let _ = recognise(&delivery.headers, &body);
            }
            cases += 1;
        }
    }
    assert!(cases > 20_000 && events > 3000, "{cases} cases with {events} events are too few to say much");
}
