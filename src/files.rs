//! Files that operators give or get: read up to a limit, and written so that a file has its name only when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Reads a plain file of at most `most` bytes.
///
/// # Errors
/// What the system says; `InvalidInput` where it is no plain file, `FileTooLarge` for a larger one.
pub fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Asked first, as opening a pipe would wait for its other end; a device may never end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    read_all(File::open(path)?, most)
}

/// Reads the rest of `file`, which may be a pipe, up to `most` bytes.
///
/// # Errors
/// What the system says; `FileTooLarge` where there is more.
pub fn read_all(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let (size, unit) = if most < 1 << 20 { (most >> 10, "KiB") } else { (most >> 20, "MiB") };
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {size} {unit}")));
    }
    Ok(bytes)
}

/// The warning about a file that users other than its owner, this program's group and root may change or replace, or may
/// read although its content `is_secret`.
#[must_use]
pub fn rights_remark(path: &Path, is_secret: bool) -> Option<String> {
    let words = path.display();
    let others = Others::of(path)?;
    let metadata = fs::metadata(path).ok()?;
    if others.may_write(&metadata) {
        return Some(format!("other users of this machine may change {words}: chmod go-w {words}"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // In a sticky folder, as /tmp is, only its owner may replace a file.
    let is_replaceable = |folder: &fs::Metadata| others.may_write(folder) && folder.mode() & 0o1000 == 0;
    if fs::metadata(folder).is_ok_and(|folder| is_replaceable(&folder)) {
        return Some(format!(
            "other users of this machine may replace {words}, as they may write in its folder: chmod go-w {}",
            folder.display()
        ));
    }
    // Docker gives secrets to all users of their container, which are this program.
    let may_be_read = is_secret && others.reach && metadata.mode() & 0o004 != 0 && !path.starts_with("/run/secrets");
    may_be_read.then(|| format!("other users of this machine may read {words}: chmod o-r {words}"))
}

/// Which users the folders above a file let through to it.
struct Others {
    /// Every user of the machine.
    reach: bool,
    /// At least the members of groups.
    groups_reach: bool,
}

impl Others {
    fn of(path: &Path) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        let open =
            |bits| path.ancestors().skip(1).all(|folder| fs::metadata(folder).is_ok_and(|it| it.mode() & bits != 0));
        Some(Self { reach: open(0o001), groups_reach: open(0o011) })
    }

    /// Users other than the owner and the members of this program's group.
    fn may_write(&self, metadata: &fs::Metadata) -> bool {
        let is_foreign = metadata.gid() != rustix::process::getegid().as_raw();
        let by_group = self.groups_reach && is_foreign && metadata.mode() & 0o020 != 0;
        by_group || self.reach && metadata.mode() & 0o002 != 0
    }
}

/// A file that is being written under a name of its own beside `PATH`, for its owner only, like the store.
///
/// An older file of its name stays as it is until [`WholeFile::finish`], which replaces it. What is not finished is
/// deleted. Where `PATH` is no plain file but a pipe or a device, it is written as it is.
#[derive(Debug)]
pub struct WholeFile {
    file: BufWriter<File>,
    /// The name of now and the one to be.
    renaming: Option<(PathBuf, PathBuf)>,
}

impl WholeFile {
    /// Begins a file for `path`.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        let (file, renaming) = if special {
            (options.open(path)?, None)
        } else {
            // A name of its own: neither what lies there already nor another export is written over.
            let mut partial = path.as_os_str().to_owned();
            partial.push(format!(".part-{:08x}", fastrand::u32(..)));
            let partial = PathBuf::from(partial);
            (options.create_new(true).open(&partial)?, Some((partial, path.to_owned())))
        };
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), renaming })
    }

    /// Gives the file its name, when all of it is on the disk.
    ///
    /// # Errors
    /// What the system says; then there is no such file, or an older one.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        if let Some((partial, whole)) = &self.renaming {
            self.file.get_ref().sync_all()?;
            fs::rename(partial, whole)?;
            self.renaming = None;
        }
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some((partial, _)) = &self.renaming {
            // Best effort: a partial file that stays has a name that nothing reads.
            let _ = fs::remove_file(partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_is_wanted() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[b'x'; 2048]).unwrap();
        assert_eq!(read_bounded(file.path(), 2048).unwrap().len(), 2048);
        let zeros = || File::open("/dev/zero").unwrap();
        for (read, words) in [
            (read_bounded(file.path(), 2047), "it is larger than 1 KiB"),
            (read_all(zeros(), 1 << 20), "it is larger than 1 MiB"),
            (read_bounded(Path::new("/dev/zero"), 1), "it is not a file"),
        ] {
            assert_eq!(read.unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn an_older_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.om");
        fs::write(&path, "old").unwrap();
        let mut file = WholeFile::begin(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let mut file = WholeFile::begin(&path).unwrap();
        file.write_all(b"whole").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600, "for its owner only");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_is_written_as_it_is() {
        let mut file = WholeFile::begin(Path::new("/dev/null")).unwrap();
        file.write_all(b"gone").unwrap();
        file.finish().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
