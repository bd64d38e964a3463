//! Secrets that lie where every user of the machine can read them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Config, Mistake, Origin};

impl Config {
    /// Each password and private key of a server's URL that stands in a file which everybody may read, as a mistake
    /// of the setting that has the URL. The daemon works all the same: who uses the machine is not for it to know.
    pub fn exposed_secrets(&self) -> Vec<Mistake> {
        let urls = [
            ("database.url", Some(&self.database.url)),
            ("database.owner_url", self.database.owner_url.as_ref()),
            ("database.reader_url", self.database.reader_url.as_ref()),
            ("broker.url", self.broker.url().ok()),
        ];
        let mut exposed = Vec::new();
        for (key, urls) in urls.into_iter().filter_map(|(key, urls)| Some((key, urls?))) {
            let origin = self.origin(key);
            let of_url = match &origin {
                Some(Origin::File(path)) if urls.have_a_password() => Some(path.clone()),
                _ => None,
            };
            for path in of_url.into_iter().chain(urls.key_files()).filter(|path| is_open_to_all(path)) {
                let path = path.display();
                let message = format!("every user of this machine may read {path}: chmod o-r {path}");
                exposed.push(Mistake { key: key.to_owned(), origin: origin.clone(), message });
            }
        }
        exposed
    }
}

/// Whether another user can go through all the directories above `path`, and if not, which one is closed.
pub fn closed_to_others(path: &Path) -> Option<PathBuf> {
    const MAY_ENTER: u32 = 0o001;
    let is_closed = |above: &&Path| fs::metadata(above).is_ok_and(|found| found.mode() & MAY_ENTER == 0);
    path.ancestors().find(is_closed).map(Path::to_owned)
}

/// Whether every user may read the file. One that isn't there is nobody's.
fn is_open_to_all(path: &Path) -> bool {
    const MAY_READ: u32 = 0o004;
    let Ok(path) = path.canonicalize() else { return false };
    let may_read = fs::metadata(&path).is_ok_and(|found| found.mode() & MAY_READ != 0);
    may_read && path.parent().is_none_or(|above| closed_to_others(above).is_none())
}
