//! Letting all records out, and another store's in.
//!
//! Reading a page sorts the threads anew, or whatever else it is of: a store in memory is small, and seldom copied.

use std::str::FromStr;

use async_trait::async_trait;
use tidings_domain::change::Change;
use tidings_domain::error::StoreError;
use tidings_domain::id::{JobId, UserId};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::summary::Summary;
use tidings_domain::thread::ThreadKey;
use tidings_domain::transfer::{Incoming, Place, Record, RecordKind, RecordPage, Transfer};
use tidings_domain::user::Subject;
use uuid::Uuid;

use crate::MemoryStore;
use crate::kept::Kept;
use crate::list;
use crate::state::State;

fn key<K: FromStr>(text: &str) -> Result<K, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt("the key of a record".into()))
}

/// The number of a thread, and what tells its rows apart.
fn within<K: FromStr>(after: Option<&str>) -> Result<Option<(u64, K)>, StoreError> {
    let pair = |text: &str| {
        let (number, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok((key(number)?, key(rest)?))
    };
    after.map(pair).transpose()
}

/// A page of rows that come with their keys, in no order.
fn page<K: Ord + ToString>(mut rows: Vec<(K, Record)>, kind: RecordKind) -> RecordPage {
    rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    rows.truncate(usize::try_from(kind.page_max()).unwrap_or(usize::MAX));
    let last = rows.last().map(|(key, _)| key.to_string());
    RecordPage { records: rows.into_iter().map(|(_, record)| record).collect(), last }
}

impl State {
    fn users_after(&self, after: u64) -> RecordPage {
        let subjects = |id: &UserId| {
            let mut subjects: Vec<Subject> = self
                .subjects
                .iter()
                .filter(|(_, user)| *user == id)
                .map(|(subject, _)| subject.clone())
                .collect();
            subjects.sort_unstable();
            subjects
        };
        let users = self.users.values().filter(|user| user.number > after);
        let mut users: Vec<_> = users.collect();
        users.sort_unstable_by_key(|user| user.number);
        let rows = users.into_iter().take(1_000);
        let rows = rows.map(|user| (user.number, Record::User(Box::new(user.clone()), subjects(&user.id))));
        page(rows.collect(), RecordKind::User)
    }

    fn contexts_after(&self, after: &str) -> RecordPage {
        let named = |context: &tidings_domain::context::Context| {
            (ThreadKey::Context(context.reference.clone()).to_string(), Record::Context(context.clone()))
        };
        let rows = self.contexts.values().map(named).filter(|(name, _)| name.as_str() > after);
        page(rows.collect(), RecordKind::Context)
    }

    /// The threads from a number on, in order.
    fn threads_from(&self, number: u64) -> Vec<&Kept> {
        let mut threads: Vec<&Kept> =
            self.threads.values().filter(|kept| kept.thread().number >= number).collect();
        threads.sort_unstable_by_key(|kept| kept.thread().number);
        threads
    }

    /// The rows of threads behind one of them; `rows` gives those of a thread behind a key in it.
    fn rows_after<K: Ord + ToString + Clone>(
        &self,
        kind: RecordKind,
        after: Option<(u64, K)>,
        rows: impl Fn(&Kept, Option<&K>) -> Vec<(K, Record)>,
    ) -> RecordPage {
        let max = usize::try_from(kind.page_max()).unwrap_or(usize::MAX);
        let (first, key) = after.map_or((0, None), |(number, key)| (number, Some(key)));
        let mut found = RecordPage::default();
        for kept in self.threads_from(first) {
            let number = kept.thread().number;
            let key = key.as_ref().filter(|_| number == first);
            let mut rows = rows(kept, key);
            rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            for (key, record) in rows.into_iter().take(max.saturating_sub(found.records.len())) {
                found.last = Some(format!("{number} {}", key.to_string()));
                found.records.push(record);
            }
            if found.records.len() >= max {
                break;
            }
        }
        found
    }

    fn records(&self, kind: RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let above = |key: &Option<&u64>, value: u64| key.is_none_or(|key| value > *key);
        Ok(match kind {
            RecordKind::User => self.users_after(after.map(key).transpose()?.unwrap_or(0)),
            RecordKind::Context => self.contexts_after(after.unwrap_or("")),
            RecordKind::Thread => {
                let after: u64 = after.map(key).transpose()?.unwrap_or(0);
                let threads = self.threads_from(after.saturating_add(1)).into_iter().map(|kept| {
                    let record = Record::Thread(Box::new(kept.thread().clone()), kept.key().cloned());
                    (kept.thread().number, record)
                });
                page(threads.collect(), kind)
            }
            RecordKind::Member => self.rows_after(kind, within::<UserId>(after)?, |kept, after| {
                let members =
                    kept.joined().filter(|(member, _)| after.is_none_or(|after| member.user > *after));
                let row = |(member, joined): (&tidings_domain::member::Member, Modseq)| {
                    (member.user.clone(), Record::Member(member.clone(), joined))
                };
                members.map(row).collect()
            }),
            RecordKind::Message => self.rows_after(kind, within::<u64>(after)?, |kept, after| {
                let max = usize::try_from(kind.page_max()).unwrap_or(usize::MAX);
                let messages = kept.appended(after.copied().map(Seq::new).unwrap_or_default()).take(max);
                let row = |(message, appended): (&tidings_domain::message::Message, Modseq)| {
                    (message.seq.get(), Record::Message(Box::new(message.clone()), appended))
                };
                messages.map(row).collect()
            }),
            RecordKind::Summary => self.rows_after(kind, within::<u64>(after)?, |kept, after| {
                let row = |summary: &Summary| (summary.modseq.get(), Record::Summary(summary.clone()));
                kept.all_summaries().iter().map(row).filter(|(modseq, _)| above(&after, *modseq)).collect()
            }),
            RecordKind::Job => {
                let after: Option<JobId> = after.map(key).transpose()?;
                let jobs = self.jobs.all().filter(|(job, _)| after.is_none_or(|after| job.job.id > after));
                page(jobs.map(|(job, at)| (job.job.id, Record::Job(job, at))).collect(), kind)
            }
        })
    }

    /// Keeps a record as it is.
    fn restore(&mut self, record: Record) -> Result<(), StoreError> {
        let missing = || StoreError::Internal("a record of a thread that is not there".into());
        match record {
            Record::User(user, subjects) => {
                self.users_made = self.users_made.max(user.number);
                self.subjects.extend(subjects.into_iter().map(|subject| (subject, user.id.clone())));
                self.users.insert(user.id.clone(), *user);
            }
            Record::Context(context) => {
                self.contexts.insert(context.reference.clone(), context);
            }
            Record::Thread(thread, key) => {
                self.threads_made = self.threads_made.max(thread.number);
                if let Some(key) = &key {
                    self.by_key.insert(key.clone(), thread.id);
                }
                let mut kept = Kept::new((*thread).clone(), key);
                kept.restore_fields();
                self.threads.insert(thread.id, kept);
            }
            Record::Member(member, joined) => {
                let kept = self.threads.get_mut(&member.thread).ok_or_else(missing)?;
                if list::is_listed(&member) {
                    self.lists.entry(member.user.clone()).or_default().insert(kept.thread());
                }
                kept.restore_member(member, joined);
            }
            Record::Message(message, appended) => {
                self.messages_made = self.messages_made.max(message.number);
                self.messages.insert(message.id, (message.thread, message.seq));
                let kept = self.threads.get_mut(&message.thread).ok_or_else(missing)?;
                if !kept.restore_message(*message, appended) {
                    return Err(StoreError::Internal("messages that do not come by seq".into()));
                }
            }
            Record::Summary(summary) => {
                self.summaries.insert(summary.id);
                let kept = self.threads.get_mut(&summary.thread).ok_or_else(missing)?;
                kept.write(&Change::AddSummary(summary));
            }
            Record::Job(job, claimable_at) => self.jobs.restore(job, claimable_at),
        }
        Ok(())
    }
}

#[async_trait]
impl Transfer for MemoryStore {
    async fn history(&self) -> Result<Uuid, StoreError> {
        Ok(self.0.history)
    }

    async fn records(&self, kind: RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        self.0.state.lock().records(kind, after)
    }

    async fn incoming(&self) -> Result<Incoming, StoreError> {
        let state = self.0.state.lock();
        if let Some((from, place)) = &state.incoming {
            return Ok(Incoming::Underway { from: *from, place: place.clone() });
        }
        let is_empty = state.users.is_empty()
            && state.contexts.is_empty()
            && state.threads.is_empty()
            && state.jobs.all().next().is_none();
        Ok(if is_empty { Incoming::Empty } else { Incoming::Used })
    }

    async fn begin(&self, from: Uuid) -> Result<(), StoreError> {
        if self.incoming().await? != Incoming::Empty {
            return Err(StoreError::Internal("a copy into a store that is not empty".into()));
        }
        self.0.state.lock().incoming = Some((from, Place::START));
        Ok(())
    }

    async fn put(&self, records: Vec<Record>, at: &Place, next: &Place) -> Result<(), StoreError> {
        let mut state = self.0.state.lock();
        match &mut state.incoming {
            Some((_, place)) if place == at => place.clone_from(next),
            Some(_) | None => return Err(StoreError::Internal("the copy is not at this place".into())),
        }
        records.into_iter().try_for_each(|record| state.restore(record))
    }

    async fn end(&self) -> Result<(), StoreError> {
        self.0.state.lock().incoming = None;
        Ok(())
    }
}
