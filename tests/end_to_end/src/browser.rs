//! Chromium, which looks at a page: what it logs, how wide the page gets, and whether it can be read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tag2pr_standins::parts;

/// An installed Chromium.
pub struct Browser {
    program: PathBuf,
    folder: tempfile::TempDir,
}

/// How a page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Browser {
    /// `None` where there is none, see [`parts::missing`].
    ///
    /// # Panics
    ///
    /// When it is needed and not there.
    pub fn find() -> Option<Self> {
        let program = parts::program("chromium", ".ci/install installs it")?;
        Some(Self { program, folder: tempfile::tempdir().unwrap() })
    }

    fn run(&self, scheme: Scheme, arguments: &[&str], page: &Path) -> Output {
        let profile = format!("--user-data-dir={}", self.folder.path().join("profile").display());
        // The tests run as whoever they run; a page of our own needs no cage.
        let always =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", &profile];
        let scheme = match scheme {
            Scheme::Light => "--blink-settings=preferredColorScheme=1",
            Scheme::Dark => "--blink-settings=preferredColorScheme=0",
        };
        let mut command = Command::new(&self.program);
        command.args(always).arg(scheme).args(["--enable-logging=stderr", "--virtual-time-budget=5000"]);
        command.args(arguments).arg(format!("file://{}", page.display()));
        command.output().unwrap()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// What a page logs while it is opened: nothing, or a line for each error.
    ///
    /// # Panics
    ///
    /// When the browser does not start.
    pub fn console(&self, html: &str) -> Vec<String> {
        let output = self.run(Scheme::Light, &["--dump-dom"], &self.write("page.html", html));
        let dom = String::from_utf8_lossy(&output.stdout);
        assert!(dom.contains("</html>"), "Chromium shows nothing: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stderr);
        said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect()
    }

    /// What a script finds out about a page in a window of so many pixels. `look` is an expression in which `page` is the
    /// page's document and `view` its window.
    ///
    /// # Panics
    ///
    /// When the script fails.
    pub fn look(&self, html: &str, scheme: Scheme, width: u32, look: &str) -> Value {
        let escaped = html.replace('&', "&amp;").replace('"', "&quot;");
        let outer = format!(
            "<!doctype html><meta charset=utf-8><pre id=found></pre>\
             <iframe id=frame style=\"width:{width}px;height:900px;border:0\" srcdoc=\"{escaped}\"></iframe>\
             <script>addEventListener('load', () => {{\
               const view = document.getElementById('frame').contentWindow, page = view.document;\
               document.getElementById('found').textContent = JSON.stringify({look});\
             }});</script></html>"
        );
        let output = self.run(scheme, &["--dump-dom"], &self.write("look.html", &outer));
        let dom = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = dom.split_once("<pre id=\"found\">").and_then(|(_, rest)| rest.split_once("</pre>"));
        let (found, _) = found.unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(&output.stderr)));
        let found = found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        serde_json::from_str(&found)
            .unwrap_or_else(|error| panic!("{error} in {found:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// A picture of the upper part of a page, for people.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn picture(&self, html: &str, scheme: Scheme, (width, height): (u32, u32), to: &Path) {
        // A window is never narrower than 500 pixels: the page stands in a frame.
        let escaped = html.replace('&', "&amp;").replace('"', "&quot;");
        let outer = format!(
            "<!doctype html><meta charset=utf-8><style>*{{margin:0}}</style>\
             <iframe style=\"width:{width}px;height:{height}px;border:0\" srcdoc=\"{escaped}\"></iframe></html>"
        );
        let (picture, window) = (format!("--screenshot={}", to.display()), format!("--window-size={width},{height}"));
        let output = self.run(scheme, &[&picture, &window], &self.write("picture.html", &outer));
        assert!(to.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
