//! What is said rightly is understood as meant.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};
use tidings_domain::context::{ContextRef, Party};
use tidings_domain::id::{Role, UserId};
use tidings_domain::messaging::{
    Before, Command, Extent, FindThread, Founders, ListThreads, MarkRead, MarkTarget, OpenThread, OwnMessage,
    PageMessages, SendMessage,
};
use tidings_domain::page::{About, PAGE_ROWS_MAX, PageEnd, PageLimit, ThreadPage};
use tidings_domain::text::Subject;
use tidings_testkit::strategies::{
    awkward_char, bodies, client_keys, message_ids, thread_ids, timestamps, user_ids,
};
use tidings_wire::campaign::DIALECT;
use tidings_wire::{Intent, Method, RestRequest};

fn rest(method: Method, path: &str, param: &str, query: &[(&str, String)], body: &Value) -> Command {
    let route = DIALECT.routes.iter().find(|route| route.method == method && route.path == path);
    let params = [("threadId", param), ("messageId", param), ("campaignId", param)];
    let query: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        query.iter().map(|(key, value)| ((*key).into(), value.as_str().into())).collect();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = RestRequest { params: &params, query: &query, body: body.as_bytes() };
    (route.expect("a route of the dialect").decode)(&request).expect("a valid request")
}

fn event(name: &str, payload: &Value) -> Intent {
    let inbound = DIALECT.event(name).expect("an event of the dialect");
    (inbound.decode)(&[&payload.to_string()]).expect("a valid event")
}

fn subjects() -> impl Strategy<Value = Option<Subject>> {
    let text = prop::collection::vec(awkward_char(), 1..50);
    proptest::option::of(text.prop_map(|chars| chars.into_iter().collect::<String>()))
        .prop_map(|text| text.and_then(|text| Subject::parse(&text).ok()))
}

fn iso(at: tidings_domain::time::Timestamp) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at.as_millis()).expect("a time");
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_send(thread in thread_ids(), body in bodies(), client_key in proptest::option::of(client_keys()), other_name: bool, upper: bool) {
        let key = if other_name { "clientMessageId" } else { "clientMsgId" };
        let given = client_key.as_ref().map(|key| key.as_str().to_owned());
        let id = if upper { thread.to_string().to_uppercase() } else { thread.to_string() };
        let meant = Command::Send(SendMessage { thread, body: body.clone(), client_key });
        let path = "/threads/{threadId}/messages";
        let asked = rest(Method::Post, path, &id, &[], &json!({ "content": body.as_str(), key: given }));
        prop_assert_eq!(&asked, &meant);
        let payload = json!({ "threadId": id, "content": body.as_str(), key: given, "more": [1] });
        prop_assert_eq!(event("sendMessage", &payload), Intent::Execute(meant));
    }

    #[test]
    fn a_mark(thread in thread_ids(), message in message_ids()) {
        let whole = Command::MarkRead(MarkRead { target: MarkTarget::Thread(thread), own: OwnMessage::Allow });
        let one = Command::MarkRead(MarkRead { target: MarkTarget::Message(message), own: OwnMessage::Refuse });
        let (thread_id, message_id) = (thread.to_string(), message.to_string());
        prop_assert_eq!(&rest(Method::Patch, "/threads/{threadId}/read", &thread_id, &[], &Value::Null), &whole);
        let query = [("threadId", thread_id.clone())];
        prop_assert_eq!(&rest(Method::Patch, "/messages/{messageId}/read", &message_id, &query, &Value::Null), &one);
        prop_assert_eq!(event("markAsRead", &json!({ "threadId": thread_id })), Intent::Execute(whole));
        let both = json!({ "threadId": thread_id, "messageId": message_id });
        prop_assert_eq!(event("markAsRead", &both), Intent::Execute(one));
        prop_assert_eq!(event("markAsRead", &json!({})), Intent::Nothing);
    }

    #[test]
    fn what_concerns_the_session(thread in thread_ids(), typing: bool) {
        let payload = json!({ "threadId": thread.to_string(), "isTyping": typing });
        prop_assert_eq!(event("joinThread", &payload), Intent::Join(thread));
        prop_assert_eq!(event("leaveThread", &payload), Intent::Leave(thread));
        prop_assert_eq!(event("typing", &payload), Intent::Typing { thread, typing });
    }

    #[test]
    fn an_opening(campaign in user_ids(), promoter in proptest::option::of(user_ids()), advertiser in proptest::option::of(user_ids()), subject in subjects()) {
        let role = |role: &str| role.parse::<Role>().expect("a role");
        let party = |user: &UserId, of: &str| Party { user: user.clone(), role: role(of) };
        let founders = match (&promoter, &advertiser) {
            (Some(promoter), Some(advertiser)) => Founders::Given([party(promoter, "PROMOTER"), party(advertiser, "ADVERTISER")]),
            (Some(promoter), None) => Founders::Named { party: party(promoter, "PROMOTER"), other: role("ADVERTISER") },
            (None, Some(advertiser)) => Founders::Named { party: party(advertiser, "ADVERTISER"), other: role("PROMOTER") },
            (None, None) => Founders::OfContext,
        };
        let body = json!({
            "campaignId": campaign.as_str(),
            "promoterId": promoter.as_ref().map(UserId::as_str),
            "advertiserId": advertiser.as_ref().map(UserId::as_str),
            "subject": subject.as_ref().map(Subject::as_str),
        });
        let context = about(campaign.as_str());
        prop_assert_eq!(rest(Method::Post, "/threads", "", &[], &body), Command::OpenThread(OpenThread { context, founders, subject }));
    }

    #[test]
    fn a_summary(thread in thread_ids(), summary in crate::rows::summaries()) {
        use tidings_domain::messaging::AddSummary;
        use tidings_domain::summary::{Sentiment, SummaryContent, SummaryPoint};
        let texts = |points: &[SummaryPoint]| points.iter().map(|point| point.text.clone()).collect::<Vec<_>>();
        let content = &summary.content;
        let body = json!({
            "summary": content.text(),
            "keyPoints": texts(content.key_points()),
            "actionItems": texts(content.action_items()),
            "sentimentScore": content.sentiment().map(Sentiment::as_f64),
        });
        // The dialect knows no cites.
        let uncited = |points: &[SummaryPoint]| {
            texts(points).into_iter().map(|text| SummaryPoint { text, cites: Vec::new() }).collect()
        };
        let (key_points, action_items) = (uncited(content.key_points()), uncited(content.action_items()));
        let meant = SummaryContent::parse(content.text().to_owned(), key_points, action_items, content.sentiment());
        let path = "/threads/{threadId}/summaries";
        let asked = rest(Method::Post, path, &thread.to_string(), &[], &body);
        prop_assert_eq!(asked, Command::AddSummary(AddSummary { thread, content: meant.expect("a summary") }));
    }

    #[test]
    fn a_search(campaign in user_ids(), promoter in proptest::option::of(user_ids()), advertiser in proptest::option::of(user_ids())) {
        let mut query = Vec::new();
        query.extend(promoter.as_ref().map(|user| ("promoterId", user.as_str().to_owned())));
        query.extend(advertiser.as_ref().map(|user| ("advertiserId", user.as_str().to_owned())));
        let with = promoter.into_iter().chain(advertiser).collect();
        let context = about(campaign.as_str());
        let found = rest(Method::Get, "/campaigns/{campaignId}/thread", campaign.as_str(), &query, &Value::Null);
        prop_assert_eq!(found, Command::FindThread(FindThread { context: context.clone(), with }));
        let path = "/campaigns/{campaignId}/has-new-messages";
        let counted = rest(Method::Get, path, campaign.as_str(), &[], &Value::Null);
        prop_assert_eq!(counted, Command::UnreadAbout(context));
    }

    #[test]
    fn a_look(thread in thread_ids()) {
        let looked = rest(Method::Get, "/threads/{threadId}", &thread.to_string(), &[], &Value::Null);
        prop_assert_eq!(looked, Command::ViewThread(thread));
    }

    #[test]
    fn a_page(
        thread in thread_ids(),
        campaign in proptest::option::of(user_ids()),
        before in proptest::option::of(timestamps()),
        limit in proptest::option::of(1..2_000_u32),
        page in 1..100_000_u32,
    ) {
        let mut query: Vec<(&str, String)> = vec![("page", page.to_string())];
        query.extend(limit.map(|limit| ("limit", limit.to_string())));
        query.extend(before.map(|at| ("before", iso(at))));
        query.extend(campaign.as_ref().map(|campaign| ("campaignId", campaign.as_str().to_owned())));
        let rows = limit.map_or(PAGE_ROWS_MAX, |limit| limit.min(PAGE_ROWS_MAX));
        let skip = if limit.is_some() { u64::from(page - 1) * u64::from(rows) } else { 0 };
        let limit = PageLimit::clamped(rows);
        let messages = Command::PageMessages(PageMessages {
            thread,
            after: None,
            before: before.map(Before::Time),
            from: PageEnd::Newest,
            skip,
            limit,
            extent: if before.is_some() && skip == 0 { Extent::MayEndEarly } else { Extent::Whole },
        });
        let path = "/threads/{threadId}/messages";
        prop_assert_eq!(rest(Method::Get, path, &thread.to_string(), &query, &Value::Null), messages);
        let about = match &campaign {
            Some(campaign) => About::Object(about(campaign.as_str())),
            None => About::Kind("campaign".parse().expect("a kind")),
        };
        let skip = u32::try_from(skip).expect("as many as the test asks for");
        let page = ThreadPage { about: Some(about), below: None, skip, limit };
        let threads = rest(Method::Get, "/threads", "", &query, &Value::Null);
        prop_assert_eq!(threads, Command::ListThreads(ListThreads { page }));
    }
}

fn about(campaign: &str) -> ContextRef {
    tidings_testkit::campaign(campaign)
}
