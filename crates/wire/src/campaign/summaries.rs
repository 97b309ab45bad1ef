//! Summaries, which only the oldest generation of the original had (contract sections 2 and 3).

use serde::{Deserialize, Serialize};
use tidings_domain::messaging::{AddSummary, Command, ListSummaries, Outcome};
use tidings_domain::page::PageLimit;
use tidings_domain::summary::{Sentiment, Summary, SummaryContent, SummaryPoint};
use tidings_domain::user::Actor;

use super::errors;
use super::fields::{FIELDS, SENTIMENT_SCORE};
use super::routes::{Done, mismatch, thread_id};
use crate::iso;
use crate::payload::Refusal;
use crate::rest::{Reply, RestRequest};

/// How many of a thread's summaries are listed, the newest first.
const SUMMARIES_MAX: u32 = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddJson {
    summary: String,
    #[serde(default)]
    key_points: Vec<String>,
    #[serde(default)]
    action_items: Vec<String>,
    sentiment_score: Option<f64>,
}

/// A summary. The score is a number, as its clients expect, and absent when there is none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SummaryJson<'a> {
    id: String,
    thread_id: String,
    summary: &'a str,
    key_points: Vec<&'a str>,
    action_items: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sentiment_score: Option<f64>,
    created_at: String,
    updated_at: String,
}

impl<'a> From<&'a Summary> for SummaryJson<'a> {
    fn from(summary: &'a Summary) -> Self {
        let texts = |points: &'a [SummaryPoint]| points.iter().map(|point| point.text.as_str()).collect();
        let at = iso::format(summary.created_at);
        Self {
            id: summary.id.to_string(),
            thread_id: summary.thread.to_string(),
            summary: summary.content.text(),
            key_points: texts(summary.content.key_points()),
            action_items: texts(summary.content.action_items()),
            sentiment_score: summary.content.sentiment().map(Sentiment::as_f64),
            created_at: at.clone(),
            updated_at: at,
        }
    }
}

pub(super) fn add(request: &RestRequest<'_>) -> Result<Command, Refusal> {
    let thread = thread_id(request.param("threadId"))?;
    let asked: AddJson = request.json(FIELDS)?;
    let sentiment =
        asked.sentiment_score.map(Sentiment::parse).transpose().map_err(|_| SENTIMENT_SCORE.refuse())?;
    let points = |texts: Vec<String>| {
        texts.into_iter().map(|text| SummaryPoint { text, cites: Vec::new() }).collect::<Vec<_>>()
    };
    let content =
        SummaryContent::parse(asked.summary, points(asked.key_points), points(asked.action_items), sentiment)
            .map_err(|error| Refusal::invalid(error.to_string()))?;
    Ok(Command::AddSummary(AddSummary { thread, content }))
}

pub(super) fn added(actor: &Actor, result: Done<'_>) -> Reply {
    match result {
        Ok(Outcome::SummaryAdded(summary)) => Reply::json(201, &SummaryJson::from(summary)),
        Ok(_) => mismatch(),
        Err(failed) => errors::command(actor, failed),
    }
}

pub(super) fn list(request: &RestRequest<'_>) -> Result<Command, Refusal> {
    let thread = thread_id(request.param("threadId"))?;
    Ok(Command::ListSummaries(ListSummaries { thread, limit: PageLimit::clamped(SUMMARIES_MAX) }))
}

pub(super) fn listed(actor: &Actor, result: Done<'_>) -> Reply {
    match result {
        Ok(Outcome::Summaries(summaries)) => {
            Reply::json(200, &summaries.iter().map(SummaryJson::from).collect::<Vec<_>>())
        }
        Ok(_) => mismatch(),
        Err(failed) => errors::command(actor, failed),
    }
}
