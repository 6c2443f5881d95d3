//! The kernels that this machine has, and getting more.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use super::apt::Apt;
use super::packages::{Candidate, compare_versions};
use super::{Kernel, Spec, image, unpack};
use crate::cache::{Cache, KERNELS};
use crate::missing::Lack;
use crate::note;

/// An index older than this is fetched anew.
const INDEX_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The kernel that the user means, fetched if it is not here.
///
/// # Errors
/// When Debian has none such, it cannot be fetched, or the user's image is none.
pub fn get(spec: &Spec, cache: &Cache) -> Result<Kernel> {
    match spec {
        Spec::Files { image, modules } => image::of_files(image, modules.as_deref()),
        Spec::Release(_) | Spec::Series(_) => Store {
            dir: cache.kernels(),
            cache,
        }
        .get(spec),
    }
}

/// The series that Debian has kernels of, or those that are kept here if that cannot be asked.
///
/// # Errors
/// When neither is known.
pub fn series(cache: &Cache) -> Result<Vec<String>> {
    let store = Store {
        dir: cache.kernels(),
        cache,
    };
    let mut known = store.index();
    if known.is_empty() {
        let (_, _lock) = store.cache.enter(KERNELS)?;
        known = match (store.refresh(), store.kept()) {
            (Err(err), kept) if kept.is_empty() => return Err(err),
            (Ok(found), _) | (Err(_), found) => found,
        };
    }
    let bootable = known.iter().filter(|it| it.is_of_series(&it.series()));
    let mut series: Vec<String> = bootable.map(Candidate::series).collect();
    series.dedup();
    Ok(series)
}

/// What this machine lacks to fetch a kernel that is not here; `None` is any of Debian's.
pub fn unfetchable(spec: Option<&Spec>, cache: &Cache) -> Vec<Lack> {
    let store = Store {
        dir: cache.kernels(),
        cache,
    };
    let is_here = match spec {
        Some(Spec::Files { .. }) => true,
        Some(spec) => store.newest(store.kept(), spec).is_some(),
        None => !store.kept().is_empty(),
    };
    if is_here { Vec::new() } else { Apt::lacks() }
}

struct Store<'a> {
    dir: PathBuf,
    cache: &'a Cache,
}

impl Store<'_> {
    fn get(&self, spec: &Spec) -> Result<Kernel> {
        if let Some(kernel) = self
            .newest(self.index(), spec)
            .and_then(|found| self.held(&found))
        {
            return Ok(kernel);
        }
        if let (Spec::Release(_), Some(found)) = (spec, self.newest(self.kept(), spec)) {
            return self
                .held(&found)
                .context("the cache changed meanwhile. Try again");
        }
        let (_, _lock) = self.cache.enter(KERNELS)?;
        let tried = self
            .fetch(spec, self.index())
            .or_else(|_| self.fetch(spec, self.refresh()?));
        let kept = self
            .newest(self.kept(), spec)
            .and_then(|found| self.held(&found));
        match (tried, kept) {
            (Ok(kernel), _) => Ok(kernel),
            // Off line, an older one of the same series does as well.
            (Err(err), Some(kernel)) => {
                note!(
                    "{}; using the kept {}",
                    err.to_string().lines().next().unwrap_or_default(),
                    kernel.release
                );
                Ok(kernel)
            }
            (Err(err), None) => Err(err),
        }
    }

    fn fetch(&self, spec: &Spec, index: Vec<Candidate>) -> Result<Kernel> {
        let Some(found) = self.newest(index, spec) else {
            bail!(
                "Debian has no kernel {spec} in the suites looked at. Name a series such as 6.1 or 6.12"
            );
        };
        if let Some(kernel) = self.held(&found) {
            return Ok(kernel);
        }
        note!(
            "fetching kernel {} ({}, {} MB)",
            found.release,
            found.suite,
            found.size / 1_000_000
        );
        let work = tempfile::tempdir_in(&self.dir)?;
        let packages = self.apt().download(&found.packages, work.path())?;
        unpack::unpack(&packages, work.path(), &found, &self.home(&found))?;
        self.held(&found).context(
            "the unpacked kernel is incomplete. Remove the cache's folder kernels and try again",
        )
    }

    fn newest(&self, index: Vec<Candidate>, spec: &Spec) -> Option<Candidate> {
        index.into_iter().rfind(|found| match spec {
            Spec::Series(series) => found.is_of_series(series),
            Spec::Release(release) => found.release == *release,
            Spec::Files { .. } => false,
        })
    }

    fn home(&self, found: &Candidate) -> PathBuf {
        self.dir
            .join(format!("{}_{}", found.release, found.version))
    }

    fn held(&self, found: &Candidate) -> Option<Kernel> {
        let home = self.home(found);
        home.join(unpack::META).is_file().then(|| Kernel {
            release: found.release.clone(),
            image: home.join("vmlinuz"),
            modules: Some(home.join("root/lib/modules").join(&found.release)),
        })
    }

    /// What was fetched before, oldest version first.
    fn kept(&self) -> Vec<Candidate> {
        let homes = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut kept: Vec<Candidate> = homes
            .filter_map(|home| read_json(&home.path().join(unpack::META)))
            .collect();
        kept.sort_by(|a, b| compare_versions(&a.version, &b.version));
        kept
    }

    fn apt(&self) -> Apt {
        Apt::new(self.dir.join("apt"))
    }

    /// The kernels that there were when the indexes were last fetched; nothing if that is long ago.
    fn index(&self) -> Vec<Candidate> {
        let path = self.index_path();
        let age = fs::metadata(&path)
            .and_then(|meta| meta.modified())
            .map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        if age.is_ok_and(|age| age < INDEX_MAX_AGE) {
            read_json(&path).unwrap_or_default()
        } else {
            Vec::new()
        }
    }

    fn refresh(&self) -> Result<Vec<Candidate>> {
        let found = self.apt().update()?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        serde_json::to_writer(&mut file, &found)?;
        file.persist(self.index_path())?;
        Ok(found)
    }

    fn index_path(&self) -> PathBuf {
        self.dir.join("index.json")
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
