//! The immutable files of a log: tiles and entry bundles.
//!
//! Invariant: a file under its name has all its bytes, and they are on the disk before whatever refers to them. A name that
//! is taken is never given to other bytes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::disk::{self, Disk, DiskError};
use crate::tile::{BUNDLE_BYTES_MAX, Tile};

/// Files on their way in, below the log's folder. Emptied when the log is opened.
const INCOMING: &str = "incoming";

/// Why tiles were not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("`{}` is there with other bytes", path.display())]
    Taken { path: PathBuf },
}

/// Empties the place for what is on its way in.
pub(crate) fn prepare(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    let incoming = dir.join(INCOMING);
    disk.remove_dir(&incoming)?;
    disk.make_dir(&incoming)
}

/// The place of a file on its way in.
pub(crate) fn incoming(dir: &Path, name: &str) -> PathBuf {
    dir.join(INCOMING).join(name)
}

/// Writes tiles and makes them durable: all bytes first, then all names.
pub(crate) fn put(disk: &dyn Disk, dir: &Path, tiles: &[(Tile, Vec<u8>)]) -> Result<(), ObjectError> {
    let mut written = Vec::new();
    for (tile, bytes) in tiles {
        let path = dir.join(tile.path());
        match disk::read(&path, BUNDLE_BYTES_MAX)? {
            Some(found) if found == *bytes => continue,
            Some(_) => return Err(ObjectError::Taken { path }),
            None => {}
        }
        let beside = incoming(dir, &written.len().to_string());
        let mut file = disk.create(&beside)?;
        disk.write(&mut file, &beside, bytes)?;
        written.push((file, beside, path));
    }
    for (file, beside, _) in &written {
        disk.sync(file, beside)?;
    }
    let mut folders = BTreeSet::new();
    for (_, beside, path) in &written {
        let folder = path.parent().unwrap_or(dir);
        make_folders(disk, dir, folder, &mut folders)?;
        disk.rename(beside, path)?;
        folders.insert(folder.to_owned());
    }
    for folder in &folders {
        disk.sync_dir(folder)?;
    }
    Ok(())
}

/// Makes the folders down to `folder`; those that get a new name in them are added to `changed`.
fn make_folders(disk: &dyn Disk, dir: &Path, folder: &Path, changed: &mut BTreeSet<PathBuf>) -> Result<(), DiskError> {
    if folder == dir || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(dir);
    make_folders(disk, dir, above, changed)?;
    disk.make_dir(folder)?;
    changed.insert(above.to_owned());
    Ok(())
}

/// Removes the partial tiles that a full tile has made needless.
pub(crate) fn remove_partials(disk: &dyn Disk, dir: &Path, full: &Tile) -> Result<(), DiskError> {
    let partials = dir.join(full.partials_path());
    if partials.is_dir() {
        disk.remove_dir(&partials)?;
    }
    Ok(())
}

/// Every tile below `dir`, and the paths of other files that are among them.
pub(crate) fn list(dir: &Path) -> Result<(Vec<Tile>, Vec<PathBuf>), DiskError> {
    let (mut tiles, mut others) = (Vec::new(), Vec::new());
    let mut folders = vec![dir.join("tile")];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(DiskError::at("list", &folder))? {
            let entry = entry.map_err(DiskError::at("list", &folder))?;
            let path = entry.path();
            // A link is no folder here, so there is no way out and no loop.
            if entry.file_type().map_err(DiskError::at("look at", &path))?.is_dir() {
                folders.push(path);
                continue;
            }
            match path.strip_prefix(dir).ok().and_then(Path::to_str).and_then(Tile::parse) {
                Some(tile) => tiles.push(tile),
                None => others.push(path),
            }
        }
    }
    Ok((tiles, others))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use crate::tile::Kind;

    #[test]
    fn the_same_again_is_nothing_and_other_bytes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        prepare(&RealDisk, dir.path()).unwrap();
        let tile = Tile { kind: Kind::Entries, number: 1_234_067, width: 3 };
        put(&RealDisk, dir.path(), &[(tile, b"abc".to_vec())]).unwrap();
        put(&RealDisk, dir.path(), &[(tile, b"abc".to_vec())]).unwrap();
        let error = put(&RealDisk, dir.path(), &[(tile, b"abd".to_vec())]).unwrap_err();
        assert!(matches!(error, ObjectError::Taken { path } if path.ends_with("x001/x234/067.p/3")));
        assert_eq!(fs::read(dir.path().join(tile.path())).unwrap(), b"abc");
        fs::write(dir.path().join("tile/entries/x001/notes.txt"), "").unwrap();
        let (tiles, others) = list(dir.path()).unwrap();
        assert_eq!((tiles, others.len()), (vec![tile], 1));
        remove_partials(&RealDisk, dir.path(), &Tile::full(Kind::Entries, 1_234_067)).unwrap();
        assert_eq!(list(dir.path()).unwrap().0, []);
    }
}
