//! Backups: a whole data folder in one file, made while it is in use.
//!
//! What must stay true: the database in a backup is one that was committed at one moment; a blob in it has the
//! content that its name says; the file is its owner's alone, and has its name only when it is whole and on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base::ContentHash;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::blobs::hash_rest;
use crate::manifest::{
    DATABASE, FORMAT, MANIFEST, POLICY, POLICY_FILES_MAX, SMALL_BYTES_MAX, SMALL_FILES, blob_path, file_path,
    is_policy_file,
};
use crate::{Manifest, ManifestFile, Store, StoreError};

/// Between size and speed; weights hardly get smaller at any level.
const LEVEL: i32 = 3;
const CHUNK: usize = 1 << 20;

/// Why there is no backup, or why one was not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something where the backup should go.
    #[error("`{}` exists already", .0.display())]
    Exists(PathBuf),
    /// What was to be copied is not what it should be.
    #[error("the file of a model is damaged (`dure check` says more): `{0}`")]
    BlobDamaged(ContentHash),
    /// The archive is not a whole backup.
    #[error("this is no backup that can be trusted: {0}")]
    Damaged(String),
    /// The archive was written by a program whose backups this one does not read.
    #[error(
        "this backup was written by Dure {program}, in a form that this program does not read; restore it with that version"
    )]
    OtherForm {
        /// The version that wrote it.
        program: String,
    },
    /// The folder to restore into holds something.
    #[error("`{}` is not empty (it holds `{found}`); a backup is restored into an empty folder", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
        /// One thing that is in it.
        found: String,
    },
    /// There is not enough room.
    #[error("the backup unpacks to {bytes} bytes, and the disk has room for {room}")]
    NoRoom {
        /// Bytes that are needed.
        bytes: u64,
        /// Bytes that are free.
        room: u64,
    },
    /// Nobody waits for it any longer.
    #[error("it was stopped")]
    Stopped,
    /// The disk said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What should be in a backup.
#[derive(Debug, Clone)]
pub struct BackupWish {
    /// Where it goes; nothing may be there.
    pub file: PathBuf,
    /// Whether the models' files go along. They are most of the bytes, and can be fetched again.
    pub models: bool,
    /// The version of the program.
    pub program: String,
    /// Now.
    pub created: String,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// Where it is.
    pub file: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Its files.
    pub files: usize,
    /// Their bytes.
    pub content_bytes: u64,
    /// Whether the models' files are in it.
    pub models: bool,
}

/// How far a backup or a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BackupProgress {
    /// What it is about: `database`, `files` or `checking`.
    pub phase: &'static str,
    /// Bytes that are done.
    pub bytes_done: u64,
    /// Bytes in all.
    pub bytes_total: u64,
}

/// Is told how far it is.
pub type Tell = Arc<dyn Fn(BackupProgress) + Send + Sync>;

impl Store {
    /// Writes a backup of everything that is committed now. Others go on reading and writing meanwhile.
    ///
    /// # Errors
    /// [`BackupError::Exists`], [`BackupError::BlobDamaged`], or when the disk says no. Then no backup is there.
    pub async fn backup(&self, wish: BackupWish, tell: Tell) -> Result<BackupReport, BackupError> {
        if wish.file.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(wish.file));
        }
        tell(BackupProgress { phase: "database", bytes_done: 0, bytes_total: 0 });
        // A blob that is removed meanwhile stays readable through its open file; one that is added meanwhile may be
        // named in the database already. So they are opened before and after.
        let (mut blobs, mut files) = (Vec::new(), Vec::new());
        let models = wish.models;
        let mut open = || -> Result<(), BackupError> {
            if models {
                self.blobs().open_all(&mut blobs)?;
            }
            Ok(self.files().blobs().open_all(&mut files)?)
        };
        open()?;
        let snapshot = self.snapshot().await?;
        open()?;
        let encrypted = self.keys().is_some();
        let (dir, stop) = (self.dir().to_owned(), Stop::default());
        let stopped = Arc::clone(&stop.0);
        let work = move || {
            let mut large: Vec<Large> =
                blobs.into_iter().map(|(sha256, file)| Large { path: blob_path(&sha256), sha256, file }).collect();
            for (name, mut file) in files {
                // The name of an encrypted file is no hash of what lies there.
                let sha256 = if encrypted { hash_of(&mut file).map_err(StoreError::io(&dir))? } else { name };
                large.push(Large { path: file_path(&name), sha256, file });
            }
            write(&dir, snapshot, large, &wish, &tell, &stopped)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| BackupError::Stopped)?
    }

    /// The database as it was committed at one moment, in a file of its own that goes when dropped.
    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let dir = self.dir().join(SNAPSHOTS);
        fs::create_dir_all(&dir).map_err(StoreError::io(&dir))?;
        let dir = tempfile::tempdir_in(&dir).map_err(StoreError::io(&dir))?;
        let path = dir.path().join(DATABASE);
        let name = path.to_str().ok_or_else(|| StoreError::Broken("the data folder's name is no text".to_owned()))?;
        sqlx::query("VACUUM INTO ?").bind(name).execute(self.read()).await?;
        Ok(Snapshot { path, _dir: dir })
    }
}

/// Where snapshots are made. What a crash left there is removed when the store opens.
pub(crate) const SNAPSHOTS: &str = "snapshots";

#[derive(Debug)]
struct Snapshot {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

/// Tells work in another thread that nobody waits for it any longer.
#[derive(Debug, Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A file by content, with its place in a backup.
struct Large {
    path: String,
    sha256: ContentHash,
    file: File,
}

/// The hash of a whole file, which is then at its beginning.
fn hash_of(file: &mut File) -> io::Result<ContentHash> {
    let mut digest = Sha256::new();
    hash_rest(file, &mut digest)?;
    file.rewind()?;
    Ok(ContentHash::from_bytes(digest.finalize().into()))
}

/// One file on its way into a backup.
enum Part {
    Small(Vec<u8>),
    Large(File),
}

fn write(
    dir: &Path,
    snapshot: Snapshot,
    large: Vec<Large>,
    wish: &BackupWish,
    tell: &Tell,
    stopped: &AtomicBool,
) -> Result<BackupReport, BackupError> {
    let mut parts = vec![database(&snapshot)?];
    for name in SMALL_FILES.iter().map(|name| (*name).to_owned()).chain(policy_files(dir)?) {
        parts.extend(small(dir, &name)?);
    }
    for Large { path, sha256, file } in large {
        let bytes = file.metadata().map_err(StoreError::io(dir))?.len();
        parts.push((ManifestFile { path, bytes, sha256 }, Part::Large(file)));
    }
    let manifest = Manifest {
        format: FORMAT,
        program: wish.program.clone(),
        created: wish.created.clone(),
        models: wish.models,
        files: parts.iter().map(|(file, _)| file.clone()).collect(),
    };
    let total = manifest.bytes().unwrap_or(u64::MAX);
    let incoming = Incoming::begin(&wish.file)?;
    let io = |error| BackupError::from(StoreError::io(&incoming.path)(error));
    let json = serde_json::to_vec_pretty(&manifest).map_err(|error| StoreError::Broken(error.to_string()))?;
    let mut packed = zstd::Encoder::new(BufWriter::new(&incoming.file), LEVEL).map_err(io)?;
    packed.include_checksum(true).map_err(io)?;
    let mut archive = tar::Builder::new(packed);
    archive.append_data(&mut header(json.len() as u64), MANIFEST, json.as_slice()).map_err(io)?;
    let mut done = 0;
    for (file, part) in parts {
        let source: Box<dyn Read> = match part {
            Part::Small(bytes) => Box::new(io::Cursor::new(bytes)),
            Part::Large(file) => Box::new(file),
        };
        let mut hashed = Hashed { source, digest: Sha256::new(), done, stopped, total, tell, told: done };
        let exactly = (&mut hashed).take(file.bytes);
        if let Err(error) = archive.append_data(&mut header(file.bytes), &file.path, exactly) {
            return Err(if stopped.load(Ordering::Relaxed) { BackupError::Stopped } else { io(error) });
        }
        done = hashed.done;
        if ContentHash::from_bytes(hashed.digest.finalize().into()) != file.sha256 {
            return Err(BackupError::BlobDamaged(file.sha256));
        }
    }
    let packed = archive.into_inner().map_err(io)?;
    packed.finish().and_then(|mut file| file.flush()).map_err(io)?;
    let bytes = incoming.finish(&wish.file)?;
    let file = wish.file.clone();
    Ok(BackupReport { file, bytes, files: manifest.files.len(), content_bytes: done, models: wish.models })
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(0);
    header
}

fn database(snapshot: &Snapshot) -> Result<(ManifestFile, Part), BackupError> {
    let path = &snapshot.path;
    let mut file = File::open(path).map_err(StoreError::io(path))?;
    let sha256 = hash_of(&mut file).map_err(StoreError::io(path))?;
    let bytes = file.metadata().map_err(StoreError::io(path))?.len();
    Ok((ManifestFile { path: DATABASE.to_owned(), bytes, sha256 }, Part::Large(file)))
}

/// The files of the folder of policies, in the order of their names.
fn policy_files(dir: &Path) -> Result<Vec<String>, BackupError> {
    let folder = dir.join(POLICY);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io(&folder)(error).into()),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io(&folder))?;
        let name = entry.file_name().into_string().map(|name| format!("{POLICY}/{name}")).unwrap_or_default();
        let is_file = entry.file_type().map_err(StoreError::io(&folder))?.is_file();
        // What is no file of policies is not read as one either.
        if is_file && is_policy_file(&name) {
            names.push(name);
        }
    }
    if names.len() > POLICY_FILES_MAX {
        return Err(StoreError::Broken(format!("`{POLICY}` has more than {POLICY_FILES_MAX} files")).into());
    }
    names.sort();
    Ok(names)
}

fn small(dir: &Path, name: &str) -> Result<Option<(ManifestFile, Part)>, BackupError> {
    let path = dir.join(name);
    let mut bytes = Vec::new();
    match File::open(&path) {
        Ok(file) => file.take(SMALL_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(StoreError::io(&path))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(&path)(error).into()),
    };
    if bytes.len() as u64 > SMALL_BYTES_MAX {
        return Err(StoreError::Broken(format!("`{name}` has more than {SMALL_BYTES_MAX} bytes")).into());
    }
    let file = ManifestFile { path: name.to_owned(), bytes: bytes.len() as u64, sha256: ContentHash::of(&bytes) };
    Ok(Some((file, Part::Small(bytes))))
}

/// A reader that hashes what it reads, says how far it is, and can be stopped.
struct Hashed<'a> {
    source: Box<dyn Read>,
    digest: Sha256,
    done: u64,
    total: u64,
    told: u64,
    tell: &'a Tell,
    stopped: &'a AtomicBool,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        let count = self.source.read(buffer)?;
        self.digest.update(&buffer[..count]);
        self.done += count as u64;
        if self.done - self.told >= CHUNK as u64 || count == 0 {
            self.told = self.done;
            (self.tell)(BackupProgress { phase: "files", bytes_done: self.done, bytes_total: self.total });
        }
        Ok(count)
    }
}

/// A file that is written beside its place and gets there whole, or is gone.
struct Incoming {
    path: PathBuf,
    file: File,
}

impl Incoming {
    fn begin(target: &Path) -> Result<Self, StoreError> {
        let mut name = target.as_os_str().to_owned();
        name.push(".partial");
        let path = PathBuf::from(name);
        // What an interrupted backup left is of no use to anybody.
        let _ = fs::remove_file(&path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        Ok(Self { file: file.map_err(StoreError::io(&path))?, path })
    }

    fn finish(self, target: &Path) -> Result<u64, BackupError> {
        let bytes = self.file.metadata().map_err(StoreError::io(&self.path))?.len();
        self.file.sync_all().map_err(StoreError::io(&self.path))?;
        if target.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(target.to_owned()));
        }
        fs::rename(&self.path, target).map_err(StoreError::io(target))?;
        sync_parent(target)?;
        Ok(bytes)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After a rename there is nothing of this name.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes a name durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(StoreError::io(parent))
}
