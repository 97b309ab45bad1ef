//! A server with settings of its own, and requests whose every header a test chooses.

#![expect(clippy::indexing_slicing, reason = "what a JSON value does not have is null")]

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidings_tests::{Data, Rest, Server, Store, User, Users, raw, tidings};

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) users: Users,
    _data: Data,
}

/// An answer, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (headers, body) = text.split_once("\r\n\r\n").with_context(|| format!("no answer: {text:?}"))?;
        let status = headers.split(' ').nth(1).context("no status")?.parse()?;
        Ok(Self { status, headers: headers.to_owned(), body: body.to_owned() })
    }

    /// The header's value; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

impl World {
    /// A server in memory with these variables set.
    pub(crate) fn with(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let data = Data::new(Store::Memory)?;
        let users = Users::mint()?;
        let mut command = Command::new(tidings()?);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--database-url", "memory:", "--data-dir"])
            .arg(data.path())
            .env("JWT_SECRET", tidings_tests::SECRET)
            .envs(settings.iter().copied())
            .current_dir(data.path());
        Ok(Self { server: Server::run(command)?, users, _data: data })
    }

    pub(crate) fn asks(&self, head: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<Answer> {
        let mut request = format!("{head} HTTP/1.1\r\nconnection: close\r\n");
        if headers.iter().all(|(name, _)| *name != "host") {
            request.extend(["host: ", &self.server.address().to_string(), "\r\n"]);
        }
        for (name, value) in headers {
            request.extend([*name, ": ", *value, "\r\n"]);
        }
        request.extend(["content-length: ", &body.len().to_string(), "\r\n\r\n", body]);
        Answer::parse(&raw(self.server.address(), request.as_bytes())?)
    }

    pub(crate) fn asks_as(
        &self,
        user: &User,
        head: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> anyhow::Result<Answer> {
        let bearer = format!("Bearer {}", user.token);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        self.asks(head, &all, body)
    }

    /// A thread of Alice and Bob.
    pub(crate) fn thread(&self) -> anyhow::Result<String> {
        let (alice, bob) = (&self.users.alice, &self.users.bob);
        let asked = json!({ "campaignId": "spring", "promoterId": bob.id, "advertiserId": alice.id });
        let opened = Rest::of(self.server.address(), alice).post("/messaging/threads", &asked)?;
        ensure!(opened.status == 201, "{opened:?}");
        Ok(opened.json()?["id"].as_str().context("a thread without an id")?.to_owned())
    }

    pub(crate) fn sends(&self, user: &User, thread: &str, text: &str) -> anyhow::Result<Answer> {
        let body: Value = json!({ "content": text });
        self.asks_as(user, &format!("POST /messaging/threads/{thread}/messages"), &[], &body.to_string())
    }
}
