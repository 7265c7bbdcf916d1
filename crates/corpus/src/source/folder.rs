//! Folders: every file below one, in the order of names.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Beneath, Look, name};
use crate::FailureReason;

pub(super) fn open_folder(place: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(place, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Reads a file beneath its folder, if it is a plain file of at most `bytes_max` bytes.
pub(crate) fn read_beneath(beneath: &Beneath, bytes_max: u64) -> Result<Vec<u8>, FailureReason> {
    let file = open_beneath(beneath).map_err(|error| FailureReason::Unreadable(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| FailureReason::Unreadable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(FailureReason::Unreadable("not a file".to_owned()));
    }
    read_bounded(file, metadata.len(), bytes_max)
}

/// Reads what has `length` bytes, if that is at most `bytes_max`.
pub(crate) fn read_bounded(reader: impl Read, length: u64, bytes_max: u64) -> Result<Vec<u8>, FailureReason> {
    let too_large = FailureReason::TooLarge { bytes_max };
    if length > bytes_max {
        return Err(too_large);
    }
    let mut bytes = Vec::with_capacity(length as usize);
    // A file may grow while it is read.
    let read = reader.take(bytes_max + 1).read_to_end(&mut bytes);
    read.map_err(|error| FailureReason::Unreadable(error.to_string()))?;
    if bytes.len() as u64 > bytes_max { Err(too_large) } else { Ok(bytes) }
}

pub(super) fn open_beneath(beneath: &Beneath) -> io::Result<File> {
    // Without `NONBLOCK` a pipe put in the file's place would hold the thread for ever.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let opened = match rustix::fs::openat2(&beneath.root, &beneath.relative, flags, Mode::empty(), resolve) {
        // Sandboxes and old kernels lack `openat2`; the last step at least is no link then.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(&beneath.root, &beneath.relative, flags, Mode::empty()),
        opened => opened,
    };
    Ok(File::from(opened?))
}

impl Look<'_> {
    /// Looks through a folder. Unreadable folders below it are named, and the rest goes on.
    pub(super) fn folder(&mut self, place: &Path, source: &str) {
        let root = match open_folder(place) {
            Ok(root) => Arc::new(root),
            Err(error) => {
                let label = name::display(source);
                return self.fail(label, source.to_owned(), FailureReason::Unreadable(error.to_string()));
            }
        };
        let source = source.trim_end_matches('/');
        // Folders still to be looked through, the next one last, each with its path below the root.
        let mut open = vec![(PathBuf::new(), 0)];
        while let Some((relative, depth)) = open.pop() {
            if self.stopped {
                return;
            }
            self.one_folder(place, source, &root, &relative, depth, &mut open);
        }
        if !self.stopped {
            self.found.complete.push(format!("{source}/"));
        }
    }

    fn one_folder(
        &mut self,
        place: &Path,
        source: &str,
        root: &Arc<OwnedFd>,
        relative: &Path,
        depth: usize,
        open: &mut Vec<(PathBuf, usize)>,
    ) {
        let below = |path: &Path| format!("{source}/{}", name::of_path(path));
        let entries = fs::read_dir(place.join(relative)).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let at = if relative.as_os_str().is_empty() { source.to_owned() } else { below(relative) };
                self.found.unknown.push(format!("{at}/"));
                let label = name::display(&name::of_path(relative));
                return self.fail(label, at, FailureReason::Unreadable(error.to_string()));
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut folders = Vec::new();
        for entry in entries {
            let path = relative.join(entry.file_name());
            let (label, at) = (name::display(&name::of_path(&path)), below(&path));
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                self.warn(&label, "hidden: a name that begins with a dot is skipped");
                continue;
            }
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Gone between the listing and now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    self.fail(label, at, FailureReason::Unreadable(error.to_string()));
                    continue;
                }
            };
            if metadata.is_symlink() {
                self.link(place, &path, &label);
            } else if metadata.is_dir() && depth >= self.limits.folder_depth_max {
                self.found.unknown.push(format!("{at}/"));
                self.warn(&label, format!("folders deeper than {} are not looked into", self.limits.folder_depth_max));
            } else if metadata.is_dir() {
                folders.push((path, depth + 1));
            } else if metadata.is_file() {
                let beneath = Beneath { root: root.clone(), relative: path };
                self.file(beneath, label, at, &metadata, false);
            } else {
                self.warn(&label, "not a file: a pipe, socket or device is skipped");
            }
        }
        open.extend(folders.into_iter().rev());
    }

    /// A link to somewhere inside is met there under its own name; one that leads out is not followed.
    fn link(&mut self, place: &Path, path: &Path, label: &str) {
        let inside = place.join(path).canonicalize().is_ok_and(|target| target.starts_with(place));
        if !inside {
            self.warn(label, "a link that leads out of the folder, or nowhere, is skipped");
        }
    }
}
