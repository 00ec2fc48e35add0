//! The status page in a real browser. With `TAG2PR_PICTURES=<folder>` it leaves pictures there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use tag2pr::status::{
    Brought, End, Held, Journey, Kind, LastDelivery, LastPush, Looked, Open, Policy, Proposed, Pushed, Refused, Source,
    Status, Tag, Trouble, Waiting, page,
};
use tag2pr_end_to_end::browser::{Browser, Scheme};

const NOW: &str = "2026-03-01T15:42:00Z";
const PULLS: &str = "https://github.com/acme/fleet/pull";
const REPOSITORY: &str = "github.com/acme/fleet@main";

fn ago(minutes: i64) -> Timestamp {
    NOW.parse::<Timestamp>().unwrap() - SignedDuration::from_mins(minutes)
}

fn policy(name: &str, image: &str, in_git: &str, selected: &str, outcome: (&str, &str)) -> Policy {
    Policy {
        policy: name.to_owned(),
        repository: REPOSITORY.to_owned(),
        proposal: "flux-system.production".to_owned(),
        image: image.to_owned(),
        in_git: BTreeSet::from([in_git.to_owned()]),
        selected: (!selected.is_empty()).then(|| selected.to_owned()),
        outcome: outcome.0.to_owned(),
        reason: outcome.1.to_owned(),
        proposed: None,
        held: Vec::new(),
        last_push: Some(LastPush {
            tag: selected.to_owned(),
            at: ago(12),
            source: "ghcr".to_owned(),
            actor: Some("octocat".to_owned()),
        }),
        why: vec![
            "The policy compares all tags, as versions in the range `>=1.0.0`.".to_owned(),
            "Chosen because 1.4.0 is the highest of 27 versions in the range >=1.0.0; 3 tags are not versions."
                .to_owned(),
            "Next in rank: `1.3.2`, `1.3.1`, `1.3.0`.".to_owned(),
        ],
        tags: vec![
            Tag {
                tag: selected.to_owned(),
                verdict: "selected".to_owned(),
                reason: "1.4.0 is the highest of 27 versions".to_owned(),
                pushed_at: Some(ago(12)),
            },
            Tag {
                tag: "latest".to_owned(),
                verdict: "invalid".to_owned(),
                reason: "latest is not a version: it has no numbers".to_owned(),
                pushed_at: Some(ago(12)),
            },
        ],
    }
}

fn journey(image: &str, tag: &str, pushed: i64, proposed: Option<(i64, u32)>, ended: Option<(i64, Kind)>) -> Journey {
    Journey {
        image: image.to_owned(),
        tag: tag.to_owned(),
        pushed: Some(Pushed {
            at: ago(pushed),
            source: "ghcr".to_owned(),
            actor: Some("octocat".to_owned()),
            delivery: "019ca945f460-ee58a385d22a".to_owned(),
        }),
        proposed: proposed.map(|(at, number)| Proposed {
            at: ago(at) + SignedDuration::from_secs(3),
            how: Kind::Opened,
            repository: REPOSITORY.to_owned(),
            title: format!("Update to {tag}"),
            url: format!("{PULLS}/{number}"),
        }),
        ended: ended.map(|(at, how)| End { at: ago(at), how, by: (how == Kind::Merged).then(|| "alice".to_owned()) }),
        note: None,
    }
}

/// An ordinary afternoon: something of everything.
fn afternoon() -> Status {
    let web = "ghcr.io/acme/web";
    let mut waiting = policy("apps/web", web, "1.3.2", "1.4.0", ("changes", "changes"));
    waiting.proposed = Some(Brought { tag: "1.4.0".to_owned(), url: format!("{PULLS}/418"), since: ago(12) });
    let mut held =
        policy("apps/api", "ghcr.io/acme/api", "2.8.1", "2.9.0", ("held", "held: it waits for the database"));
    held.held = vec!["2.9.0".to_owned()];
    let api = "ghcr.io/acme/api";
    let mut untouched = journey(api, "2.9.0", 95, None, None);
    untouched.note = Some("apps/api: held: it waits for the database".to_owned());
    Status {
        at: NOW.parse().unwrap(),
        policies: vec![
            waiting,
            held,
            policy("apps/worker", "ghcr.io/acme/worker", "0.12.4", "0.12.4", ("up-to-date", "up to date")),
            policy("infra/redis", "docker.io/library/redis", "7.4.2", "7.4.2", ("up-to-date", "up to date")),
        ],
        sources: vec![
            Source {
                source: Some("ghcr".to_owned()),
                kind: Some("ghcr".to_owned()),
                last_delivery: Some(LastDelivery {
                    at: ago(12),
                    delivery: "019ca945f460-ee58a385d22a".to_owned(),
                    reading: Some("recorded push of ghcr.io/acme/web:1.4.0".to_owned()),
                }),
                deliveries: 14,
                partial: false,
                refused: 0,
                last_refusal: None,
                missed: 1,
            },
            Source {
                source: Some("hub".to_owned()),
                kind: Some("docker-hub".to_owned()),
                last_delivery: None,
                deliveries: 0,
                partial: false,
                refused: 3,
                last_refusal: Some(Refused {
                    at: ago(44),
                    reason: "the path does not end in the secret of this source; make them the same on both sides"
                        .to_owned(),
                    delivery: "019ca93df460-aa58a385d22a".to_owned(),
                }),
                missed: 0,
            },
        ],
        proposals: vec![Open {
            repository: REPOSITORY.to_owned(),
            proposal: "flux-system.production".to_owned(),
            title: "Update web to 1.4.0".to_owned(),
            url: format!("{PULLS}/418"),
            since: ago(12),
            frozen: false,
        }],
        holds: vec![Held {
            repository: REPOSITORY.to_owned(),
            policy: "apps/api".to_owned(),
            tag: "2.9.0".to_owned(),
            reason: "it waits for the database".to_owned(),
            since: ago(90),
        }],
        waits: vec![Waiting {
            repository: REPOSITORY.to_owned(),
            proposal: "flux-system.batch".to_owned(),
            reason: "it is frozen until 2026-03-02 08:00 UTC".to_owned(),
            until: ago(-970),
        }],
        journeys: vec![
            journey(web, "1.4.0", 12, Some((12, 418)), None),
            untouched,
            journey("ghcr.io/acme/worker", "0.12.4", 320, Some((320, 417)), Some((262, Kind::Merged))),
            journey(web, "1.3.2", 700, Some((700, 416)), Some((505, Kind::Merged))),
            journey(web, "1.3.1", 860, Some((860, 415)), Some((700, Kind::Updated))),
            journey(api, "2.8.2", 1_290, Some((1_290, 414)), Some((1_150, Kind::Closed))),
        ],
        troubles: vec![
            Trouble {
                subject: "github.com/acme/edge@main".to_owned(),
                reason: "https://github.com/acme/edge.git refused: the token was revoked; give another".to_owned(),
                since: Some(ago(33)),
                blocks: true,
            },
            Trouble {
                subject: REPOSITORY.to_owned(),
                reason: "clusters/production/broken.yaml:3:7: mapping values are not allowed here".to_owned(),
                since: None,
                blocks: false,
            },
        ],
        repositories: vec![Looked {
            repository: REPOSITORY.to_owned(),
            commit: Some("8d1f0c2f5f0c3f6a5c9f1c9d0a55b1d3e2f4a6b8".to_owned()),
            looked_at: Some(ago(3)),
        }],
        deliveries: 14,
    }
}

/// The same with names that somebody chose to do harm, or that are as long as names can be.
fn hostile() -> Status {
    let mut status = afternoon();
    let names =
        ["<script>document.title = 'taken'</script>", "<img src=x onerror=\"fetch('/')\">", "safe\u{202E}gnp.exe"];
    let long = "x".repeat(300);
    for (policy, name) in status.policies.iter_mut().zip(names.into_iter().chain([long.as_str()])) {
        policy.policy = format!("apps/{name}");
        policy.image = format!("ghcr.io/{name}");
        policy.in_git = BTreeSet::from([name.to_owned()]);
        policy.selected = Some(name.to_owned());
        policy.reason = format!("held: {name}");
        policy.why = vec![format!("`{name}` is <b>bold</b> & [a link](javascript:alert(1))")];
        policy.held = vec![name.to_owned()];
    }
    for (journey, name) in status.journeys.iter_mut().zip(names.into_iter().chain([long.as_str()])) {
        journey.tag = name.to_owned();
        journey.note = Some(name.to_owned());
        if let Some(pushed) = &mut journey.pushed {
            pushed.actor = Some(name.to_owned());
        }
        if let Some(proposed) = &mut journey.proposed {
            proposed.url = "javascript:alert(1)".to_owned();
        }
        if let Some(end) = &mut journey.ended {
            end.by = Some(name.to_owned());
        }
    }
    status.troubles[0].reason = names.join(" ") + &long;
    status.holds[0].reason = long.clone();
    status.proposals[0].title = names.join(" ") + &long;
    status.sources[1].last_refusal.as_mut().unwrap().reason = long;
    status
}

/// Every text whose contrast with what is behind it is too low to be read: less than 4.5 to 1.
const UNREADABLE: &str = "(() => {
  const number = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const b = number(view.getComputedStyle(e).backgroundColor); if (b.length < 4 || b[3] > 0) return b; } return [255, 255, 255]; };
  return [...page.body.querySelectorAll('*')].filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
    .map((e) => { const [a, b] = [light(number(view.getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x); return [e.textContent.slice(0, 30), (a + 0.05) / (b + 0.05)]; })
    .filter(([, ratio]) => ratio < 4.5);
})()";

#[test]
fn nothing_goes_wrong_in_the_browser_and_nothing_sticks_out() {
    let Some(browser) = Browser::find() else { return };
    for status in [afternoon(), hostile()] {
        let html = page::render(&status);
        assert_eq!(browser.console(&html), [""; 0]);
        for width in [320, 360, 800, 1280] {
            let size = "[page.documentElement.scrollWidth, page.documentElement.clientWidth, page.title]";
            let found = browser.look(&html, Scheme::Light, width, size);
            assert!(found[0].as_u64() <= found[1].as_u64(), "at {width} pixels: {found}");
            assert_eq!(found[2], "(1) tag2pr");
        }
    }
}

#[test]
fn it_can_be_read_by_day_and_by_night_and_by_those_who_hear_it() {
    let Some(browser) = Browser::find() else { return };
    let html = page::render(&afternoon());
    for scheme in [Scheme::Light, Scheme::Dark] {
        assert_eq!(browser.look(&html, scheme, 1280, UNREADABLE), serde_json::json!([]), "{scheme:?}");
    }
    let back = "view.getComputedStyle(page.body).backgroundColor";
    assert_ne!(browser.look(&html, Scheme::Light, 1280, back), browser.look(&html, Scheme::Dark, 1280, back));
    let structure = "[page.documentElement.lang, page.querySelectorAll('h1').length, \
        [...page.querySelectorAll('section')].every((s) => page.getElementById(s.getAttribute('aria-labelledby'))?.tagName === 'H2'), \
        [...page.querySelectorAll('thead th')].every((t) => t.scope === 'col'), \
        [...page.querySelectorAll('a')].every((a) => a.textContent.trim().length > 0 && !a.protocol.startsWith('javascript'))]";
    assert_eq!(browser.look(&html, Scheme::Light, 360, structure), serde_json::json!(["en", 1, true, true, true]));
}

#[test]
fn hostile_names_do_nothing() {
    let Some(browser) = Browser::find() else { return };
    let html = page::render(&hostile());
    let made = "[page.querySelectorAll('script, img, iframe, b, object, form, input').length, \
        [...page.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => a.name.startsWith('on'))).length, \
        [...page.querySelectorAll('a')].filter((a) => a.protocol === 'javascript:').length, \
        page.body.textContent.includes('\\u202e')]";
    assert_eq!(browser.look(&html, Scheme::Light, 360, made), serde_json::json!([0, 0, 0, false]));
}

#[test]
fn pictures_for_people() {
    let (Some(folder), Some(browser)) = (std::env::var_os("TAG2PR_PICTURES").map(PathBuf::from), Browser::find())
    else {
        return;
    };
    for (name, status) in [("afternoon", afternoon()), ("hostile", hostile())] {
        let html = page::render(&status);
        for (kind, scheme, size) in [
            ("light", Scheme::Light, (1280, 1700)),
            ("dark", Scheme::Dark, (1280, 1700)),
            ("phone", Scheme::Light, (360, 1500)),
        ] {
            browser.picture(&html, scheme, size, &folder.join(format!("{name}-{kind}.png")));
        }
    }
}
