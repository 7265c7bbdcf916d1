//! What the ledger asks of a disk, as a seam: a test stands in and lets any one step fail.
//!
//! Nothing here tries a failed step again. After a failed `fsync` the kernel may hold pages for clean that never reached
//! the disk, so a second one that succeeds says nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A step on the disk that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} `{}`: {error}", path.display())]
pub struct DiskError {
    step: &'static str,
    path: PathBuf,
    #[source]
    error: io::Error,
}

impl DiskError {
    pub(crate) fn at<'a>(step: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |error| Self { step, path: path.to_owned(), error }
    }

    /// The operating system's word.
    pub fn io(&self) -> &io::Error {
        &self.error
    }
}

/// The steps that change a disk. Each is done, or failed, when it returns.
pub(crate) trait Disk: Send + Sync + std::fmt::Debug {
    /// Makes a folder, readable by its owner alone. One that is there is no error.
    fn make_dir(&self, path: &Path) -> Result<(), DiskError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(DiskError::at("make the folder", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Makes a file that is not there yet.
    fn create(&self, path: &Path) -> Result<File, DiskError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.map_err(DiskError::at("create", path))
    }

    /// Writes all bytes at the file's position.
    fn write(&self, file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        file.write_all(bytes).map_err(DiskError::at("write", path))
    }

    /// Makes a file's bytes and length durable.
    fn sync(&self, file: &File, path: &Path) -> Result<(), DiskError> {
        file.sync_data().map_err(DiskError::at("sync", path))
    }

    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
        File::open(path).and_then(|dir| dir.sync_all()).map_err(DiskError::at("sync the folder", path))
    }

    /// Gives a file another name on the same disk.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        fs::rename(from, to).map_err(DiskError::at("rename", from))
    }

    /// Cuts a file to a length.
    fn truncate(&self, file: &File, path: &Path, length: u64) -> Result<(), DiskError> {
        file.set_len(length).map_err(DiskError::at("truncate", path))
    }

    /// Removes a file.
    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        fs::remove_file(path).map_err(DiskError::at("remove", path))
    }

    /// Removes a folder and what is in it. One that is not there is no error.
    fn remove_dir(&self, path: &Path) -> Result<(), DiskError> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DiskError::at("remove", path)(error)),
            _ => Ok(()),
        }
    }
}

/// The operating system's.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {}

/// The bytes of a file, or `None` where there is none. More than `bytes_max` are an error, not memory.
pub(crate) fn read(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, DiskError> {
    let open = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DiskError::at("open", path)(error)),
    };
    let mut bytes = Vec::new();
    open.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(DiskError::at("read", path))?;
    if bytes.len() > bytes_max {
        let error = io::Error::new(io::ErrorKind::InvalidData, format!("more than {bytes_max} bytes"));
        return Err(DiskError::at("read", path)(error));
    }
    Ok(Some(bytes))
}

/// Puts a file in the place of another, so that after a crash there is the one or the other, whole.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, beside: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(DiskError::at("remove", beside)(error)),
        _ => {}
    }
    let mut file = disk.create(beside)?;
    disk.write(&mut file, beside, bytes)?;
    disk.sync(&file, beside)?;
    disk.rename(beside, path)?;
    disk.sync_dir(folder_of(path))
}

/// The folder that holds `path`'s name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().unwrap_or(Path::new("/"));
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A disk on which the `fail_at`-th step, counted from 0, fails; a write leaves half of its bytes. After it all steps
    /// work again, so that whoever tries again would be found out.
    #[derive(Debug)]
    pub(crate) struct FailingDisk {
        pub fail_at: Option<usize>,
        pub steps: Mutex<Vec<String>>,
    }

    impl FailingDisk {
        pub(crate) fn new(fail_at: Option<usize>) -> Self {
            Self { fail_at, steps: Mutex::default() }
        }

        fn step(&self, step: &'static str, path: &Path) -> Result<(), DiskError> {
            let mut steps = self.steps.lock().unwrap();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            steps.push(format!("{step} {name}"));
            if Some(steps.len() - 1) == self.fail_at {
                return Err(DiskError::at(step, path)(io::Error::from_raw_os_error(5)));
            }
            Ok(())
        }
    }

    impl Disk for FailingDisk {
        fn make_dir(&self, path: &Path) -> Result<(), DiskError> {
            self.step("make the folder", path)?;
            RealDisk.make_dir(path)
        }
        fn create(&self, path: &Path) -> Result<File, DiskError> {
            self.step("create", path)?;
            RealDisk.create(path)
        }
        fn write(&self, file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
            if let Err(error) = self.step("write", path) {
                RealDisk.write(file, path, &bytes[..bytes.len() / 2])?;
                return Err(error);
            }
            RealDisk.write(file, path, bytes)
        }
        fn sync(&self, file: &File, path: &Path) -> Result<(), DiskError> {
            self.step("sync", path)?;
            RealDisk.sync(file, path)
        }
        fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
            self.step("sync the folder", path)?;
            RealDisk.sync_dir(path)
        }
        fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
            self.step("rename", from)?;
            RealDisk.rename(from, to)
        }
        fn truncate(&self, file: &File, path: &Path, length: u64) -> Result<(), DiskError> {
            self.step("truncate", path)?;
            RealDisk.truncate(file, path, length)
        }
        fn remove(&self, path: &Path) -> Result<(), DiskError> {
            self.step("remove", path)?;
            RealDisk.remove(path)
        }
        fn remove_dir(&self, path: &Path) -> Result<(), DiskError> {
            self.step("remove", path)?;
            RealDisk.remove_dir(path)
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, [0; 11]).unwrap();
        assert_eq!(read(&path, 11).unwrap().unwrap().len(), 11);
        assert!(read(&path, 10).unwrap_err().to_string().contains("more than 10 bytes"));
        assert!(read(&dir.path().join("none"), 10).unwrap().is_none());
    }

    #[test]
    fn a_name_alone_is_in_this_folder() {
        assert_eq!(folder_of(Path::new("highest")), Path::new("."));
        assert_eq!(folder_of(Path::new("a/highest")), Path::new("a"));
        assert_eq!(folder_of(Path::new("/")), Path::new("/"));
    }

    #[test]
    fn whatever_step_fails_the_old_file_or_the_new_is_there() {
        for fail_at in 0..5 {
            let dir = tempfile::tempdir().unwrap();
            let (path, beside) = (dir.path().join("file"), dir.path().join("beside"));
            replace(&RealDisk, &path, &beside, b"the old").unwrap();
            replace(&FailingDisk::new(Some(fail_at)), &path, &beside, b"the new one").unwrap_err();
            let bytes = fs::read(&path).unwrap();
            assert_eq!(bytes, if fail_at < 4 { &b"the old"[..] } else { b"the new one" });
            replace(&RealDisk, &path, &beside, b"and on").unwrap();
        }
    }
}
