//! A store in which things go wrong as a script says, for tests and drills.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::{
    About, Entry, ObjectDigest, Removal, Store, StoreError, StoreErrorKind, StorePath, Upload,
};

/// What is done with a store, one at a time. [`Operation::Finish`] is the end of an [`Upload`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the functions of a store say what they do")]
pub enum Operation {
    List,
    Prefixes,
    Read,
    ReadSmall,
    Create,
    Finish,
    Put,
    PutNew,
    Publish,
    Withdraw,
    Remove,
    Abort,
    Digest,
}

/// What goes wrong with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// It fails, and nothing is done.
    Fail(StoreErrorKind),
    /// It is done, but the answer gets lost.
    Lose(StoreErrorKind),
    /// What it began, reading or writing, fails after that many bytes.
    Cut {
        /// The bytes that still pass.
        after_bytes: u64,
        /// How it fails.
        kind: StoreErrorKind,
    },
    /// The process dies before it: it and everything afterwards fails, and nobody clears anything away.
    Die,
}

/// Which operation it is that goes wrong.
#[derive(Clone, Copy, Debug)]
struct Step {
    operation: Option<Operation>,
    /// How many of these pass before.
    passing: u64,
    harm: Harm,
}

#[derive(Debug, Default)]
struct State {
    script: Vec<Step>,
    done: Vec<Operation>,
    is_dead: bool,
}

/// A store that fails by a script. Clones are the same store.
#[derive(Clone, Debug)]
pub struct Fault {
    store: Arc<dyn Store>,
    state: Arc<Mutex<State>>,
}

impl Fault {
    /// A store in which nothing goes wrong yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Fault { store, state: Arc::default() }
    }

    /// A store whose user dies after that many operations.
    #[must_use]
    pub fn after(store: Arc<dyn Store>, operations: u64) -> Self {
        Fault::new(store).any(operations, Harm::Die)
    }

    /// Harms one operation of a kind, after `passing` of that kind that go well from now on.
    #[must_use]
    pub fn with(self, operation: Operation, passing: u64, harm: Harm) -> Self {
        self.lock().script.push(Step { operation: Some(operation), passing, harm });
        self
    }

    /// Harms one operation, after `passing` of whatever kind that go well from now on.
    #[must_use]
    pub fn any(self, passing: u64, harm: Harm) -> Self {
        self.lock().script.push(Step { operation: None, passing, harm });
        self
    }

    /// What was asked of the store so far, in order, also what failed.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.lock().done.clone()
    }

    /// Whether the script has nothing left, so that all its harm was done.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.lock().script.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_dead(&self) -> bool {
        self.lock().is_dead
    }

    /// What shall go wrong with the next operation.
    fn harm(&self, operation: Operation) -> Option<Harm> {
        let mut state = self.lock();
        if state.is_dead {
            return Some(Harm::Die);
        }
        state.done.push(operation);
        let mut harm = None;
        state.script.retain_mut(|step| {
            let is_meant = step.operation.is_none_or(|meant| meant == operation);
            if !is_meant || harm.is_some() {
                return true;
            }
            match step.passing.checked_sub(1) {
                Some(passing) => {
                    step.passing = passing;
                    true
                }
                None => {
                    harm = Some(step.harm);
                    false
                }
            }
        });
        state.is_dead = harm == Some(Harm::Die);
        harm
    }

    fn error(&self, kind: StoreErrorKind, path: Option<&StorePath>) -> StoreError {
        StoreError {
            kind,
            store: self.store.address().to_owned(),
            action: "go on",
            path: path.map(|path| path.as_str().to_owned()),
            reason: format!("{kind:?}, as the script of faults says"),
        }
    }

    fn dead(&self, path: Option<&StorePath>) -> StoreError {
        StoreError { reason: "the process is dead".into(), ..self.error(StoreErrorKind::Other, path) }
    }

    fn run<T>(
        &self,
        operation: Operation,
        path: Option<&StorePath>,
        run: impl FnOnce(&dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.begin(operation, path, run).map(|(done, _)| done)
    }

    /// Runs an operation; tells what to cut of what it began.
    fn begin<T>(
        &self,
        operation: Operation,
        path: Option<&StorePath>,
        run: impl FnOnce(&dyn Store) -> Result<T, StoreError>,
    ) -> Result<(T, Option<Cut>), StoreError> {
        match self.harm(operation) {
            Some(Harm::Fail(kind)) => Err(self.error(kind, path)),
            Some(Harm::Die) => Err(self.dead(path)),
            Some(Harm::Lose(kind)) => run(&*self.store).and_then(|_| Err(self.error(kind, path))),
            Some(Harm::Cut { after_bytes, kind }) => {
                run(&*self.store).map(|begun| (begun, Some(Cut { left: after_bytes, kind })))
            }
            None => run(&*self.store).map(|begun| (begun, None)),
        }
    }
}

/// Bytes that pass, and how it fails then.
#[derive(Debug)]
struct Cut {
    left: u64,
    kind: StoreErrorKind,
}

/// What watches over the bytes of an object.
struct Gate {
    fault: Fault,
    path: StorePath,
    cut: Option<Cut>,
}

impl Gate {
    /// How many of `wanted` bytes may pass; at least one, if any are wanted.
    fn admit(&self, wanted: usize) -> io::Result<usize> {
        if self.fault.is_dead() {
            return Err(self.fault.dead(Some(&self.path)).into());
        }
        match &self.cut {
            Some(cut) if cut.left == 0 => Err(self.fault.error(cut.kind, Some(&self.path)).into()),
            Some(cut) => Ok(usize::try_from(cut.left).unwrap_or(usize::MAX).min(wanted)),
            None => Ok(wanted),
        }
    }

    fn passed(&mut self, bytes: usize) {
        if let Some(cut) = &mut self.cut {
            cut.left = cut.left.saturating_sub(bytes as u64);
        }
    }
}

struct FaultyReader {
    reader: Box<dyn Read + Send>,
    gate: Gate,
}

impl Read for FaultyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self.gate.admit(buffer.len())?;
        let got = self.reader.read(&mut buffer[..wanted])?;
        self.gate.passed(got);
        Ok(got)
    }
}

struct FaultyUpload {
    upload: Option<Box<dyn Upload>>,
    gate: Gate,
}

impl FaultyUpload {
    fn inside(&mut self) -> io::Result<&mut Box<dyn Upload>> {
        let dead = || self.gate.fault.dead(Some(&self.gate.path));
        self.upload.as_mut().ok_or_else(|| dead().into())
    }
}

impl Write for FaultyUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wanted = self.gate.admit(bytes.len())?;
        let written = self.inside()?.write(&bytes[..wanted])?;
        self.gate.passed(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inside()?.flush()
    }
}

impl Upload for FaultyUpload {
    fn token(&self) -> Option<String> {
        self.upload.as_ref().and_then(|upload| upload.token())
    }

    fn finish(mut self: Box<Self>) -> Result<u64, StoreError> {
        let (fault, path) = (self.gate.fault.clone(), self.gate.path.clone());
        // One that broke while it was written does not come to a good end.
        self.gate.admit(0).map_err(|error| StoreError::from_io(error, fault.address(), "write"))?;
        fault.run(Operation::Finish, Some(&path), |_| match self.upload.take() {
            Some(upload) => upload.finish(),
            None => Err(fault.dead(Some(&path))),
        })
    }
}

impl Drop for FaultyUpload {
    fn drop(&mut self) {
        // The dead do not clear away what they began.
        if self.gate.fault.is_dead() {
            std::mem::forget(self.upload.take());
        }
    }
}

impl Store for Fault {
    fn address(&self) -> &str {
        self.store.address()
    }

    fn list(&self) -> Result<Vec<Entry>, StoreError> {
        self.run(Operation::List, None, |store| store.list())
    }

    fn prefixes(&self) -> Result<Vec<String>, StoreError> {
        self.run(Operation::Prefixes, None, |store| store.prefixes())
    }

    fn read(&self, path: &StorePath, from: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        let (reader, cut) = self.begin(Operation::Read, Some(path), |store| store.read(path, from))?;
        let gate = Gate { fault: self.clone(), path: path.clone(), cut };
        Ok(Box::new(FaultyReader { reader, gate }))
    }

    fn read_small(&self, paths: &[StorePath], limit: u64) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.run(Operation::ReadSmall, paths.first(), |store| store.read_small(paths, limit))
    }

    fn create(&self, path: &StorePath, about: About) -> Result<Box<dyn Upload>, StoreError> {
        let (upload, cut) = self.begin(Operation::Create, Some(path), |store| store.create(path, about))?;
        let gate = Gate { fault: self.clone(), path: path.clone(), cut };
        Ok(Box::new(FaultyUpload { upload: Some(upload), gate }))
    }

    fn put(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        self.run(Operation::Put, Some(path), |store| store.put(path, content))
    }

    fn put_new(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        self.run(Operation::PutNew, Some(path), |store| store.put_new(path, content))
    }

    fn draft(&self, directory: &StorePath) -> StorePath {
        self.store.draft(directory)
    }

    fn publish(&self, directory: &StorePath, seal: &str, content: &[u8]) -> Result<(), StoreError> {
        self.run(Operation::Publish, Some(directory), |store| store.publish(directory, seal, content))
    }

    fn withdraw(&self, directory: &StorePath, seal: &str) -> Result<Removal, StoreError> {
        self.run(Operation::Withdraw, Some(directory), |store| store.withdraw(directory, seal))
    }

    fn remove(&self, paths: &[StorePath]) -> Result<Vec<Removal>, StoreError> {
        self.run(Operation::Remove, paths.first(), |store| store.remove(paths))
    }

    fn abort(&self, path: &StorePath, token: &str) -> Result<(), StoreError> {
        self.run(Operation::Abort, Some(path), |store| store.abort(path, token))
    }

    fn digest(&self, path: &StorePath) -> Result<Option<ObjectDigest>, StoreError> {
        self.run(Operation::Digest, Some(path), |store| store.digest(path))
    }
}
