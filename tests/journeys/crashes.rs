//! A crash between any two steps: whatever was done until then, it ends as if nothing had happened.

use pollster::block_on;
use tag2pr::endpoint;
use tag2pr::flow::propose::propose;
use tag2pr::flow::receive;
use tag2pr::seams::State;
use tag2pr::testing::repository::Entry;

use super::settings;
use super::stories::{FRONTEND, FRONTEND_FILE, PROPOSAL, home_lab};
use super::wire::{BREAKS, Wire};
use super::world::{BASE, Fixture, World};

/// Whoever runs the tests with `--nocapture` wants to know.
#[expect(clippy::print_stdout)]
fn say(points: usize, what: &str) {
    println!("{points} points of {what}: {} ways to break, each at every step", BREAKS.len());
}

/// Makes a world, lets a pass break at its first step, then at its second, and so on until it gets through, in each way
/// in which it can break; then lets others finish, and looks.
fn breaking_everywhere(what: &str, world: impl Fn() -> World, look: impl Fn(&World, &str)) {
    let mut points = 0;
    for how in BREAKS {
        for step in 0.. {
            let mut world = world();
            let recorded: Vec<String> = world.tags(FRONTEND);
            let wire = Wire::breaking(&world, step, how);
            let result = block_on(propose(wire.outside("propose/dying"), world.now));
            let broke = wire.broke();
            let at = format!("{how:?} at step {step}: {result:?}");
            assert!(result.as_ref().err().is_none_or(tag2pr::flow::Error::is_transient), "{at}");
            // The poke comes again if the pass failed or its worker died; else nobody has to come.
            if result.is_err() {
                finish(&mut world, &at);
            }
            let known = world.tags(FRONTEND);
            assert!(recorded.iter().all(|tag| known.contains(tag)), "{at}: {known:?}");
            look(&world, &at);
            if !broke {
                assert!(step > 10, "a pass takes more steps than {step}");
                break;
            }
            points += 1;
        }
    }
    say(points, what);
}

/// The queue hands the poke out again, to other workers, sooner than any claim runs out.
fn finish(world: &mut World, at: &str) {
    for _ in 0..6 {
        world.wait(30);
        match world.try_propose() {
            Ok(_) => return,
            Err(error) => assert!(error.is_transient(), "{at}: {error}"),
        }
    }
    panic!("{at}: not done after six more passes: {:#?}", world.log);
}

#[test]
fn a_crash_while_opening() {
    let world = || {
        let mut world = home_lab();
        world.deliver("stories/2-frontend");
        world
    };
    breaking_everywhere("a crash while opening", world, |world, at| {
        assert_eq!(world.forge.pulls().len(), 1, "{at}");
        assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000", "{at}");
        assert_eq!(world.added(PROPOSAL).len(), 1, "{at}");
        assert_eq!(world.holds(), [], "{at}");
    });
}

#[test]
fn a_crash_on_the_very_first_pass() {
    let world = || {
        let mut world = World::of("2-home-lab");
        world.build(&format!("{FRONTEND}:main-f9e1f0b-1707200000"));
        world.push(&format!("{FRONTEND}:main-abc1234-1707300000"));
        world
    };
    breaking_everywhere("a crash on the very first pass", world, |world, at| {
        assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000", "{at}");
        let next = world.delivery(&format!("{FRONTEND}:main-0000001-1707400000"), world.now);
        block_on(world.record(&next, "receive/x"));
        assert_eq!(world.outbox.take().len(), 1, "{at}: its images are followed");
    });
}

#[test]
fn a_crash_while_bringing_up_to_date() {
    let world = || {
        let mut world = home_lab();
        world.deliver("stories/2-frontend");
        world.serve();
        world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
        world
    };
    breaking_everywhere("a crash while bringing up to date", world, |world, at| {
        assert_eq!(world.forge.pulls().len(), 1, "{at}");
        assert_eq!(world.open().title, "Update frontend to main-0000001-1707400000", "{at}");
        assert_eq!(world.added(PROPOSAL).len(), 1, "{at}");
    });
}

#[test]
fn a_crash_after_somebody_closed() {
    let world = || {
        let mut world = home_lab();
        world.deliver("stories/2-frontend");
        world.serve();
        world.forge.close_by_person(1);
        world.push(&format!("{FRONTEND}:main-0000001-1707400000"));
        world
    };
    breaking_everywhere("a crash after somebody closed", world, |world, at| {
        assert_eq!(world.open().number, 2, "{at}");
        let held: Vec<String> = world.holds().iter().map(|hold| hold.tag.to_string()).collect();
        assert_eq!(held, ["main-abc1234-1707300000"], "{at}");
    });
}

#[test]
fn a_crash_after_a_merge_and_a_rollback() {
    let world = || {
        let mut world = home_lab();
        let before = world.git.files(BASE);
        world.deliver("stories/2-frontend");
        world.serve();
        world.merge(1);
        world.roll_back_to(&before);
        world
    };
    breaking_everywhere("a crash after a merge and a rollback", world, |world, at| {
        assert_eq!(world.forge.open_pulls(), [], "{at}");
        assert_eq!(world.holds().len(), 1, "{at}");
    });
}

#[test]
fn a_crash_while_closing_what_is_pointless() {
    let world = || {
        let mut world = home_lab();
        world.deliver("stories/2-frontend");
        world.serve();
        world.edit(BASE, FRONTEND_FILE, "main-f9e1f0b-1707200000", "main-abc1234-1707300000");
        world
    };
    breaking_everywhere("a crash while closing what is pointless", world, |world, at| {
        assert_eq!(world.pull(1).state, State::Closed, "{at}");
        assert_eq!(world.pull(1).comments.len(), 1, "{at}");
        assert_eq!(world.holds(), [], "our own closing is nobody's decision: {at}");
    });
}

#[test]
fn closed_right_after_a_crash_it_is_closed_for_good() {
    for how in BREAKS {
        for step in 0.. {
            let mut world = home_lab();
            world.deliver("stories/2-frontend");
            let wire = Wire::breaking(&world, step, how);
            let _ = block_on(propose(wire.outside("propose/dying"), world.now));
            let broke = wire.broke();
            let at = format!("{how:?} at step {step}");
            if let [open] = world.forge.open_pulls().as_slice() {
                world.forge.close_by_person(open.number);
                finish(&mut world, &at);
                assert_eq!(world.forge.open_pulls(), [], "{at}");
                assert_eq!(world.holds().len(), 1, "{at}");
            }
            if !broke {
                break;
            }
        }
    }
}

#[test]
fn a_crash_while_receiving_loses_nothing_that_was_answered() {
    let delivery = Fixture::read("stories/2-frontend");
    let mut points = 0;
    for how in BREAKS {
        for step in 0.. {
            let mut world = home_lab();
            let mut request = http::Request::post(&delivery.path).body(delivery.body.clone()).unwrap();
            *request.headers_mut() = delivery.headers.clone();
            let wire = Wire::breaking(&world, step, how);
            let outside = receive::Outside { objects: &wire, pokes: &wire, ..world.receiving("receive/x") };
            let answer = block_on(endpoint::answer(outside, &world.secrets, &request, world.now));
            let (status, broke) = (answer.response.status().as_u16(), wire.broke());
            let at = format!("{how:?} at step {step}: {answer}");
            assert!(matches!(status, 200 | 503), "{at}");
            if status == 503 {
                world.wait(5);
                world.deliver("stories/2-frontend");
            }
            world.serve();
            assert_eq!(world.open().title, "Update frontend to main-abc1234-1707300000", "{at}");
            if !broke {
                break;
            }
            points += 1;
        }
    }
    say(points, "a crash while receiving");
}

#[test]
fn a_crash_between_the_stages() {
    let world = || {
        let mut world = home_lab();
        let first = world.file(BASE, FRONTEND_FILE);
        world.git.push_by_somebody_else(BASE, &[Entry::file("second/deployment.yaml", first)], "Add a second stage");
        say_stages(&world);
        world.deliver("stories/2-frontend");
        world.serve();
        world.merge(1);
        world
    };
    breaking_everywhere("a crash between the stages", world, |world, at| {
        let open = world.open();
        assert_eq!((open.number, open.branch.as_str()), (2, "tag2pr/flux-system.second"), "{at}");
        assert_eq!(open.title, "Update frontend to main-abc1234-1707300000", "{at}");
        assert_eq!(world.holds(), [], "{at}");
    });
}

fn say_stages(world: &World) {
    let after = "after: { automation: flux-system/flux-system }";
    settings::say(world, &format!("proposals:\n  - {{ name: flux-system/second, path: second, {after} }}\n"));
}

#[test]
fn a_crash_while_pushing_to_the_base_branch_itself() {
    let world = || {
        let mut world = home_lab();
        settings::say(&world, "proposals:\n  - { name: flux-system/flux-system, direct: true }\n");
        world.deliver("stories/2-frontend");
        world
    };
    breaking_everywhere("a crash while pushing to the base branch itself", world, |world, at| {
        let pushed = world.git.log(BASE).into_iter().filter(|commit| commit.message.contains("Tag2pr-Policy"));
        assert_eq!(pushed.count(), 1, "{at}");
        assert!(world.file(BASE, FRONTEND_FILE).contains("main-abc1234-1707300000"), "{at}");
        assert_eq!((world.holds(), world.forge.pulls()), (Vec::new(), Vec::new()), "{at}");
    });
}

#[test]
fn a_crash_while_doing_what_a_comment_asks_for() {
    let world = || {
        let mut world = home_lab();
        world.deliver("stories/2-frontend");
        world.serve();
        world.git.push_by_somebody_else(PROPOSAL, &[Entry::file("notes.md", "Mine.")], "Add notes");
        world.propose();
        world.forge.said(1, true, "/tag2pr rebase");
        world
    };
    breaking_everywhere("a crash while making a branch anew", world, |world, at| {
        assert_eq!(world.forge.pulls().len(), 1, "{at}");
        assert_eq!(world.added(PROPOSAL).len(), 1, "{at}");
    });
}
