//! GitLab's container registry: Distribution's notifications, configured in GitLab's own way.
//!
//! GitLab's registry gives up after `maxretries`, where Distribution tries for ever. Group and project webhooks know
//! nothing of images, and gitlab.com sends no notifications at all.
//!
//! Format: <https://docs.gitlab.com/administration/packages/container_registry/#configure-container-registry-notifications>

use http::HeaderMap;

use super::{Face, Habits, Sender, authentication, distribution};

pub(super) const FACE: Face = Face {
    name: "gitlab",
    // Its body is Distribution's, byte for byte.
    recognise: |_: &HeaderMap, _| false,
    authenticate: |request, secrets| {
        let mend = "set `'headers' => { \"Authorization\" => [\"Bearer <secret>\"] }` for the endpoint under \
                    `registry['notifications']` in gitlab.rb";
        authentication::authorization(request, secrets, mend)
    },
    decode: |_, body| distribution::read_envelope(Sender::Gitlab, body),
    // What cannot be read would hold up all later events, until GitLab gives up.
    habits: Habits { unforgiving: true, ..Habits::PLAIN },
};
