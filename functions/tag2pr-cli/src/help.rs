//! What stands below the options in `--help`: examples, and exit codes where they say more than usual.

/// A heading as clap writes its own.
macro_rules! heading {
    ($text:literal) => {
        concat!("\x1b[1m\x1b[4m", $text, ":\x1b[0m\n")
    };
}

macro_rules! examples {
    ($($example:literal)*) => {
        concat!(heading!("Examples"), $("  ", $example, "\n",)*)
    };
}

macro_rules! exit_codes {
    ($($code:literal)*) => {
        concat!("\n", heading!("Exit codes"), $("  ", $code, "\n",)*)
    };
}

pub const TAG2PR: &str = concat!(
    heading!("Where to begin"),
    "  tag2pr demo                  the whole way on this machine, in seconds\n",
    "  tag2pr check .               what is wrong with the policies and markers of a checkout\n",
    "  tag2pr init                  a first tag2pr.yaml, and what to enter at the registry\n",
    "  tag2pr serve                 listen, and open pull requests\n",
    exit_codes!("0  done" "1  findings, or it could not be done" "2  wrong usage"),
);

pub const DEMO: &str = examples!(
    "tag2pr demo"
    "tag2pr demo --keep lab && tag2pr serve --config lab/tag2pr.yaml   # go on from there"
);

pub const SERVE: &str = concat!(
    examples!(
        "tag2pr serve"
        "tag2pr serve --config /etc/tag2pr/tag2pr.yaml --listen 0.0.0.0:8080"
        "kill -HUP <pid>   # read the secrets in files and at AWS again, as it does every five minutes"
    ),
    exit_codes!("0  ended by SIGINT or SIGTERM" "1  it could not start" "2  wrong usage"),
);

pub const REPLAY: &str = examples!(
    "tag2pr replay --dry-run events/harbor/push.json         # a body, with its headers in push.headers"
    "tag2pr replay 018d82f0aa0a-ee58a385d22a                 # a delivery of the store, once more"
    "tag2pr replay --since 2026-02-01 --policy policy.yaml   # what another policy would have made of them"
);

pub const DECODE: &str = concat!(
    examples!(
        "tag2pr decode push.json"
        "tag2pr decode push.json --headers push.headers --secret-file secret   # is it authentic, too?"
        "curl -s https://registry.example.com/last | tag2pr decode - --source quay"
    ),
    exit_codes!("0  it is understood" "1  it is not, or it is not authentic" "2  wrong usage"),
);

pub const EXPLAIN: &str = examples!(
    "tag2pr explain                                       # every policy, as the store knows the tags"
    "tag2pr explain apps/web                              # one of them"
    "skopeo list-tags docker://ghcr.io/acme/web | tag2pr explain --path . --tags -"
    "tag2pr explain --policy policy.yaml --tags tags.txt  # one ImagePolicy, offline"
);

pub const CHECK: &str = concat!(
    examples!(
        "tag2pr check ."
        "tag2pr check . --tags ghcr.io/acme/web=tags.txt      # more is found with the tags"
        "tag2pr check . --output json                         # with each patch that mends something"
    ),
    exit_codes!("0  nothing, or notes" "1  errors or warnings" "2  wrong usage"),
);

pub const UPDATE: &str = examples!(
    "tag2pr update . --image apps:web=ghcr.io/acme/web:1.4.0"
    "tag2pr update . --image apps:web=ghcr.io/acme/web:1.4.0@sha256:… --dry-run"
);

pub const PROPOSE: &str = examples!(
    "tag2pr propose"
    "tag2pr propose --dry-run   # the diff and the pull request, and nothing is done"
);

pub const SWEEP: &str = examples!("tag2pr sweep && tag2pr propose   # without webhooks: from cron, or in a CI job");

pub const STATUS: &str = concat!(
    examples!(
        "tag2pr status"
        "tag2pr status --watch                                # again whenever it has changed"
        "tag2pr status --output json | jq ."
    ),
    exit_codes!("0  everything goes its way" "1  a repository stands still" "2  wrong usage"),
);

pub const HOLD: &str = examples!("tag2pr hold apps/web 1.4.0 --reason 'waits for the database'");

pub const RELEASE: &str = examples!(
    "tag2pr release apps/web              # everything that is held of it"
    "tag2pr release apps/web 1.4.0"
    "tag2pr release apps/web --to 1.3.2   # back to it, once, if the policy selects it"
);

pub const INIT: &str = concat!(
    examples!(
        "tag2pr init                          # in a checkout of the manifests repository; asks"
        "tag2pr init --registry ghcr.io --source ghcr --url https://tag2pr.example.com"
        "tag2pr init fleet --repository https://git.example.com/acme/fleet.git --host gitea --source harbor"
    ),
    exit_codes!("0  written, whatever `check` found" "1  nothing was written" "2  wrong usage"),
);

pub const SCHEMA: &str = examples!(
    "tag2pr schema > tag2pr.schema.json"
    "tag2pr schema .tag2pr.yaml > .tag2pr.schema.json"
    "sed -i '1i # yaml-language-server: $schema=tag2pr.schema.json' tag2pr.yaml   # editors check as you type"
);

pub const COMPLETIONS: &str = examples!(
    "tag2pr completions bash > ~/.local/share/bash-completion/completions/tag2pr"
    "tag2pr completions zsh > \"${fpath[1]}/_tag2pr\""
    "tag2pr completions fish > ~/.config/fish/completions/tag2pr.fish"
);

pub const MAN: &str = examples!(
    "tag2pr man | man -l -"
    "tag2pr man serve | man -l -"
    "tag2pr man --dir /usr/local/share/man/man1"
);
