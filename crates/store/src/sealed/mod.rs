//! The database as it lies encrypted on the disk: a file system for SQLite that seals what SQLite writes.
//!
//! What must stay true: no byte of a page, of the log or of anything that SQLite sets aside reaches the disk unsealed; a
//! page that was changed is an error and never other content; a commit is on the disk when SQLite is told so. A torn end of
//! the log is its end, as SQLite has it: whoever can write on the disk can take the last commits away, but not change them.

mod cells;
mod locks;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cells::{Cells, PAGE};
use locks::{Held, Locks, REGION_BYTES, Region};
use seal::{OVERHEAD, Sealer};
use sqlite_plugin::flags::{AccessFlags, CreateMode, LockLevel, OpenKind, OpenMode, OpenOpts, ShmLockMode};
use sqlite_plugin::vars::{
    SQLITE_BUSY, SQLITE_CANTOPEN, SQLITE_FULL, SQLITE_IOCAP_POWERSAFE_OVERWRITE, SQLITE_IOERR, SQLITE_IOERR_DATA,
    SQLITE_IOERR_DELETE, SQLITE_IOERR_FSYNC, SQLITE_IOERR_READ, SQLITE_IOERR_SHMMAP, SQLITE_IOERR_TRUNCATE,
    SQLITE_IOERR_WRITE,
};
use sqlite_plugin::vfs::{RegisterOpts, Vfs, VfsHandle, VfsResult, register_static};

use crate::StoreError;

/// Longer paths would not fit into what SQLite has for them.
const PATH_BYTES_MAX: usize = 480;
/// What each database begins with that is not encrypted.
const PLAIN_BEGINS: &[u8] = b"SQLite format 3\0";
const SECTOR: i32 = 4096;

static REGISTERED: AtomicU64 = AtomicU64::new(0);
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// Makes a file system known to SQLite that seals with `sealer`, and gives its name. It stays for as long as the process.
pub(crate) fn register(sealer: Sealer) -> Result<String, StoreError> {
    let name = format!("dure-sealed-{}", REGISTERED.fetch_add(1, Ordering::Relaxed));
    let files = SealedFiles { sealer, databases: Mutex::default(), spare: Mutex::default() };
    let broken = |what: String| StoreError::Broken(what);
    let text = CString::new(name.as_str()).map_err(|error| broken(error.to_string()))?;
    register_static(text, files, RegisterOpts { make_default: false })
        .map_err(|code| broken(format!("SQLite took no encrypted files: {code}")))?;
    Ok(name)
}

/// Whether a database is there and is not encrypted.
pub(crate) fn is_plain(path: &Path) -> io::Result<bool> {
    let mut begins = [0; PLAIN_BEGINS.len()];
    match File::open(path).and_then(|mut file| file.read_exact(&mut begins)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(false),
        read => read.map(|()| begins == PLAIN_BEGINS),
    }
}

/// Whether an encrypted database was written under this key. One that is not there, or that a first start did not finish,
/// fits every key. A first page that a power cut tore is mended from the log, if the log fits.
pub(crate) fn fits(path: &Path, sealer: &Sealer) -> io::Result<bool> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let page = first(path, Cells::Pages, sealer)?;
    Ok(match page {
        Some(fits) => fits || first(Path::new(&log), Cells::Log, sealer)?.unwrap_or(false),
        None => true,
    })
}

/// Whether the first cell of a file opens; none if there is no whole one.
fn first(path: &Path, cells: Cells, sealer: &Sealer) -> io::Result<Option<bool>> {
    let cell = cells.at(0);
    let mut sealed = vec![0; cell.length + OVERHEAD];
    match File::open(path).and_then(|mut file| file.read_exact(&mut sealed)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(None),
        read => read.map(|()| Some(sealer.open(&cells.name(cell), &sealed).is_ok())),
    }
}

/// Writes `plain`, a database that nobody has open and whose log was folded in, encrypted to `sealed`.
pub(crate) fn encrypt(plain: &Path, sealed: &Path, sealer: &Sealer) -> io::Result<()> {
    let mut source = BufReader::with_capacity(1 << 20, File::open(plain)?);
    let mut target = BufWriter::with_capacity(1 << 20, create(sealed)?);
    let (mut page, mut offset) = (vec![0; PAGE], 0);
    while source.read(&mut page[..1])? == 1 {
        source.read_exact(&mut page[1..])?;
        target.write_all(&sealer.seal(&Cells::Pages.name(Cells::Pages.at(offset)), &page)?)?;
        offset += PAGE as u64;
    }
    target.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Writes `sealed`, a database that nobody has open and whose log was folded in, as it is without encryption to `plain`.
pub(crate) fn decrypt(sealed: &Path, plain: &Path, sealer: &Sealer) -> io::Result<()> {
    let mut source = BufReader::with_capacity(1 << 20, File::open(sealed)?);
    let mut target = BufWriter::with_capacity(1 << 20, create(plain)?);
    let (mut piece, mut offset) = (vec![0; PAGE + OVERHEAD], 0);
    while source.read(&mut piece[..1])? == 1 {
        source.read_exact(&mut piece[1..])?;
        let page = sealer.open(&Cells::Pages.name(Cells::Pages.at(offset)), &piece);
        target.write_all(&page.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?)?;
        offset += PAGE as u64;
    }
    target.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Makes a file that its owner alone may read.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

struct SealedFiles {
    sealer: Sealer,
    databases: Mutex<HashMap<String, Arc<Mutex<Locks>>>>,
    spare: Mutex<Vec<&'static Region>>,
}

enum Handle {
    Disk(Box<Disk>),
    /// What SQLite sets aside is never on the disk.
    Memory(Vec<u8>),
}

struct Disk {
    file: File,
    path: PathBuf,
    cells: Cells,
    read_only: bool,
    /// Its name is not yet known to be on the disk.
    new: bool,
    locks: Arc<Mutex<Locks>>,
    held: Held,
}

impl VfsHandle for Handle {
    fn readonly(&self) -> bool {
        matches!(self, Self::Disk(disk) if disk.read_only)
    }

    fn in_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }
}

impl SealedFiles {
    fn open_file(&self, name: &str, cells: Cells, opts: OpenOpts) -> io::Result<Disk> {
        let read_only = matches!(opts.mode(), OpenMode::ReadOnly);
        let create = !read_only && opts.mode() != OpenMode::ReadWrite { create: CreateMode::None };
        let path = PathBuf::from(name);
        let new = create && !path.exists();
        let file = OpenOptions::new()
            .read(true)
            .write(!read_only)
            .create(create)
            .create_new(opts.mode().must_create())
            .mode(0o600)
            .open(&path)?;
        let locks = Arc::clone(lock(&self.databases).entry(name.to_owned()).or_default());
        let held = Held::new(CONNECTIONS.fetch_add(1, Ordering::Relaxed));
        Ok(Disk { file, path, cells, read_only, new, locks, held })
    }

    fn read_cells(&self, disk: &Disk, offset: u64, data: &mut [u8]) -> VfsResult<usize> {
        // SQLite looks at a database's head and at a whole frame to see whether they are of use at all. What does not open
        // is of none; where it stands on what it reads, that is an error.
        let looks = match disk.cells {
            Cells::Pages => data.len() < PAGE,
            Cells::Log => offset == 0 || data.len() > PAGE,
        };
        let (mut sealed, mut text) = ([0; PAGE + OVERHEAD], [0; PAGE]);
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let cell = disk.cells.at(at);
            let sealed = &mut sealed[..cell.length + OVERHEAD];
            match disk.file.read_exact_at(sealed, cell.place) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(_) => return Err(SQLITE_IOERR_READ),
            }
            let text = &mut text[..cell.length];
            if self.sealer.open_into(&disk.cells.name(cell), sealed, text).is_err() {
                if !looks {
                    return Err(SQLITE_IOERR_DATA);
                }
                text.fill(0);
            }
            let from = (at - cell.start) as usize;
            let count = (cell.length - from).min(data.len() - done);
            data[done..done + count].copy_from_slice(&text[from..from + count]);
            done += count;
        }
        Ok(done)
    }

    fn write_cells(&self, disk: &Disk, offset: u64, data: &[u8]) -> VfsResult<()> {
        let mut sealed = [0; PAGE + OVERHEAD];
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let cell = disk.cells.at(at);
            let Some(text) = data.get(done..done + cell.length).filter(|_| cell.start == at) else {
                // SQLite writes whole cells only, as long as nobody changes its size of page.
                return Err(SQLITE_IOERR_WRITE);
            };
            let sealed = &mut sealed[..cell.length + OVERHEAD];
            self.sealer.seal_into(&disk.cells.name(cell), text, sealed).map_err(|_| SQLITE_IOERR_WRITE)?;
            disk.file.write_all_at(sealed, cell.place).map_err(|error| code(&error, SQLITE_IOERR_WRITE))?;
            done += cell.length;
        }
        Ok(())
    }
}

impl Vfs for SealedFiles {
    type Handle = Handle;

    fn canonical_path<'a>(&self, path: Cow<'a, str>) -> VfsResult<Cow<'a, str>> {
        if path.len() > PATH_BYTES_MAX { Err(SQLITE_CANTOPEN) } else { Ok(path) }
    }

    fn open(&self, path: Option<&str>, opts: OpenOpts) -> VfsResult<Handle> {
        let cells = match opts.kind() {
            OpenKind::MainDb => Cells::Pages,
            OpenKind::Wal => Cells::Log,
            // A database is made in rollback mode before it has a log; what interrupts that leaves no database.
            _ => return Ok(Handle::Memory(Vec::new())),
        };
        let Some(path) = path.filter(|path| path.len() <= PATH_BYTES_MAX) else { return Err(SQLITE_CANTOPEN) };
        self.open_file(path, cells, opts).map(|disk| Handle::Disk(Box::new(disk))).map_err(|_| SQLITE_CANTOPEN)
    }

    fn delete(&self, path: &str) -> VfsResult<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SQLITE_IOERR_DELETE),
            _ => Ok(()),
        }
    }

    fn access(&self, path: &str, _: AccessFlags) -> VfsResult<bool> {
        Ok(Path::new(path).exists())
    }

    fn file_size(&self, handle: &mut Handle) -> VfsResult<usize> {
        match handle {
            Handle::Memory(bytes) => Ok(bytes.len()),
            Handle::Disk(disk) => {
                let bytes = disk.file.metadata().map_err(|_| SQLITE_IOERR)?.len();
                usize::try_from(disk.cells.length(bytes)).map_err(|_| SQLITE_IOERR)
            }
        }
    }

    fn truncate(&self, handle: &mut Handle, size: usize) -> VfsResult<()> {
        match handle {
            Handle::Memory(bytes) => bytes.resize(size, 0),
            Handle::Disk(disk) => {
                let cell = disk.cells.at(size as u64);
                if cell.start != size as u64 {
                    return Err(SQLITE_IOERR_TRUNCATE);
                }
                disk.file.set_len(cell.place).map_err(|error| code(&error, SQLITE_IOERR_TRUNCATE))?;
            }
        }
        Ok(())
    }

    fn write(&self, handle: &mut Handle, offset: usize, data: &[u8]) -> VfsResult<usize> {
        match handle {
            Handle::Memory(bytes) => {
                let end = offset.checked_add(data.len()).ok_or(SQLITE_FULL)?;
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[offset..end].copy_from_slice(data);
            }
            Handle::Disk(disk) => self.write_cells(disk, offset as u64, data)?,
        }
        Ok(data.len())
    }

    fn read(&self, handle: &mut Handle, offset: usize, data: &mut [u8]) -> VfsResult<usize> {
        match handle {
            Handle::Memory(bytes) => {
                let from = bytes.get(offset..).unwrap_or_default();
                let count = from.len().min(data.len());
                data[..count].copy_from_slice(&from[..count]);
                Ok(count)
            }
            Handle::Disk(disk) => self.read_cells(disk, offset as u64, data),
        }
    }

    fn sync(&self, handle: &mut Handle) -> VfsResult<()> {
        let Handle::Disk(disk) = handle else { return Ok(()) };
        disk.file.sync_data().map_err(|_| SQLITE_IOERR_FSYNC)?;
        if disk.new {
            crate::backup::sync_parent(&disk.path).map_err(|_| SQLITE_IOERR_FSYNC)?;
            disk.new = false;
        }
        Ok(())
    }

    fn close(&self, handle: Handle) -> VfsResult<()> {
        if let Handle::Disk(mut disk) = handle {
            self.unmap(&mut disk);
            lock(&disk.locks).leave(&mut disk.held);
            // The map's, and this one's.
            let mut databases = lock(&self.databases);
            if Arc::strong_count(&disk.locks) <= 2
                && let Some(name) = disk.path.to_str()
            {
                databases.remove(name);
            }
        }
        Ok(())
    }

    fn lock(&self, handle: &mut Handle, level: LockLevel) -> VfsResult<()> {
        let Handle::Disk(disk) = handle else { return Ok(()) };
        lock(&disk.locks).lock(&mut disk.held, level).map_err(|locks::Busy| SQLITE_BUSY)
    }

    fn unlock(&self, handle: &mut Handle, level: LockLevel) -> VfsResult<()> {
        let Handle::Disk(disk) = handle else { return Ok(()) };
        lock(&disk.locks).unlock(&mut disk.held, level);
        Ok(())
    }

    fn check_reserved_lock(&self, handle: &mut Handle) -> VfsResult<bool> {
        let Handle::Disk(disk) = handle else { return Ok(false) };
        Ok(lock(&disk.locks).reserved())
    }

    fn sector_size(&self, _: &mut Handle) -> VfsResult<i32> {
        Ok(SECTOR)
    }

    fn device_characteristics(&self, _: &mut Handle) -> VfsResult<i32> {
        // As SQLite assumes of the file systems of Linux.
        Ok(SQLITE_IOCAP_POWERSAFE_OVERWRITE)
    }

    fn shm_map(&self, handle: &mut Handle, index: usize, size: usize, extend: bool) -> VfsResult<Option<NonNull<u8>>> {
        let Handle::Disk(disk) = handle else { return Err(SQLITE_IOERR_SHMMAP) };
        if size != REGION_BYTES {
            return Err(SQLITE_IOERR_SHMMAP);
        }
        let mut locks = lock(&disk.locks);
        if !disk.held.mapped {
            disk.held.mapped = true;
            locks.mapped += 1;
        }
        while locks.regions.len() <= index {
            if !extend {
                return Ok(None);
            }
            let spare = lock(&self.spare).pop();
            locks.regions.push(spare.unwrap_or_else(locks::region));
        }
        Ok(Some(NonNull::from(locks.regions[index]).cast()))
    }

    fn shm_lock(&self, handle: &mut Handle, offset: u32, count: u32, mode: ShmLockMode) -> VfsResult<()> {
        let Handle::Disk(disk) = handle else { return Err(SQLITE_IOERR) };
        lock(&disk.locks).slots(&mut disk.held, offset, count, mode).map_err(|locks::Busy| SQLITE_BUSY)
    }

    fn shm_barrier(&self, _: &mut Handle) {
        fence(Ordering::SeqCst);
    }

    fn shm_unmap(&self, handle: &mut Handle, _delete: bool) -> VfsResult<()> {
        if let Handle::Disk(disk) = handle {
            self.unmap(disk);
        }
        Ok(())
    }
}

impl SealedFiles {
    /// The last connection leaves the shared memory as it was, so that the next one reads the log anew.
    fn unmap(&self, disk: &mut Disk) {
        let mut locks = lock(&disk.locks);
        if std::mem::take(&mut disk.held.mapped) {
            locks.mapped -= 1;
            if locks.mapped == 0 {
                locks.regions.iter().for_each(|region| locks::clear(region));
                lock(&self.spare).append(&mut locks.regions);
            }
        }
    }
}

fn code(error: &io::Error, otherwise: i32) -> i32 {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SQLITE_FULL,
        _ => otherwise,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
