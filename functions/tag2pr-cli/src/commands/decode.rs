//! `tag2pr decode`: what a delivery means, and whether what proves it holds.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use http::HeaderMap;
use tag2pr::delivery::{self, Action, Decoded, Event, Request, Sender};
use tag2pr::host_event::{self, Forge, HostEvent};
use tag2pr::jwt::Keys;
use tag2pr::secret::Secret;

use crate::output::{
    BAD, BOLD, CommandResult, DIM, During, Failure, Format, GOOD, PLAIN, TITLE, beside, count, json, line, note,
    styled, visible,
};

/// Say what a delivery means.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::DECODE)]
pub struct Args {
    /// The body, as the sender wrote it; `-` is standard input.
    body: PathBuf,

    /// A file of `Name: value` lines; lines that start with `#` are comments.
    #[arg(long, value_name = "FILE")]
    headers: Option<PathBuf>,

    /// Who sent it, as the `type` of a source in tag2pr.yaml. Without it, headers and body tell.
    #[arg(long, value_name = "TYPE")]
    source: Option<Sender>,

    /// A file with the secret that the sender shares; for identity tokens, the key set of their issuer (JSON).
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// Whether what proves a delivery holds.
enum Proof {
    Unchecked,
    Holds(String),
    Refused(String),
}

pub fn run(args: &Args, format: Format) -> CommandResult {
    let body = read(&args.body)?;
    let text = match &args.headers {
        Some(file) => fs::read_to_string(file).during(format!("reading {}", file.display()))?,
        None => String::new(),
    };
    let headers = delivery::read_headers(&text).during(args.headers.as_deref().unwrap_or(Path::new("")).display())?;
    if args.source.is_none()
        && let Some((forge, event)) = host_event::recognise(&headers, &body)
    {
        let secret =
            args.secret_file.as_ref().map(|file| fs::read_to_string(file).during(file.display())).transpose()?;
        let proven = secret.map(|secret| forge.authenticates(&headers, &body, &[Secret::new(&secret)]));
        return Ok(heard(forge, &event, proven, format));
    }
    let sender = args
        .source
        .or_else(|| delivery::recognise(&headers, &body))
        .ok_or_else(|| Failure::new("neither headers nor body tell who sent this: name the sender with --source"))?;
    let request = Request { headers: &headers, path_secret: delivery::read_path_secret(&text), body: &body };
    let decoded = delivery::decode(&delivery::unchecked(sender, &request)).during(args.body.display())?;
    let proof = match &args.secret_file {
        Some(file) => prove(sender, &request, file)?,
        None => Proof::Unchecked,
    };
    match format {
        Format::Json => json(&as_json(&decoded, &proof)),
        Format::Text => print(&decoded),
    }
    match proof {
        Proof::Unchecked => note(styled(DIM, "The signature was not checked: give the secret with --secret-file.")),
        Proof::Holds(how) => note(styled(GOOD, format!("The signature holds: {how}."))),
        Proof::Refused(why) => {
            note(styled(BAD, format!("This delivery would be refused: {why}.")));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn prove(sender: Sender, request: &Request<'_>, file: &Path) -> Result<Proof, Failure> {
    let text = fs::read_to_string(file).during(format!("reading {}", file.display()))?;
    let Ok(keys) = Keys::read(text.as_bytes()) else {
        let secret = Secret::new(&text);
        if secret.is_empty() {
            return Err(Failure::new(format!("{} is empty", file.display())));
        }
        return Ok(match delivery::authenticate(sender, request, &[secret]) {
            Ok(_) => Proof::Holds("it was made with this secret".to_owned()),
            Err(refusal) => Proof::Refused(refusal.to_string()),
        });
    };
    Ok(match delivery::identity(request, &keys) {
        Ok(claims) => {
            let claims = ["iss", "aud", "email", "sub", "exp"].iter().filter_map(|name| claims.get_key_value(*name));
            let claims: Vec<String> = claims.map(|(name, value)| format!("{name} {value}")).collect();
            Proof::Holds(format!("one of these keys signed the token, which says {}", visible(claims.join(", "))))
        }
        Err(refusal) => Proof::Refused(refusal.to_string()),
    })
}

fn as_json(decoded: &Decoded, proof: &Proof) -> serde_json::Value {
    let (signature, reason) = match proof {
        Proof::Unchecked => ("unchecked", None),
        Proof::Holds(how) => ("holds", Some(how)),
        Proof::Refused(why) => ("refused", Some(why)),
    };
    let mut json = serde_json::json!(decoded);
    json["signature"] = serde_json::json!({ "state": signature, "reason": reason });
    json
}

/// Shows the webhook of a Git host.
fn heard(forge: Forge, event: &HostEvent, proven: Option<bool>, format: Format) -> ExitCode {
    match format {
        Format::Json => json(&serde_json::json!({ "sender": forge, "host": event, "proven": proven })),
        Format::Text => {
            let repository = event.repository.as_deref().unwrap_or("a repository that it does not name");
            line(format!("{} · the webhook of a Git host: it only makes tag2pr look", styled(TITLE, forge)));
            line(format!("  {} in {}", visible(event.to_string()), styled(BOLD, visible(repository))));
        }
    }
    note(match proven {
        None => styled(DIM, "What proves it was not checked: give the secret with --secret-file."),
        Some(true) => styled(GOOD, "It is from the host: it proves that it knows the secret."),
        Some(false) => styled(BAD, "It is not believed: it does not prove that it knows the secret."),
    });
    if proven == Some(false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Reads a file of headers.
pub fn read_headers(file: &Path) -> Result<HeaderMap, Failure> {
    let text = fs::read_to_string(file).during(format!("reading {}", file.display()))?;
    delivery::read_headers(&text).during(file.display())
}

fn read(body: &Path) -> Result<Vec<u8>, Failure> {
    if body == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).during("reading standard input")?;
        return Ok(bytes);
    }
    fs::read(body).during(format!("reading {}", body.display()))
}

fn print(decoded: &Decoded) {
    line(format!(
        "{} · {}, {} ignored",
        styled(TITLE, decoded.sender),
        count(decoded.events.len(), "event", "events"),
        decoded.ignored.len()
    ));
    for event in &decoded.events {
        print_event(event);
    }
    for ignored in &decoded.ignored {
        beside(&format!("  {} ", styled(DIM, "ignored")), PLAIN, &ignored.reason);
    }
}

fn print_event(event: &Event) {
    let action = match event.action {
        Action::Push => styled(GOOD, "push   "),
        Action::Delete => styled(BOLD, "delete "),
    };
    let registry = event.registry.as_deref().map(|host| format!("{host}/")).unwrap_or_default();
    let tag = event.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
    line(format!("  {action} {}", styled(BOLD, visible(format!("{registry}{}{tag}", event.repository)))));
    let facts = [
        ("digest", event.digest.as_ref().map(ToString::to_string)),
        ("pushed at", event.pushed_at.map(|at| at.to_string())),
        ("by", event.actor.clone()),
        ("media type", event.media_type.clone()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            line(format!("          {} {}", styled(DIM, format!("{name:<10}")), visible(value)));
        }
    }
}
