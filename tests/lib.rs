//! Journeys through the whole product, in memory: a delivery goes in at the endpoint, a pull request comes out at the
//! forge. `journeys/world.rs` is the world that they happen in.

#![cfg(test)]

mod journeys {
    mod across;
    mod bad_input;
    mod branches;
    mod checking;
    mod closing;
    mod cost;
    mod crashes;
    mod crowd;
    mod direct;
    mod grouping;
    mod known_files;
    mod limits;
    mod limits_of_hosts;
    mod messages;
    mod model;
    mod newest;
    mod pages;
    mod people;
    mod platforms;
    mod pull_request;
    mod purity;
    mod registries;
    mod repetition;
    mod rollbacks;
    mod seeing;
    mod senders;
    mod settings;
    mod stages;
    mod stories;
    mod sweeping;
    mod telling;
    mod waiting;
    mod wire;
    mod workers;
    mod world;
}
