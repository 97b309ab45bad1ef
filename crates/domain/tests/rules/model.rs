//! What a thread does, told without snapshots, changes or arithmetic: a list of posts, and of each person the set of
//! posts they have not read.

use std::collections::{BTreeMap, BTreeSet};

use tidings_domain::member::Standing;

use crate::world::OPENED_AT;

#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) author: u8,
    pub(crate) key: Option<u8>,
    /// What was drafted; an edit does not touch it.
    pub(crate) draft: u8,
    pub(crate) at: i64,
    pub(crate) deleted: bool,
    /// The number of the step that made it, by which later steps name it.
    pub(crate) step: usize,
}

#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) standing: Standing,
    /// The first posts that are not theirs to see.
    pub(crate) hidden: usize,
    pub(crate) read: usize,
    /// How firmly: 0 by writing, 1 by a message, 2 by the thread.
    pub(crate) firmness: u8,
    pub(crate) unread: BTreeSet<usize>,
}

/// Places of posts count from 1.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) posts: Vec<Post>,
    pub(crate) people: BTreeMap<u8, Person>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SendVerdict {
    NotAMember,
    KeyReused,
    Repeats(usize),
    Posted(usize),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MarkVerdict {
    NotAMember,
    UnknownMessage,
    OwnMessage,
    Stays,
    Moves,
}

impl Model {
    pub(crate) fn opened(founders: u8) -> Self {
        let mut model = Self::default();
        for who in 0..founders {
            model.stand(who, Standing::Active, false);
        }
        model
    }

    pub(crate) fn takes_part(&self, who: u8) -> bool {
        self.people.get(&who).is_some_and(|p| matches!(p.standing, Standing::Active | Standing::Hidden))
    }

    pub(crate) fn send(&mut self, who: u8, step: usize, draft: u8, key: Option<u8>, now: i64) -> SendVerdict {
        if !self.takes_part(who) {
            return SendVerdict::NotAMember;
        }
        let first = self.posts.iter().position(|post| key.is_some() && (post.author, post.key) == (who, key));
        if let Some(first) = first {
            let same = self.posts[first].draft == draft;
            return if same { SendVerdict::Repeats(first + 1) } else { SendVerdict::KeyReused };
        }
        let at = self.posts.last().map_or(OPENED_AT, |post| post.at + 1).max(now);
        self.posts.push(Post { author: who, key, draft, at, deleted: false, step });
        let place = self.posts.len();
        for person in self.people.values_mut() {
            person.unread.insert(place);
        }
        let sender = self.people.get_mut(&who).unwrap();
        sender.unread.clear();
        sender.read = place;
        sender.firmness = 0;
        SendVerdict::Posted(place)
    }

    /// `place` is `None` for the whole thread, 0 for a message that is not there.
    pub(crate) fn mark(&mut self, who: u8, place: Option<usize>, refuse_own: bool) -> MarkVerdict {
        if !self.takes_part(who) {
            return MarkVerdict::NotAMember;
        }
        let person = self.people.get_mut(&who).unwrap();
        let (up_to, firmness) = match place {
            None => (self.posts.len(), 2),
            Some(place) if place <= person.hidden => return MarkVerdict::UnknownMessage,
            Some(place) if refuse_own && self.posts[place - 1].author == who => {
                return MarkVerdict::OwnMessage;
            }
            Some(place) => (place, 1),
        };
        if up_to == 0 || (up_to, firmness) <= (person.read, person.firmness) {
            return MarkVerdict::Stays;
        }
        (person.read, person.firmness) = (up_to, firmness);
        person.unread.retain(|place| *place > up_to);
        MarkVerdict::Moves
    }

    /// Puts somebody in or out; `afresh` makes them see nothing of what was before.
    pub(crate) fn stand(&mut self, who: u8, standing: Standing, afresh: bool) {
        let posts = &self.posts;
        let person = self.people.entry(who).or_insert_with(|| {
            let live = posts.iter().zip(1..).filter(|(post, _)| !post.deleted).map(|(_, place)| place);
            Person { standing, hidden: 0, read: 0, firmness: 0, unread: live.collect() }
        });
        person.standing = standing;
        if afresh {
            person.hidden = posts.len();
            person.unread.clear();
        }
    }

    pub(crate) fn delete(&mut self, place: usize) {
        self.posts[place - 1].deleted = true;
        for person in self.people.values_mut() {
            person.unread.remove(&place);
        }
    }
}
