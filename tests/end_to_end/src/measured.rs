//! The rows of README.md that tests and benches fill in: `| quantity | measured |`.

use std::fs;
use std::path::PathBuf;

use crate::project;

/// What README.md says of a quantity.
///
/// # Panics
///
/// When it has no such row.
pub fn row(quantity: &str) -> String {
    let readme = fs::read_to_string(path()).unwrap();
    let (_, _, value, _) = split(&readme, quantity);
    value.to_owned()
}

/// Fails if README.md says something else of a quantity; writes it there if `TAG2PR_WRITE_MEASURED` is set.
///
/// # Panics
///
/// When it has no such row, or another value.
pub fn stands_in_the_readme(quantity: &str, measured: &str) {
    if std::env::var_os("TAG2PR_WRITE_MEASURED").is_some() {
        write(quantity, measured);
    } else {
        assert_eq!(row(quantity), measured, "{quantity}, as README.md says it; TAG2PR_WRITE_MEASURED=1 writes it");
    }
}

/// Writes what was measured of a quantity.
///
/// # Panics
///
/// When README.md has no such row.
pub fn write(quantity: &str, measured: &str) {
    let readme = fs::read_to_string(path()).unwrap();
    let (before, begins, _, after) = split(&readme, quantity);
    fs::write(path(), format!("{before}{begins}{measured} |\n{after}")).unwrap();
}

fn split<'a>(readme: &'a str, quantity: &str) -> (&'a str, String, &'a str, &'a str) {
    let begins = format!("| {quantity} | ");
    let (before, rest) = readme.split_once(&begins).unwrap_or_else(|| panic!("README.md has no row `{quantity}`"));
    let (value, after) = rest.split_once(" |\n").expect("a row ends");
    (before, begins, value, after)
}

fn path() -> PathBuf {
    project().join("README.md")
}
