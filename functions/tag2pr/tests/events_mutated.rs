//! Every delivery under `events/`, damaged in a hundred ways: what the fuzz targets look for without an end, for a bounded
//! time and with the same seed each time.

#[allow(dead_code, reason = "the other tests prove them; this one damages them")]
mod deliveries;

use http::HeaderMap;
use tag2pr::delivery::{self, Request, Sender};
use tag2pr::image::ImageName;
use tag2pr::keys::Key;
use tag2pr::secret::Secret;

/// So many damaged twins of each delivery. All of them take a few seconds.
const TWINS: usize = 100;

/// [SplitMix64](https://prng.di.unimi.it/splitmix64.c): the same numbers everywhere, from one seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((x ^ (x >> 31)) % sides.max(1) as u64).unwrap()
    }
}

/// What hostile people put where names are, and what parsers stumble over.
const HOSTILE: [&[u8]; 14] = [
    b"../../../etc/passwd",
    b"..",
    b"%2e%2e%2f",
    b"\\u0000",
    b"\\n\\n# Header\\n",
    b"](http://evil.example) @everyone fixes #1",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"1e999",
    b"null",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":",
    b"sha256:",
    b"\",\"tag\":\"x\",\"tag\":\"y",
];

fn damage(body: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(3) {
        let (from, to) = (dice.roll(body.len()), dice.roll(body.len()));
        let (from, to) = (from.min(to), from.max(to));
        match dice.roll(7) {
            0 => body.truncate(from),
            1 if !body.is_empty() => body[from] ^= 1 << dice.roll(8),
            2 => drop(body.drain(from..to.min(from + 40))),
            3 => {
                let again = body[from..to.min(from + 200)].to_vec();
                body.splice(to..to, again);
            }
            4 => drop(body.splice(from..from, HOSTILE[dice.roll(HOSTILE.len())].iter().copied())),
            5 => {
                // In place of a whole text: what stands between two quotes.
                let start = body[from..].iter().position(|byte| *byte == b'"').map(|at| from + at + 1);
                let end =
                    start.and_then(|start| body[start..].iter().position(|byte| *byte == b'"').map(|at| start + at));
                if let (Some(start), Some(end)) = (start, end) {
                    body.splice(start..end, HOSTILE[dice.roll(HOSTILE.len())].iter().copied());
                }
            }
            _ => drop(body.splice(from..from, std::iter::repeat_n(b'x', 10_000))),
        }
    }
}

/// Every key that an event leads to stays below the prefix of its image.
fn stays_in_its_place(event: &delivery::Event, name: &str) {
    let host = event.registry.as_deref().unwrap_or("localhost");
    let image = ImageName::new(host, &event.repository).unwrap_or_else(|error| panic!("{name}: {error}"));
    let id = event.id.clone().unwrap_or_default();
    for key in [Key::push(&image, &id), Key::ledger(&image), Key::watchers(&image)] {
        let segments: Vec<&str> = key.as_str().split('/').collect();
        assert_eq!(segments[0], "images", "{name}: {key}");
        assert_eq!(segments.len(), if key == Key::push(&image, &id) { 5 } else { 4 }, "{name}: {key}");
        assert!(segments.iter().all(|segment| !segment.is_empty() && ![".", ".."].contains(segment)), "{name}: {key}");
        assert!(key.as_str().len() < 1000 && key.as_str().is_ascii(), "{name}: {key}");
    }
}

#[test]
fn no_damage_makes_a_panic_or_a_key_in_the_wrong_place() {
    let guess = [Secret::new("no delivery knows this")];
    let (mut twins, mut readable, mut events) = (0, 0, 0);
    for (number, delivery) in deliveries::all().into_iter().enumerate() {
        let mut dice = Dice(number as u64);
        for _ in 0..TWINS {
            let mut body = delivery.body.clone();
            damage(&mut body, &mut dice);
            let headers = if dice.roll(4) == 0 { HeaderMap::new() } else { delivery.headers.clone() };
            let request = Request { headers: &headers, path_secret: delivery.path_secret.as_deref(), body: &body };
            // Its own sender, whom it looks like, and anybody else.
            let looks_like = delivery::recognise(&headers, &body);
            let anybody = Sender::ALL[dice.roll(Sender::ALL.len())];
            for sender in [Some(delivery.sender), looks_like, Some(anybody)].into_iter().flatten() {
                assert!(delivery::authenticate(sender, &request, &guess).is_err(), "{}", delivery.name);
                let trusted = delivery::unchecked(sender, &request).reading(&delivery.fields);
                for method in [http::Method::POST, http::Method::OPTIONS] {
                    let _ = delivery::handshake(&method, &trusted);
                }
                twins += 1;
                let Ok(decoded) = delivery::decode(&trusted) else { continue };
                readable += 1;
                events += decoded.events.len();
                decoded.events.iter().for_each(|event| stays_in_its_place(event, &delivery.name));
                for ignored in &decoded.ignored {
                    let printable = !ignored.reason.chars().any(char::is_control) && ignored.reason.len() < 2000;
                    assert!(printable, "{}: {:?}", delivery.name, ignored.reason);
                }
            }
        }
    }
    // Damage that leaves nothing readable would show nothing.
    assert!(
        twins > 20_000 && readable > twins / 10 && events > 1000,
        "{twins} twins, {readable} readable, {events} events"
    );
}
