//! Two repositories: the automations of one work on the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use tag2pr::seams::{RepositoryId, State};
use tag2pr::testing::host::FakeHost;
use tag2pr::testing::repository::{Entry, FakeRepository};

use super::world::{BASE, World};

/// What the repository of a cluster says: of its own folder, and of another repository.
const FLUX: &str = r#"
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: { name: cluster, namespace: flux-system }
spec: { url: "https://git.example/acme/fleet.git", ref: { branch: main } }
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: { name: apps, namespace: flux-system }
spec: { url: "ssh://git@git.example/acme/apps", ref: { branch: main } }
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: { name: web, namespace: flux-system }
spec: { image: ghcr.io/acme/web, interval: 5m }
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: { name: web, namespace: flux-system }
spec:
  imageRepositoryRef: { name: web }
  policy: { semver: { range: 1.x } }
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: { name: cluster, namespace: flux-system }
spec:
  sourceRef: { kind: GitRepository, name: cluster }
  git: { commit: { author: { name: bot, email: bot@acme.example } } }
  update: { path: ./canary, strategy: Setters }
"#;

const FOR_APPS: &str = r#"---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: { name: apps, namespace: flux-system }
spec:
  sourceRef: { kind: GitRepository, name: apps }
  git: { commit: { author: { name: bot, email: bot@acme.example } } }
  update: { path: ./web, strategy: Setters }
"#;

const MARKED: &str = "image: ghcr.io/acme/web:1.0.0 # {\"$imagepolicy\": \"flux-system:web\"}\n";

/// A world that turns from one repository to the other and back.
struct Two {
    world: World,
    other: (RepositoryId, Arc<FakeRepository>, FakeHost),
}

impl Two {
    /// The cluster's repository, of which nobody has read anything yet, and that of the applications.
    fn new() -> Self {
        let mut world = World::of("1-dated-tags");
        let cluster =
            [Entry::file("flux/automation.yaml", format!("{FLUX}{FOR_APPS}")), Entry::file("canary/web.yaml", MARKED)];
        world.git = Arc::new(FakeRepository::with(BASE, &cluster));
        world.forge = FakeHost::new(world.git.clone());
        let git = Arc::new(FakeRepository::with(BASE, &[Entry::file("web/deployment.yaml", MARKED)]));
        let apps = RepositoryId { path: "acme/apps".into(), ..world.repository.clone() };
        world.repositories.push(apps.clone());
        world.build("ghcr.io/acme/web:1.0.0");
        Self { other: (apps, git.clone(), FakeHost::new(git)), world }
    }

    /// Turns to the other repository.
    fn turn(&mut self) -> &mut World {
        let Self { world, other } = self;
        std::mem::swap(&mut world.repository, &mut other.0);
        std::mem::swap(&mut world.git, &mut other.1);
        std::mem::swap(&mut world.forge, &mut other.2);
        world
    }

    /// Serves the pokes that wait, until there are none.
    fn serve(&mut self) {
        loop {
            let poked: BTreeSet<String> = self.poked();
            if poked.is_empty() {
                return;
            }
            for _ in 0..2 {
                let world = self.turn();
                if poked.contains(&world.repository.path) {
                    world.propose();
                }
            }
        }
    }

    fn poked(&self) -> BTreeSet<String> {
        self.world.outbox.take().into_iter().map(|poke| poke.repository.path).collect()
    }

    /// The titles of the open pull requests, of the cluster and of the applications.
    fn open(&mut self) -> [Vec<String>; 2] {
        let titles = |world: &World| world.forge.open_pulls().into_iter().map(|pull| pull.title).collect();
        let here = titles(&self.world);
        let there = titles(self.turn());
        self.turn();
        [here, there]
    }
}

/// Both have been looked at, and a newer tag has come.
fn pushed() -> Two {
    let mut two = Two::new();
    two.world.propose();
    two.serve();
    two.world.wait(60);
    two.world.push("ghcr.io/acme/web:1.1.0");
    two.serve();
    two
}

#[test]
fn one_policy_is_written_to_both_repositories() {
    let mut two = pushed();
    assert_eq!(two.open(), [["Update web to 1.1.0"], ["Update web to 1.1.0"]]);
    let cluster = two.world.open();
    assert_eq!(cluster.branch, "tag2pr/flux-system.cluster");
    assert_eq!(
        two.world.added(&cluster.branch),
        ["image: ghcr.io/acme/web:1.1.0 # {\"$imagepolicy\": \"flux-system:web\"}"]
    );
    assert!(!two.world.log.join("\n").contains("passed over"), "{:?}", two.world.log);

    let apps = two.turn();
    let open = apps.open();
    assert_eq!(open.branch, "tag2pr/flux-system.apps");
    assert_eq!(apps.added(&open.branch), ["image: ghcr.io/acme/web:1.1.0 # {\"$imagepolicy\": \"flux-system:web\"}"]);
    let reason: Vec<&str> = open.body.lines().filter(|line| line.contains("automation.yaml")).collect();
    insta::assert_snapshot!(reason.join("\n"), @"`flux-system/web`, in `acme/fleet:flux/automation.yaml:17`:");
}

#[test]
fn whoever_looks_at_the_one_first_is_told_by_the_other() {
    let mut two = Two::new();
    let apps = two.turn();
    assert_eq!(apps.propose(), Vec::<String>::new(), "nobody has said anything for it");
    two.turn().propose();
    assert_eq!(two.poked(), BTreeSet::from(["acme/apps".to_owned()]));
    two.world.propose();
    assert_eq!(two.poked(), BTreeSet::new(), "once is enough");
}

#[test]
fn what_changes_in_the_one_changes_the_other() {
    let mut two = pushed();
    two.world.edit(BASE, "flux/automation.yaml", "range: 1.x", "range: 2.x");
    two.world.propose();
    assert_eq!(two.poked(), BTreeSet::from(["acme/apps".to_owned()]));
    two.world.push("ghcr.io/acme/web:2.0.0");
    two.serve();
    assert_eq!(two.open(), [["Update web to 2.0.0"], ["Update web to 2.0.0"]]);
}

#[test]
fn a_file_that_cannot_be_read_takes_nothing_away_from_the_other() {
    let mut two = pushed();
    two.world.edit(BASE, "flux/automation.yaml", "kind: ImagePolicy\n", "kind: [ImagePolicy\n");
    two.world.propose();
    assert_eq!(two.poked(), BTreeSet::new());
    two.turn().propose();
    two.turn();
    assert_eq!(two.open()[1], ["Update web to 1.1.0"]);
}

#[test]
fn an_automation_that_is_gone_works_on_nothing_any_more() {
    let mut two = pushed();
    two.world.edit(BASE, "flux/automation.yaml", FOR_APPS, "");
    two.world.propose();
    two.serve();
    two.world.push("ghcr.io/acme/web:1.2.0");
    two.serve();
    assert_eq!(two.open()[0], ["Update web to 1.2.0"]);
    let apps = two.turn();
    assert_eq!(apps.open().title, "Update web to 1.1.0", "what is open is left to people");
    apps.forge.merge(1);
    apps.propose();
    assert_eq!(apps.pull(1).state, State::Merged);
}

#[test]
fn a_repository_that_is_not_configured_any_more_says_nothing() {
    let mut two = pushed();
    let cluster = two.world.repository.clone();
    two.world.repositories.retain(|one| *one != cluster);
    let apps = two.turn();
    apps.push("ghcr.io/acme/web:1.2.0");
    apps.propose();
    assert_eq!(apps.open().title, "Update web to 1.1.0");
}

#[test]
fn without_the_settings_of_the_one_nothing_of_the_other_is_heard() {
    let mut two = pushed();
    let apps = two.turn();
    let typo = Entry::file(".tag2pr.yaml", "proposals: [{ name: flux-system/apps, minimumAeg: 3d }]\n");
    apps.git.push_by_somebody_else(BASE, &[typo], "Wait for three days");
    apps.push("ghcr.io/acme/web:1.2.0");
    let said = apps.propose().join("\n");
    assert!(said.contains(".tag2pr.yaml:1:"), "{said}");
    assert_eq!(apps.open().title, "Update web to 1.1.0", "what it would have said is not known");
}

#[test]
fn what_stands_here_goes_before_what_others_say_under_the_same_name() {
    let mut two = Two::new();
    let apps = two.turn();
    let own = FLUX.split("---\n").filter(|object| object.contains("image.toolkit")).collect::<Vec<_>>().join("---\n");
    let own = own.replace("ghcr.io/acme/web", "ghcr.io/acme/api").replace("range: 1.x", "range: 3.x");
    let own = own.replace("name: cluster", "name: apps").replace("./canary", "./api");
    let own = own
        .replace("  sourceRef: { kind: GitRepository, name: apps }", "  sourceRef: { kind: GitRepository, name: own }");
    let marked = Entry::file("api/api.yaml", MARKED.replace("acme/web", "acme/api"));
    apps.git.push_by_somebody_else(BASE, &[Entry::file("flux/own.yaml", own), marked], "Have Flux here, too");
    apps.build("ghcr.io/acme/api:1.0.0");
    two.turn().propose();
    two.serve();
    two.world.wait(60);
    two.world.push("ghcr.io/acme/web:1.1.0");
    two.world.push("ghcr.io/acme/api:3.0.0");
    two.serve();

    // One automation of that name stands here and one elsewhere: they share the pull request, each with its own path.
    let apps = two.turn();
    let open = apps.open();
    let value = "image: ghcr.io/acme/api:3.0.0 # {\"$imagepolicy\": \"flux-system:web\"}";
    assert_eq!(
        (open.branch.as_str(), apps.added(&open.branch)),
        ("tag2pr/flux-system.apps", vec![value.to_owned(); 2])
    );
    // The other repository goes by its own.
    two.turn();
    assert_eq!(two.world.open().title, "Update web to 1.1.0");
}

#[test]
fn a_file_of_another_kind_that_cannot_be_read_is_no_reason_to_keep_silent() {
    let mut two = Two::new();
    let broken = Entry::file("canary/broken.yaml", format!("a: [\n{MARKED}"));
    two.world.git.push_by_somebody_else(BASE, &[broken], "Break a file");
    two.world.propose();
    assert_eq!(two.poked(), BTreeSet::from(["acme/apps".to_owned()]));
}

#[test]
fn a_repository_that_comes_back_says_what_it_says_now() {
    let mut two = pushed();
    let cluster = two.world.repository.clone();
    two.world.repositories.retain(|one| *one != cluster);
    two.turn().sweep();
    two.turn();
    two.world.edit(BASE, "flux/automation.yaml", FOR_APPS, "");
    two.world.repositories.push(cluster);
    two.world.propose();
    assert_eq!(two.poked(), BTreeSet::from(["acme/apps".to_owned()]));
    let apps = two.turn();
    apps.push("ghcr.io/acme/web:1.2.0");
    apps.propose();
    assert_eq!(apps.open().title, "Update web to 1.1.0");
}

#[test]
fn policies_of_both_are_applied_and_settings_of_both_are_laid_over_them() {
    let mut two = Two::new();
    let apps = two.turn();
    let policy = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: { name: api, namespace: flux-system }\n\
                  spec:\n  imageRepositoryRef: { name: web }\n  policy: { semver: { range: '*' } }\n";
    let own = [
        Entry::file("flux/policy.yaml", policy),
        Entry::file("web/api.yaml", MARKED.replace("flux-system:web", "flux-system:api")),
        Entry::file(
            ".tag2pr.yaml",
            "policies: [{ name: flux-system/web, minimumAge: 3d }]\nproposals: [{ name: flux-system/apps, labels: [images] }]\n",
        ),
    ];
    apps.git.push_by_somebody_else(BASE, &own, "Have an API");
    two.turn().propose();
    two.serve();
    two.world.wait(60);
    two.world.push("ghcr.io/acme/web:1.1.0");
    two.serve();
    let apps = two.turn();
    let open = apps.open();
    assert_eq!(apps.added(&open.branch), ["image: ghcr.io/acme/web:1.1.0 # {\"$imagepolicy\": \"flux-system:api\"}"]);
    assert_eq!(open.asks.labels, ["images"]);

    apps.wait(4 * 86_400);
    apps.propose();
    assert_eq!(apps.added(&open.branch).len(), 2, "the other is old enough now");
}
