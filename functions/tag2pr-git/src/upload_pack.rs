//! Fetches one commit: asked for in one request, and kept as a pack.
//!
//! <https://git-scm.com/docs/gitprotocol-pack#_packfile_negotiation>

use git2::Oid;
use reqwest::Url;

use crate::Failure;
use crate::http::{Body, Http, Service};
use crate::pkt_line::{self, Bands, FLUSH, Lines, invalid};
use crate::refs::Refs;

/// What is asked of a server that can do it. Azure DevOps serves nobody who does not know of several acknowledgements.
const WANTED: &[&str] = &["multi_ack_detailed", "multi_ack", "side-band-64k", "ofs-delta", "no-progress"];

/// Asks for a commit without those before it; what comes is a pack. `have` is here already, without those before it.
pub(crate) fn fetch<'a>(
    http: &'a Http,
    base: &Url,
    refs: &Refs,
    want: Oid,
    have: Option<Oid>,
) -> Result<Bands<Body<'a>>, Failure> {
    if !refs.can("side-band-64k") {
        let reason = "the server does not know `side-band-64k`, which Git servers do since 2006".to_owned();
        return Err(Failure::Exchange(reason));
    }
    let request = request(refs, want, have);
    let mut lines = Lines::of(http.ask(base, Service::UploadPack, request)?);
    loop {
        match lines.next()? {
            // What is a beginning now, which of ours it knows, and the ends of these lists.
            None => {}
            Some(line)
                if [&b"shallow "[..], b"unshallow ", b"ACK ", b"NAK"].iter().any(|one| line.starts_with(one)) => {}
            Some([1..=3, ..]) => break,
            Some(_) => return Err(invalid("the pack does not begin").into()),
        }
    }
    lines.put_back();
    Ok(Bands::of(lines))
}

fn request(refs: &Refs, want: Oid, have: Option<Oid>) -> Vec<u8> {
    let mut request = Vec::new();
    let agent = concat!(" agent=tag2pr/", env!("CARGO_PKG_VERSION"));
    pkt_line::write(&mut request, &format!("want {want}{}{agent}\n", refs.those_of(WANTED)));
    if refs.can("shallow") {
        have.iter().for_each(|have| pkt_line::write(&mut request, &format!("shallow {have}\n")));
        pkt_line::write(&mut request, "deepen 1\n");
    }
    request.extend_from_slice(FLUSH);
    have.iter().for_each(|have| pkt_line::write(&mut request, &format!("have {have}\n")));
    pkt_line::write(&mut request, "done\n");
    request
}
