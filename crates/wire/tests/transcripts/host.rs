//! What the host asks for, and what is answered: problem documents when it fails.

use tidings_wire::host::{self, HostRequest};
use tidings_wire::{AuthFailure, Problem, Reply, RestRequest};

use crate::coverage::Coverage;
use crate::script::{HostAsked, HostLine, ProblemMet};
use crate::world::{World, matched, told};

impl World {
    /// A request of the host itself.
    pub(crate) async fn host(&mut self, line: HostLine, coverage: &mut Coverage) -> Result<(), String> {
        let HostAsked { method, path, body, raw, key } = line.host;
        let body = raw.unwrap_or_else(|| body.map(|body| body.get().to_owned()).unwrap_or_default());
        let patterns = host::ROUTES.iter().filter(|route| route.method.as_str() == method);
        let below = path.strip_prefix(host::PREFIX).unwrap_or_default();
        let found = patterns.clone().find_map(|route| Some((route, matched(route.path, below)?)));
        let reply = if let Some((route, params)) = found {
            let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, &**value)).collect();
            let request = RestRequest { params: &params, query: &[], body: body.as_bytes() };
            let asked = HostRequest { request, idempotency_key: key.as_deref() };
            let reply = match (route.decode)(&asked) {
                Err(refusal) => host::problem(&Problem::Refused(&refusal)),
                Ok(command) => {
                    let result = self.messaging.execute_host(command).await;
                    (route.encode)(result.as_ref(), &[&tidings_wire::campaign::DIALECT])
                }
            };
            coverage.route(route.method.as_str(), route.path, reply.status);
            reply
        } else {
            host::problem(&Problem::NoRoute { method: &method, path: &path })
        };
        self.tell(coverage).await;
        self.host_reply(&reply, coverage)
    }

    /// What the transport meets with a request of the host before there is a command.
    pub(crate) fn host_problem(&mut self, met: &ProblemMet, coverage: &mut Coverage) -> Result<(), String> {
        let reply = host::problem(&problem_of(met));
        self.host_reply(&reply, coverage)
    }

    /// An error is a problem document that says its own status and a code.
    fn host_reply(&mut self, reply: &Reply, coverage: &mut Coverage) -> Result<(), String> {
        if reply.status >= 400 {
            let body: serde_json::Value =
                serde_json::from_str(reply.body.as_deref().unwrap_or_default()).map_err(told)?;
            let field = |name| body.get(name).cloned().unwrap_or_default();
            let code = field("code");
            let code = code.as_str().ok_or("a problem has a code")?;
            coverage.code(code);
            if field("status") != reply.status || field("type") != format!("/problems/{code}") {
                return Err(format!("{body} is no problem document of a {}", reply.status));
            }
        }
        let content_type = match (reply.status, &reply.body) {
            (_, None) => "",
            (..400, Some(_)) => "application/json; charset=utf-8",
            (400.., Some(_)) => "application/problem+json",
        };
        if reply.content_type != content_type {
            return Err(format!("the reply {reply:?} should be {content_type:?}"));
        }
        self.reply(reply);
        Ok(())
    }
}

/// What the transport met, as the wire's word for it.
pub(crate) fn problem_of(met: &ProblemMet) -> Problem<'_> {
    match met {
        ProblemMet::NoToken => Problem::Unauthenticated(AuthFailure::Missing),
        ProblemMet::EmptyToken => Problem::Unauthenticated(AuthFailure::Empty),
        // A verifier's reasons are constants.
        ProblemMet::BadToken { why } => {
            Problem::Unauthenticated(AuthFailure::Invalid(Box::leak(why.clone().into_boxed_str())))
        }
        ProblemMet::NoRoute { method, path } => Problem::NoRoute { method, path },
        ProblemMet::TooLarge { bytes } => Problem::TooLarge { bytes_max: *bytes },
        ProblemMet::Unsupported { why } => Problem::Unsupported(why),
        ProblemMet::TooMany { seconds } => Problem::TooMany { retry_after_s: *seconds },
        ProblemMet::Unavailable => Problem::Unavailable,
        ProblemMet::Internal => Problem::Internal,
    }
}
