//! Manifests on disk: the files below a folder that may matter, as the repository would hold them.

use std::fs;
use std::io;
use std::path::Path;

use tag2pr::manifests;
use tag2pr::seams::File;

/// Larger files are no manifests.
const LARGEST: u64 = 1 << 20;

/// Reads the files below a folder (or the one file) that matter; symbolic links and `.git` are passed over.
pub fn read(root: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    if root.is_file() {
        let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push(File { path: name, bytes: fs::read(root)? });
    } else {
        walk(root, "", &mut files)?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && name != ".git" {
            walk(&entry.path(), &path, files)?;
        } else if kind.is_file() && entry.metadata()?.len() <= LARGEST {
            let bytes = fs::read(entry.path())?;
            if manifests::wanted(&path, &bytes) {
                files.push(File { path, bytes });
            }
        }
    }
    Ok(())
}
