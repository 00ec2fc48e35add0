//! Commit messages as automations word them.

use super::stories::{FRONTEND_FILE, PROPOSAL, home_lab};
use super::world::BASE;

const AUTOMATION: &str = "flux/clusters/production/image-automation/image-update-automation.yaml";

#[test]
fn the_commit_message_is_as_the_automation_says() {
    let mut world = home_lab();
    let template = "    commit:\n      messageTemplate: |\n        Automated update of {{ .AutomationObject }}\n\n        \
                    {{ range .Changed.Changes -}}\n        - {{ .OldValue }} -> {{ .NewValue }}\n        {{ end }}\n";
    world.edit(BASE, AUTOMATION, "    commit:\n", template);
    world.deliver("stories/2-frontend");
    world.serve();
    let message = world.head(PROPOSAL).message;
    assert!(message.starts_with("Automated update of flux-system/flux-system\n"), "{message}");
    assert!(
        message.contains(
            "- 192.168.0.40:5000/frontend:main-f9e1f0b-1707200000 -> \
             192.168.0.40:5000/frontend:main-abc1234-1707300000"
        ),
        "{message}"
    );
    assert!(message.contains("Tag2pr-Policy: flux-system/frontend"), "the trailers stay: {message}");
    assert!(world.file(PROPOSAL, FRONTEND_FILE).contains("main-abc1234-1707300000"));
}

#[test]
fn a_broken_template_stops_nobody_and_is_said() {
    let mut world = home_lab();
    let template = "    commit:\n      messageTemplate: '{{ range .Changed.Changs }}{{ .NewValue }}{{ end }}'\n";
    world.edit(BASE, AUTOMATION, "    commit:\n", template);
    world.deliver("stories/2-frontend");
    let said = world.serve();
    let message = world.head(PROPOSAL).message;
    assert!(message.starts_with("Update frontend to main-abc1234-1707300000\n"), "{message}");
    assert!(
        said.iter().any(|line| line.contains("there is no field `Changs`") && line.contains(AUTOMATION)),
        "{said:#?}"
    );
}
