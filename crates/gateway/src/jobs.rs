//! Long work: who began it, how far it is, how it ended.
//!
//! What must stay true: work is either in the registry or over; the registry has a bound; a job ends exactly once,
//! whatever ends it: its own end, whoever asked hanging up, or a cancellation.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::{Principal, TenantId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::error::ApiError;
use crate::stream::{Step, json_lines};

/// Jobs that run at the same time.
const RUNNING_MAX: usize = 64;
/// Jobs that ended and are still told of.
const ENDED_MAX: usize = 200;
/// Steps that a slow reader may be behind.
const STEPS_MAX: usize = 16;

/// A job's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobId(Uuid);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job_{}", self.0.simple())
    }
}

impl FromStr for JobId {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let digits = text.strip_prefix("job_").filter(|digits| digits.len() == 32);
        digits.and_then(|digits| Uuid::try_parse(digits).ok()).map(Self).ok_or(ApiError::NotFound("job"))
    }
}

impl Serialize for JobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What kind of work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JobKind)]
pub(crate) enum Kind {
    /// Records of this machine are added to a corpus.
    Add,
    /// Records that were uploaded are added to a corpus.
    Upload,
    /// A model is fetched.
    Pull,
    /// A model's file is taken in.
    Import,
    /// The data folder is copied.
    Backup,
    /// The data folder is checked.
    Check,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JobState)]
pub(crate) enum State {
    Running,
    Done,
    Failed,
    /// Cancelled, or nobody waited for it any more.
    Cancelled,
}

/// One piece of long work.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct Job {
    #[schema(value_type = String)]
    pub(crate) id: JobId,
    pub(crate) kind: Kind,
    /// The corpus or model that it is about.
    pub(crate) about: String,
    /// Who began it: the person's or the key's id, or `operator`.
    pub(crate) by: String,
    pub(crate) state: State,
    pub(crate) started: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    /// How far it was when it was last heard of; its fields are the kind's own.
    #[schema(value_type = Option<Object>)]
    pub(crate) progress: Option<Value>,
    /// What it did, once it is done.
    #[schema(value_type = Option<Object>)]
    pub(crate) result: Option<Value>,
    /// Why it failed.
    pub(crate) error: Option<String>,
    #[serde(skip)]
    tenant: TenantId,
}

#[derive(Debug)]
struct Entry {
    job: Job,
    abort: Option<AbortHandle>,
}

/// The jobs of this process: those that run, and the last ones that ended.
#[derive(Debug, Clone, Default)]
pub struct Jobs {
    entries: Arc<Mutex<VecDeque<Entry>>>,
}

/// Tells how far a job is.
#[derive(Debug)]
pub(crate) struct Teller<P> {
    jobs: Jobs,
    id: JobId,
    sender: mpsc::Sender<P>,
}

impl<P: Serialize> Teller<P> {
    /// The job is now here. A reader that is slower than the work misses steps, never the result.
    pub(crate) fn tell(&self, progress: P) {
        let value = serde_json::to_value(&progress).ok();
        self.jobs.change(self.id, |job| job.progress = value);
        let _ = self.sender.try_send(progress);
    }
}

/// Ends a job that was dropped before its end.
struct Running {
    jobs: Jobs,
    id: JobId,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.jobs.end(self.id, State::Cancelled, None, None);
    }
}

impl Jobs {
    /// Runs long work. The answer is a line for each step and the result as its last line, and whoever hangs up ends
    /// the work; with `Prefer: respond-async` (RFC 7240) the answer is the job, and the work goes on by itself.
    pub(crate) fn run<P, R, F>(
        &self,
        principal: &Principal,
        headers: &HeaderMap,
        (kind, about): (Kind, &str),
        work: impl FnOnce(Teller<P>) -> F,
    ) -> Result<Response, ApiError>
    where
        P: Serialize + Send + 'static,
        R: Serialize + Send + 'static,
        F: Future<Output = Result<R, ApiError>> + Send + 'static,
    {
        let id = self.begin(principal, kind, about)?;
        let (sender, receiver) = mpsc::channel(STEPS_MAX);
        let running = Running { jobs: self.clone(), id };
        let work = work(Teller { jobs: self.clone(), id, sender });
        let task = tokio::spawn(async move {
            // Taken in whole, so that it ends the job whenever this task is dropped.
            let running = running;
            let result = work.await;
            match &result {
                Ok(result) => running.jobs.end(id, State::Done, serde_json::to_value(result).ok(), None),
                Err(error) => running.jobs.end(id, State::Failed, None, Some(error.to_string())),
            }
            result
        });
        self.with(|entries| {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.job.id == id) {
                entry.abort = Some(task.abort_handle());
            }
        });
        if asynchronous(headers) {
            return Ok(self.accepted(id));
        }
        let task = AbortOnDropHandle::new(task);
        Ok(json_lines(futures::stream::unfold((receiver, Some(task)), async |(mut receiver, task)| {
            if let Some(progress) = receiver.recv().await {
                return Some((Ok(Step::Progress(progress)), (receiver, task)));
            }
            // The sender went with the work, so the work has ended.
            let result = match task?.await {
                Ok(result) => result.map(Step::Result),
                Err(error) if error.is_cancelled() => Err(ApiError::Conflict("the job was cancelled".to_owned())),
                Err(_) => Err(ApiError::Internal),
            };
            Some((result, (receiver, None)))
        })))
    }

    /// The tenant's jobs, the newest first.
    pub(crate) fn list(&self, tenant: TenantId) -> Vec<Job> {
        self.with(|entries| {
            entries.iter().rev().map(|entry| &entry.job).filter(|job| job.tenant == tenant).cloned().collect()
        })
    }

    /// One of the tenant's jobs.
    pub(crate) fn get(&self, tenant: TenantId, id: JobId) -> Result<Job, ApiError> {
        self.list(tenant).into_iter().find(|job| job.id == id).ok_or(ApiError::NotFound("job"))
    }

    /// Ends one of the tenant's jobs. What it has done so far stays; one that has ended is left as it is.
    pub(crate) fn cancel(&self, tenant: TenantId, id: JobId) -> Result<Job, ApiError> {
        self.get(tenant, id)?;
        self.with(|entries| {
            if let Some(abort) = entries.iter().find(|entry| entry.job.id == id).and_then(|entry| entry.abort.as_ref())
            {
                abort.abort();
            }
        });
        self.end(id, State::Cancelled, None, None);
        self.get(tenant, id)
    }

    fn begin(&self, principal: &Principal, kind: Kind, about: &str) -> Result<JobId, ApiError> {
        let id = JobId(Uuid::now_v7());
        let job = Job {
            id,
            kind,
            about: about.to_owned(),
            by: principal.subject.to_string(),
            state: State::Running,
            started: Timestamp::now(),
            ended: None,
            progress: None,
            result: None,
            error: None,
            tenant: principal.tenant,
        };
        self.with(|entries| {
            let running = entries.iter().filter(|entry| entry.job.state == State::Running).count();
            if running >= RUNNING_MAX {
                return Err(ApiError::Crowded);
            }
            if entries.len() - running >= ENDED_MAX
                && let Some(oldest) = entries.iter().position(|entry| entry.job.state != State::Running)
            {
                entries.remove(oldest);
            }
            entries.push_back(Entry { job, abort: None });
            Ok(id)
        })
    }

    fn end(&self, id: JobId, state: State, result: Option<Value>, error: Option<String>) {
        self.change(id, |job| {
            if job.state == State::Running {
                job.state = state;
                job.ended = Some(Timestamp::now());
                (job.result, job.error) = (result, error);
            }
        });
    }

    fn change(&self, id: JobId, change: impl FnOnce(&mut Job)) {
        self.with(|entries| {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.job.id == id) {
                change(&mut entry.job);
            }
        });
    }

    fn accepted(&self, id: JobId) -> Response {
        let job = self.with(|entries| entries.iter().find(|entry| entry.job.id == id).map(|entry| entry.job.clone()));
        let mut response = (StatusCode::ACCEPTED, axum::Json(job)).into_response();
        if let Ok(place) = HeaderValue::try_from(format!("/api/v1/jobs/{id}")) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        response
    }

    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<Entry>) -> T) -> T {
        let mut entries: MutexGuard<'_, _> = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut entries)
    }
}

fn asynchronous(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case("respond-async"))
}

#[cfg(test)]
mod tests {
    use base::{Class, KeyId, Subject};
    use http_body_util::BodyExt;

    use super::*;

    fn somebody() -> Principal {
        Principal {
            tenant: TenantId::new(),
            subject: Subject::Service(KeyId::new()),
            groups: [].into(),
            input_class: Class::Open,
            read_class_max: Class::Open,
            administrator: true,
        }
    }

    fn detached() -> HeaderMap {
        HeaderMap::from_iter([("prefer".parse().unwrap(), HeaderValue::from_static("wait=1, respond-async"))])
    }

    async fn ended(jobs: &Jobs, who: &Principal) -> Job {
        loop {
            let job = jobs.list(who.tenant).remove(0);
            if job.state != State::Running {
                return job;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn work_goes_on_by_itself_where_that_was_asked_for() {
        let (jobs, who) = (Jobs::default(), somebody());
        let response = jobs.run(&who, &detached(), (Kind::Add, "c"), |teller| async move {
            teller.tell(7);
            Ok("all")
        });
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let job = ended(&jobs, &who).await;
        assert_eq!((job.state, job.progress, job.result), (State::Done, Some(7.into()), Some("all".into())));
        assert!(jobs.get(TenantId::new(), job.id).is_err(), "another tenant's");
    }

    #[tokio::test]
    async fn whoever_hangs_up_ends_the_work() {
        let (jobs, who) = (Jobs::default(), somebody());
        let response = jobs.run(&who, &HeaderMap::new(), (Kind::Pull, "m"), |teller: Teller<u8>| async move {
            let _teller = teller;
            std::future::pending::<Result<(), ApiError>>().await
        });
        assert_eq!(jobs.list(who.tenant)[0].state, State::Running);
        drop(response);
        assert_eq!(ended(&jobs, &who).await.state, State::Cancelled);
    }

    #[tokio::test]
    async fn a_cancelled_job_says_so_to_its_reader() {
        let (jobs, who) = (Jobs::default(), somebody());
        let response = jobs.run(&who, &HeaderMap::new(), (Kind::Pull, "m"), |teller: Teller<u8>| async move {
            let _teller = teller;
            std::future::pending::<Result<(), ApiError>>().await
        });
        let id = jobs.list(who.tenant)[0].id;
        assert!(jobs.cancel(TenantId::new(), id).is_err(), "another tenant's");
        assert_eq!(jobs.cancel(who.tenant, id).unwrap().state, State::Cancelled);
        let body = response.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("cancelled"), "{body:?}");
    }

    #[tokio::test]
    async fn only_so_many_are_told_of_and_run() {
        let (jobs, who) = (Jobs::default(), somebody());
        for _ in 0..ENDED_MAX + 50 {
            let work = |_: Teller<u8>| async { Err::<(), _>(ApiError::Internal) };
            jobs.run(&who, &detached(), (Kind::Add, "c"), work).unwrap();
            ended(&jobs, &who).await;
        }
        assert_eq!(jobs.list(who.tenant).len(), ENDED_MAX);
        let stuck = |_: Teller<u8>| std::future::pending::<Result<(), ApiError>>();
        for _ in 0..RUNNING_MAX {
            jobs.run(&who, &detached(), (Kind::Add, "c"), stuck).unwrap();
        }
        assert!(jobs.run(&who, &detached(), (Kind::Add, "c"), stuck).is_err());
    }
}
