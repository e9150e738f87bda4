//! Files of people: read up to a limit, and written so that they have their name only when they are whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// What the system says; `FileTooLarge` for a larger one, and for a device that never ends.
pub fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_all(File::open(path)?, most)
}

/// Reads the rest of `file`, as [`read_bounded`] does.
///
/// # Errors
/// As of [`read_bounded`].
pub fn read_all(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let (size, unit) = if most < 1 << 20 { (most >> 10, "KiB") } else { (most >> 20, "MiB") };
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {size} {unit}")));
    }
    Ok(bytes)
}

/// A file that is being written under the name `PATH.part`, for its owner only, like the store.
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
        let mut partial = path.as_os_str().to_owned();
        partial.push(".part");
        let renaming = (!special).then(|| (PathBuf::from(partial), path.to_owned()));
        let written = renaming.as_ref().map_or(path, |(partial, _)| partial);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(written)?;
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
            // Best effort: the next file of the name replaces it.
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
        for (path, most, words) in [
            (file.path(), 2047, "it is larger than 1 KiB"),
            (Path::new("/dev/zero"), 1 << 20, "it is larger than 1 MiB"),
        ] {
            let error = read_bounded(path, most).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::FileTooLarge, words));
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
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_is_written_as_it_is() {
        let mut file = WholeFile::begin(Path::new("/dev/null")).unwrap();
        file.write_all(b"gone").unwrap();
        file.finish().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(!Path::new("/dev/null.part").exists());
    }
}
