//! The one that writes: a thread that takes whatever waits, does it in one transaction, and answers.

use super::errors::{Failure, fault};
use super::place::Place;
use super::store::Apply;
use super::{audit, change, counts, secret_uses, usage};
use crate::store::chain::{Chain, Head};
use crate::store::{Change, Committed, SecretUse, StoreError, Tally};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// So many changes are one transaction at most: enough to share a disk's sync, few enough that nobody waits long.
const GROUP: usize = 1000;

/// A change with more writes than this is a transaction of its own: the journal of its savepoint, a list that SQLite walks
/// with every statement, would cost the square of their number.
const LARGE: usize = 100;

/// What the writer is asked for.
pub(super) enum Work<E> {
    Change(Box<Change<E>>),
    Count(Vec<Tally>),
    Used(Vec<SecretUse>),
}

impl<E> Work<E> {
    fn is_large(&self) -> bool {
        match self {
            Work::Change(change) => change.writes.len() > LARGE,
            Work::Count(_) | Work::Used(_) => false,
        }
    }
}

pub(super) struct Job<E> {
    pub work: Work<E>,
    pub reply: oneshot::Sender<Result<Committed, StoreError>>,
}

/// Where the database stands: taken over only when a group was committed.
#[derive(Debug, Clone, Copy)]
struct Position {
    revision: u64,
    head: Head,
}

pub(super) struct Writer<E> {
    connection: Connection,
    place: Arc<Place>,
    chain: Chain,
    at: Position,
    /// Where the audit ended when last something was committed, for others to see.
    pub head: Arc<Mutex<Head>>,
    apply: Apply<E>,
}

/// What became of a group that was committed.
struct Group<E> {
    answers: Vec<Result<Committed, StoreError>>,
    effects: Vec<E>,
    at: Position,
}

impl<E> Writer<E> {
    pub fn new(
        connection: Connection,
        place: Arc<Place>,
        chain: Chain,
        apply: Apply<E>,
    ) -> rusqlite::Result<Writer<E>> {
        let at = Position { revision: counts::revision(&connection)?, head: audit::head(&connection)? };
        Ok(Writer { connection, place, chain, at, head: Arc::new(Mutex::new(at.head)), apply })
    }

    /// Until nobody is left who could ask.
    pub fn run(mut self, jobs: &Receiver<Job<E>>) {
        while let Ok(first) = jobs.recv() {
            let mut group = Vec::new();
            for job in std::iter::once(first).chain(jobs.try_iter().take(GROUP - 1)) {
                if job.work.is_large() {
                    self.answer(std::mem::take(&mut group));
                    self.answer(vec![job]);
                } else {
                    group.push(job);
                }
            }
            self.answer(group);
        }
        // The next start finds no log to go through. If it fails, it does.
        let _ = self.connection.pragma_query(None, "wal_checkpoint(TRUNCATE)", |_| Ok(()));
    }

    fn answer(&mut self, group: Vec<Job<E>>) {
        if group.is_empty() {
            return;
        }
        let (work, replies): (Vec<_>, Vec<_>) = group.into_iter().map(|job| (job.work, job.reply)).unzip();
        let answers = self.work_through(work, replies.len());
        for (reply, answer) in replies.into_iter().zip(answers) {
            // Who has gone away meanwhile is not told; the change stands.
            let _ = reply.send(answer);
        }
    }

    fn work_through(&mut self, work: Vec<Work<E>>, count: usize) -> Vec<Result<Committed, StoreError>> {
        match self.commit(work) {
            Err(error) => vec![Err(error); count],
            Ok(group) => {
                self.at = group.at;
                *self.head.lock().unwrap_or_else(PoisonError::into_inner) = group.at.head;
                if !group.effects.is_empty() {
                    self.hand_on(group.effects);
                }
                group.answers
            }
        }
    }

    /// A panic of others' code is theirs: what was committed stands, and the next change is done.
    fn hand_on(&mut self, effects: Vec<E>) {
        let apply = &mut self.apply;
        if catch_unwind(AssertUnwindSafe(|| apply(effects))).is_err() {
            tracing::error!("a change was stored, but could not be put in force; restart the gateway");
        }
    }

    /// The group in one transaction, or nothing of it.
    fn commit(&self, work: Vec<Work<E>>) -> Result<Group<E>, StoreError> {
        self.place.check()?;
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(fault)?;
        let done = self.perform(work).and_then(|group| {
            self.connection.execute_batch("COMMIT").map_err(fault)?;
            Ok(group)
        });
        // Some errors have ended the transaction already.
        if done.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        done
    }

    fn perform(&self, work: Vec<Work<E>>) -> Result<Group<E>, StoreError> {
        let mut group = Group { answers: Vec::with_capacity(work.len()), effects: Vec::new(), at: self.at };
        // Who is alone is undone by undoing all.
        let alone = work.len() == 1;
        for one in work {
            if !alone {
                self.run_sql("SAVEPOINT change")?;
            }
            let answer = match self.one(&one, group.at) {
                Ok((at, answer)) => {
                    group.at = at;
                    if let Work::Change(change) = one {
                        group.effects.extend(change.effects);
                    }
                    Ok(answer)
                }
                Err(Failure::Change(error)) if alone => return Err(error),
                Err(Failure::Change(error)) => {
                    self.run_sql("ROLLBACK TO change")?;
                    Err(error)
                }
                Err(Failure::Group(error)) => return Err(error),
            };
            if !alone {
                self.run_sql("RELEASE change")?;
            }
            group.answers.push(answer);
        }
        if group.at.revision != self.at.revision {
            counts::set_revision(&self.connection, group.at.revision).map_err(fault)?;
        }
        Ok(group)
    }

    fn one(&self, work: &Work<E>, at: Position) -> Result<(Position, Committed), Failure> {
        match work {
            Work::Change(change) => {
                let head = change::perform(&self.connection, &self.chain, at.head, change)?;
                let revision = at.revision + 1;
                let audit_seq = (head.seq != at.head.seq).then_some(head.seq);
                Ok((Position { revision, head }, Committed { revision, audit_seq }))
            }
            Work::Count(tallies) => {
                for tally in tallies {
                    usage::count(&self.connection, tally)?;
                }
                Ok((at, Committed { revision: at.revision, audit_seq: None }))
            }
            Work::Used(uses) => {
                for used in uses {
                    secret_uses::note(&self.connection, used)?;
                }
                Ok((at, Committed { revision: at.revision, audit_seq: None }))
            }
        }
    }

    fn run_sql(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.prepare_cached(sql).and_then(|mut s| s.execute([])).map(|_| ()).map_err(fault)
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
