//! The whole pipeline in a process that is killed before and after every write it makes to store, Git and forge, one
//! point after the other. The delivery comes again, and there is exactly one right pull request.

use std::process::Command;

use tag2pr_end_to_end::changes;
use tag2pr_end_to_end::proxy::{Proxy, Strike};
use tag2pr_standins::oci::Manifest;
use tag2pr_standins::registry::{Access, Listing, Registry};
use tag2pr_standins::s3::S3Server;
use tag2pr_standins::signature::{ACCESS_KEY, SECRET_KEY};

use super::world::{Lab, TOKEN};

struct Pipeline {
    lab: Lab,
    store: S3Server,
    registry: Registry,
    digest: String,
}

impl Pipeline {
    /// A registry with a newer image than Git, and nothing known of anything. `None` where there is no `git`.
    fn set_up() -> Option<Self> {
        let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
        let digest = registry.push_manifest("team/web", "1.0.0", &Manifest::image("1.0.0", &[]));
        let lab = Lab::set_up(&registry.address().to_string())?;
        lab.git.require(Some(("x-access-token", TOKEN)));
        Some(Self { lab, store: S3Server::start("state"), registry, digest })
    }

    /// A process that takes the delivery and does all that follows from it.
    fn command(&self) -> Command {
        let delivery = self.lab.folder().join("delivery.json");
        let body = super::world::push_event(&self.registry.address().to_string(), "1.0.0", &self.digest);
        std::fs::write(&delivery, body).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tag2pr"));
        command
            .args(["replay", "--config", "tag2pr.yaml", "delivery.json"])
            .current_dir(self.lab.folder())
            .env_clear()
            .env("TAG2PR_CACHE", "cache")
            .env("TAG2PR_STORE", "s3://state/x")
            .env("AWS_ENDPOINT_URL_S3", self.store.url())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .stdout(std::fs::File::create(self.lab.folder().join("said")).unwrap())
            .stderr(std::fs::File::create(self.lab.folder().join("complained")).unwrap());
        command
    }

    /// A few minutes pass: the lease of whoever was killed runs out, and so does its word that it opens a pull request.
    fn wait(&self) {
        self.store.forget("x/leases/");
        self.store.alter("x/repositories/", |object| {
            let mut object: serde_json::Value = serde_json::from_str(object).unwrap();
            if let Some(at) = object.pointer_mut("/value/claim/at") {
                *at = "1970-01-01T00:00:00Z".into();
            }
            object.to_string()
        });
    }

    fn has_one_right_pull_request(&self, at: &str) {
        let pulls = self.lab.github.pulls();
        let [pull] = &pulls[..] else { panic!("{at}: {pulls:#?}") };
        let changed = changes(&self.lab.fleet, &pull.branch);
        assert!(changed.iter().any(|line| line.contains("team/web:1.0.0 #")), "{at}: {changed:?}");
        assert_eq!(self.lab.fleet.log(&pull.branch).len(), 2, "{at}: one commit on top of the base");
        assert_eq!(Some(&pull.head), self.lab.fleet.head(&pull.branch).as_ref(), "{at}");
        assert!(pull.body.contains(&self.digest[..19]), "{at}: {}", pull.body);
    }
}

#[test]
fn a_process_that_is_killed_at_any_write_leaves_nothing_that_the_next_does_not_mend() {
    let Some(whole) = Pipeline::set_up() else { return };
    let proxy = Proxy::start();
    let (status, writes) = proxy.run(&mut whole.command(), None);
    let complained = || std::fs::read_to_string(whole.lab.folder().join("complained")).unwrap();
    assert!(status.success(), "{}", complained());
    whole.has_one_right_pull_request("undisturbed");
    let kinds = |part: &str| writes.iter().filter(|write| write.contains(part)).count();
    assert!(kinds("PUT /state/") > 5 && kinds("git-receive-pack") == 1 && kinds("/pulls") == 1, "{writes:#?}");

    let points = (0..writes.len()).flat_map(|number| [Strike::Before(number), Strike::After(number)]);
    let points: Vec<Strike> = points.collect();
    for &point in &points {
        let Some(world) = Pipeline::set_up() else { return };
        let (status, seen) = proxy.run(&mut world.command(), Some(point));
        let at = format!("{point:?}, {:?}", seen.last());
        assert_eq!(status.code(), None, "{at}: it was killed");
        for again in 0.. {
            world.wait();
            let (status, _) = proxy.run(&mut world.command(), None);
            if status.success() {
                break;
            }
            assert!(again < 5, "{at}: {}", std::fs::read_to_string(world.lab.folder().join("complained")).unwrap());
        }
        world.has_one_right_pull_request(&at);
        let kept =
            String::from_utf8_lossy(&world.store.objects().into_values().flatten().collect::<Vec<u8>>()).into_owned();
        tag2pr_end_to_end::holds_no_secret(&kept, &[TOKEN, SECRET_KEY]);
    }
    #[expect(clippy::print_stdout, reason = "whoever runs it wants to know")]
    {
        println!("killed at {} points: before and after each of {} writes", points.len(), writes.len());
    }
}
