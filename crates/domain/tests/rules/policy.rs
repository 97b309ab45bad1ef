//! The policies that come with the domain, and that a decision asks them.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::{prop, prop_assert_eq, proptest};
use tidings_domain::context::ContextRef;
use tidings_domain::decision::Decision;
use tidings_domain::error::{Classify, ErrorKind};
use tidings_domain::messaging::{Send, SendError};
use tidings_domain::policy::SenderRoles;
use tidings_domain::ports::Policy;

use crate::world::{Rows, actor, role, sending};

proptest! {
    #[test]
    fn a_listed_kind_is_open_to_its_roles_alone(
        listed in prop::collection::btree_map("[a-c]", prop::collection::vec(0..4_u8, 0..3), 0..3),
        kind in prop::option::of("[a-d]"),
        with in prop::option::of(0..4_u8),
    ) {
        let listed: BTreeMap<String, Vec<u8>> = listed;
        let policy = listed.iter().fold(SenderRoles::default(), |policy, (kind, roles)| {
            policy.allow(kind.parse().unwrap(), roles.iter().copied().map(role).collect())
        });
        let mut rows = Rows::opened(1);
        rows.thread.context =
            kind.as_ref().map(|kind| ContextRef::new(kind.parse().unwrap(), "1".parse().unwrap()));
        let mut writer = actor(0);
        writer.role = with.map(role);
        let allowed = match (kind.and_then(|kind| listed.get(&kind)), with) {
            (Some(roles), Some(with)) => roles.contains(&with),
            (None, _) | (_, None) => true,
        };
        prop_assert_eq!(policy.may_send(&writer, &rows.thread).is_ok(), allowed);

        let send = Send { policy: Arc::new(policy), actor: writer, ..sending(0, 0, 0, None, 0) };
        let verdict = send.decide(&rows.snapshot(&[send.scope()]));
        prop_assert_eq!(matches!(verdict, Err(SendError::Denied(_))), !allowed);
        prop_assert_eq!(verdict.is_ok(), allowed);
    }
}

#[test]
fn a_denial_is_a_true_forbidden() {
    let kind: tidings_domain::id::ContextKind = "campaign".parse().unwrap();
    let mut rows = Rows::opened(1);
    rows.thread.context = Some(ContextRef::new(kind.clone(), "1".parse().unwrap()));
    let mut writer = actor(0);
    writer.role = Some(role(9));
    let denied =
        SenderRoles::default().allow(kind, vec![role(1)]).may_send(&writer, &rows.thread).unwrap_err();
    let error = SendError::from(denied);
    assert_eq!((error.kind(), error.code()), (ErrorKind::Forbidden, "denied-by-policy"));
    assert!(!error.retryable());
}
