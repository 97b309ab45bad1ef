//! The server of a transcript: the use cases over the memory store, a clock that stands, ids that repeat.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use tidings_domain::context::{Context, ContextRef, Party};
use tidings_domain::decision::transact;
use tidings_domain::id::{ThreadId, UserId};
use tidings_domain::member::Standing;
use tidings_domain::message::Origin;
use tidings_domain::messaging::{Deps, Messaging, Settings};
use tidings_domain::policy::SenderRoles;
use tidings_domain::ports::{Clock, Directory, IdSource, ThreadRepository};
use tidings_domain::text::Subject;
use tidings_domain::thread::NewThread;
use tidings_domain::user::{Actor, User};
use tidings_storage_memory::MemoryStore;
use tidings_testkit::{ManualClock, RecordingNotifier, SeededIds, T0, keeping_member, replacing};
use tidings_wire::{AuthFailure, Dialect, Problem, Reply, RestRequest, Route};

use crate::coverage::Coverage;
use crate::host::problem_of;
use crate::live::Live;
use crate::names::Names;
use crate::script::{
    CampaignLine, ConnectLine, DeleteLine, EmitLine, ProblemMet, Request, RequestLine, StandingLine,
    ThreadMade, UserLine,
};
use crate::store::{Faulty, SendsLeft};

/// Everything that a transcript is played on.
pub(crate) struct World {
    dialect: &'static Dialect,
    pub(crate) messaging: Messaging,
    memory: MemoryStore,
    threads: Arc<Faulty>,
    commits: Arc<RecordingNotifier>,
    clock: Arc<ManualClock>,
    ids: Arc<SeededIds>,
    users: BTreeMap<String, User>,
    names: Names,
    deps: Deps,
    directory: Arc<Faulty>,
    sends: Arc<SendsLeft>,
    live: Live,
    /// What came of the step, but for what the sessions heard.
    before: Vec<String>,
    after: Vec<String>,
}

fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}

pub(crate) fn told(error: impl Display) -> String {
    error.to_string()
}

fn parties(parties: &[(String, String)]) -> Result<Vec<Party>, String> {
    parties.iter().map(|(user, role)| Ok(Party { user: parse(user)?, role: parse(role)? })).collect()
}

impl World {
    pub(crate) fn new(dialect: &'static Dialect) -> Self {
        let commits = Arc::new(RecordingNotifier::default());
        let memory = MemoryStore::new(Arc::<RecordingNotifier>::clone(&commits));
        let threads = Arc::new(Faulty::new(memory.clone()));
        let directory = Arc::new(Faulty::new(memory.clone()));
        let sends = Arc::new(SendsLeft::default());
        let clock = Arc::new(ManualClock::at(T0));
        let ids = Arc::new(SeededIds::new(1));
        // As the binary has it.
        let roles = ["ADVERTISER", "PROMOTER"].map(|role| role.parse().expect("a role"));
        let policy = SenderRoles::default().allow("campaign".parse().expect("a kind"), roles.to_vec());
        let deps = Deps {
            threads: Arc::<Faulty>::clone(&threads),
            messages: Arc::new(memory.clone()),
            summaries: Arc::new(memory.clone()),
            jobs: Arc::new(memory.clone()),
            feed: Arc::new(memory.clone()),
            directory: Arc::<Faulty>::clone(&directory),
            policy: Arc::new(policy),
            limiter: Arc::<SendsLeft>::clone(&sends),
            clock: Arc::<ManualClock>::clone(&clock),
            ids: Arc::<SeededIds>::clone(&ids),
            settings: Settings::default(),
        };
        Self {
            dialect,
            messaging: Messaging::new(deps.clone()),
            deps,
            directory,
            sends,
            live: Live::new(dialect, memory.clone()),
            memory,
            threads,
            commits,
            clock,
            ids,
            users: BTreeMap::new(),
            names: Names::default(),
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// What came of the last step, as lines of the transcript.
    pub(crate) fn take_outcomes(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.before);
        lines.extend(self.live.take_heard());
        lines.append(&mut self.after);
        lines.into_iter().map(|line| self.names.to_script(&line)).collect()
    }

    /// Lets everybody hear what was committed since the last time.
    pub(crate) async fn tell(&mut self, coverage: &mut Coverage) {
        for commit in self.commits.take() {
            self.live.commit(&commit, &self.messaging, &mut self.names, coverage).await;
        }
    }

    pub(crate) async fn set_time(&mut self, time: &str, coverage: &mut Coverage) -> Result<(), String> {
        let at = chrono::DateTime::parse_from_rfc3339(time).map_err(told)?.timestamp_millis();
        self.wait(at - self.clock.now().as_millis(), coverage).await
    }

    pub(crate) async fn wait(&mut self, millis: i64, coverage: &mut Coverage) -> Result<(), String> {
        let now = self.clock.advance(millis);
        self.live.expire(now, coverage).await;
        Ok(())
    }

    pub(crate) fn user(&mut self, line: UserLine) -> Result<(), String> {
        let mut user = User::unknown(parse(&line.user)?);
        user.name = line.name.unwrap_or(user.name);
        user.role = line.role.as_deref().map(parse).transpose()?;
        user.avatar_url = line.picture;
        self.users.insert(line.user, user);
        Ok(())
    }

    pub(crate) async fn campaign(&mut self, line: CampaignLine) -> Result<(), String> {
        let context = Context {
            reference: tidings_testkit::campaign(&line.campaign),
            title: line.title,
            is_public: line.public,
            state: None,
            data: None,
            parties: parties(&line.parties)?,
        };
        self.memory.put_context(context).await.map_err(told)
    }

    pub(crate) async fn thread(&mut self, made: ThreadMade, coverage: &mut Coverage) -> Result<(), String> {
        let now = self.clock.now();
        let about = made.about.map(|(kind, id)| Ok::<_, String>(ContextRef::new(parse(&kind)?, parse(&id)?)));
        let new = NewThread {
            id: ThreadId::from_uuid(self.ids.uuid_v7(now)),
            key: None,
            context: about.transpose()?,
            subject: made.subject.as_deref().map(Subject::parse).transpose().map_err(told)?,
            founders: parties(&made.members)?,
            created_at: now,
        };
        self.memory.create(new).await.map_err(told)?;
        self.tell(coverage).await;
        Ok(())
    }

    pub(crate) async fn standing(
        &mut self,
        line: StandingLine,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let standing = match line.standing.as_str() {
            "active" => Standing::Active,
            "hidden" => Standing::Hidden,
            "left" => Standing::Left,
            "removed" => Standing::Removed,
            other => return Err(format!("nobody is {other}")),
        };
        let rule =
            keeping_member(parse(&line.r#in)?, parse(&line.of)?, move |member| member.standing = standing);
        transact(&self.memory, rule).await.map_err(told)?.map_err(|refused| format!("{refused:?}"))?;
        self.tell(coverage).await;
        Ok(())
    }

    pub(crate) async fn delete(&mut self, line: DeleteLine, coverage: &mut Coverage) -> Result<(), String> {
        let now = self.clock.now();
        let rule = replacing(parse(&line.r#in)?, parse(&line.delete)?, move |message| {
            message.deleted_at = Some(now);
        });
        transact(&self.memory, rule).await.map_err(told)?.map_err(|refused| format!("{refused:?}"))?;
        self.tell(coverage).await;
        Ok(())
    }

    pub(crate) fn fail(&self, how: &str) -> Result<(), String> {
        self.threads.fail(how)
    }

    pub(crate) fn fail_directory(&self, how: &str) -> Result<(), String> {
        self.directory.fail(how)
    }

    pub(crate) fn leave_sends(&self, left: Option<u32>) {
        *self.sends.0.lock() = left;
    }

    pub(crate) fn be_strict(&mut self, strict: bool) {
        self.deps.settings = Settings::default().strict(strict);
        self.messaging = Messaging::new(self.deps.clone());
    }

    /// Somebody who connects with a handshake as given.
    pub(crate) async fn handshake(
        &mut self,
        line: ConnectLine,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let auth = line.auth.as_deref().map(serde_json::value::RawValue::get);
        let token = (self.dialect.socket.handshake.token)(auth, line.authorization.as_deref());
        self.before.push(format!(r#"{{"token":{}}}"#, serde_json::to_string(&token).map_err(told)?));
        let failure = match token {
            None => AuthFailure::Missing,
            Some(token) if token.is_empty() => AuthFailure::Empty,
            Some(token) if self.user_of(&token).is_some() => {
                return self.connect(line.connect, &token, coverage).await;
            }
            Some(_) => AuthFailure::Invalid("invalid signature"),
        };
        let refused = (self.dialect.socket.handshake.refused)(&failure);
        self.before.push(format!(r#"{{"refused":"{refused:?}"}}"#));
        Ok(())
    }

    fn user_of(&self, token: &str) -> Option<&User> {
        self.users.get(token.strip_prefix("token-")?)
    }

    async fn actor(&self, token: &str, origin: Origin) -> Result<(Actor, Arc<User>), String> {
        let claimed = self.user_of(token).ok_or_else(|| format!("{token} is nobody's"))?.clone();
        let role = claimed.role.clone();
        let user = self.messaging.sighted(claimed).await.map_err(told)?;
        let id: UserId = user.id.clone();
        let within = (self.dialect.within)();
        Ok((Actor { within, ..Actor::new(id, role, origin) }, user))
    }

    /// A session of whoever holds the token.
    pub(crate) async fn connect(
        &mut self,
        name: String,
        token: &str,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let id = self.messaging.new_session_id();
        let (actor, user) = self.actor(token, Origin::Session(id)).await?;
        self.live.came(name, id, actor, &user, coverage)
    }

    pub(crate) async fn close(&mut self, name: &str, coverage: &mut Coverage) -> Result<(), String> {
        self.live.went(name, coverage).await
    }

    pub(crate) async fn emit(&mut self, line: EmitLine, coverage: &mut Coverage) -> Result<(), String> {
        let mut args = line.emit.iter().map(|arg| arg.get());
        let event: String = serde_json::from_str(args.next().ok_or("an event has a name")?).map_err(told)?;
        let args: Vec<&str> = args.collect();
        let now = self.clock.now();
        let replies = match self.dialect.event(&event) {
            None => (self.dialect.socket.unknown)(&event),
            Some(inbound) => {
                let actor = self.live.actor(&line.on)?;
                let result = match (inbound.decode)(&args) {
                    Err(refusal) => Err(tidings_wire::EventError::Refused(refusal)),
                    Ok(tidings_wire::Intent::Execute(command)) => {
                        let result = self.messaging.execute(&actor, command).await;
                        self.tell(coverage).await;
                        result
                            .map(|outcome| tidings_wire::Answer::Executed(Box::new(outcome)))
                            .map_err(tidings_wire::EventError::Command)
                    }
                    Ok(intent) => self.live.intend(&line.on, intent, now, coverage).await?,
                };
                coverage.event(inbound.name, result.is_ok());
                (inbound.reply)(&actor, result.as_ref())
            }
        };
        self.live.reply(&line.on, &replies, coverage)?;
        if let Some(ack) = replies.ack.filter(|_| line.ack) {
            self.after.push(format!(r#"{{"ack":[{ack}]}}"#));
        }
        Ok(())
    }

    pub(crate) async fn request(&mut self, line: RequestLine, coverage: &mut Coverage) -> Result<(), String> {
        let Request { method, path: target, body, raw } = line.request;
        let body = raw.unwrap_or_else(|| body.map(|body| body.get().to_owned()).unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let Some((route, params)) = find_route(self.dialect, &method, path) else {
            let problem = Problem::NoRoute { method: &method, path };
            self.reply(&(self.dialect.problem)(&problem));
            return Ok(());
        };
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, &**value)).collect();
        let query: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(query.as_bytes()).collect();
        let request = RestRequest { params: &params, query: &query, body: body.as_bytes() };
        let (actor, _) = self.actor(&format!("token-{}", line.r#as), Origin::Request).await?;
        let reply = match (route.decode)(&request) {
            Err(refusal) => (self.dialect.problem)(&Problem::Refused(&refusal)),
            Ok(command) => {
                let result = self.messaging.execute(&actor, command).await;
                (route.encode)(&actor, result.as_ref())
            }
        };
        coverage.route(route.method.as_str(), route.path, reply.status);
        self.tell(coverage).await;
        self.reply(&reply);
        Ok(())
    }

    pub(crate) fn problem(&mut self, met: &ProblemMet) {
        let reply = (self.dialect.problem)(&problem_of(met));
        self.reply(&reply);
    }

    pub(crate) fn reply(&mut self, reply: &Reply) {
        let body = reply.body.as_ref().map(|body| format!(r#","body":{body}"#)).unwrap_or_default();
        self.before.push(format!(r#"{{"reply":{{"status":{}{body}}}}}"#, reply.status));
    }
}

/// The values of a pattern's parameters in a path, percent-decoded, if the path is of the pattern.
pub(crate) fn matched(pattern: &'static str, given: &str) -> Option<Vec<(&'static str, String)>> {
    let (pattern, given) = (pattern.split('/'), given.split('/'));
    if pattern.clone().count() != given.clone().count() {
        return None;
    }
    let mut params = Vec::new();
    for (pattern, given) in pattern.zip(given) {
        match pattern.strip_prefix('{').and_then(|pattern| pattern.strip_suffix('}')) {
            Some(name) if !given.is_empty() => {
                params.push((name, percent_decode_str(given).decode_utf8().ok()?.into_owned()));
            }
            None if pattern == given => {}
            Some(_) | None => return None,
        }
    }
    Some(params)
}

/// The route of a dialect that a path belongs to, with the values of its parameters, percent-decoded.
fn find_route(
    dialect: &Dialect,
    method: &str,
    path: &str,
) -> Option<(&'static Route, Vec<(&'static str, String)>)> {
    let below = dialect.prefixes.iter().find_map(|prefix| path.strip_prefix(prefix))?;
    // As the transports have it, which are not here.
    let below = below.strip_suffix('/').unwrap_or(below);
    let mut routes = dialect.routes.iter().filter(|route| route.method.as_str() == method);
    routes.find_map(|route| Some((route, matched(route.path, below)?)))
}
