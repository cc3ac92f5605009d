//! What is served where.

use std::{
    sync::{Arc, PoisonError},
    time::{Instant, SystemTime},
};

use anyhow::Result;
use axum::{
    Router,
    extract::{Query, RawQuery, State, rejection::QueryRejection},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY},
    },
    response::Response,
    routing::get,
};
use prometheus::{Histogram, HistogramOpts, Registry, process_collector::ProcessCollector};

use super::{
    history::{self, Asked, Pairs},
    negotiate,
    reading::{Gate, Page},
};
use crate::{
    engine::{history::Shared, sampler::Asker, snapshot::Snapshot},
    view::{
        family,
        groups::{self, Groups},
        history as view,
        json::{self, Coverage},
        landing,
        prometheus::{self as exposition, Facts},
    },
};

/// What every handler needs.
pub struct Served {
    asker: Asker,
    history: Option<Shared>,
    registry: Registry,
    scrapes: Histogram,
    facts: Facts,
    gate: Gate,
    telemetry_path: String,
    policy: HeaderValue,
    start: Instant,
}

/// The pages beside the exposition's.
pub const PATHS: &[&str] =
    &["/", "/api/v1/groups", "/api/v1/history", "/api/v1/processes", "/-/healthy", "/-/ready"];

/// What of `/api/v1/groups` asks for what its sums are made of.
const BY_ROUTE: &str = "by=route";

impl Served {
    /// Registers the families; what is remembered may be nothing; the exposition is to be at
    /// `telemetry_path`, and so many requests may cost a reading at a time.
    ///
    /// # Errors
    ///
    /// If two families have the same name.
    pub fn new(
        (asker, history): (Asker, Option<Shared>),
        facts: Facts,
        telemetry_path: String,
        requests: usize,
    ) -> Result<Self> {
        let registry = Registry::new();
        let duration = family::SCRAPE_DURATION;
        let scrapes = Histogram::with_opts(
            HistogramOpts::new(duration.name, duration.help)
                .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]),
        )?;
        registry.register(Box::new(scrapes.clone()))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let policy = HeaderValue::from_str(&landing::policy())?;
        let (gate, start) = (Gate::new(requests), Instant::now());
        Ok(Self { asker, history, registry, scrapes, facts, gate, telemetry_path, policy, start })
    }
}

impl Served {
    /// The groups of a snapshot that has just been taken.
    fn groups<'a>(&self, snapshot: &'a Snapshot) -> Groups<'a> {
        groups::groups(snapshot, &self.coverage(snapshot), self.seconds())
    }

    /// What is shown of a snapshot.
    fn coverage(&self, snapshot: &Snapshot) -> Coverage {
        Coverage { probes: Arc::clone(&snapshot.probes), copies: self.facts.copies }
    }

    /// Since it began to serve.
    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// Every page.
pub fn router(served: Served) -> Router {
    Router::new()
        .route("/", get(live))
        .route("/api/v1/groups", get(all_groups))
        .route("/api/v1/history", get(lately))
        .route(&served.telemetry_path, get(metrics))
        .route("/api/v1/processes", get(processes))
        .route("/-/healthy", get(async || "zc is healthy\n"))
        .route("/-/ready", get(ready))
        .fallback(async || (StatusCode::NOT_FOUND, "no such page; / says which there are\n"))
        .method_not_allowed_fallback(async || {
            (StatusCode::METHOD_NOT_ALLOWED, "zc only tells; ask by GET or HEAD\n")
        })
        .with_state(Arc::new(served))
}

async fn metrics(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response {
    let timer = served.scrapes.start_timer();
    let format = negotiate::format(&headers);
    let asker = served.asker.clone();
    let view = Arc::clone(&served);
    let render = move |snapshot: Arc<_>| {
        let registered = view.registry.gather();
        let text = exposition::page(&snapshot, &view.facts, &registered, format).into_bytes();
        timer.observe_duration();
        Page::new(format.content_type(), text)
    };
    served.gate.page(&headers, async move { asker.now().await }, render).await
}

async fn all_groups(
    State(served): State<Arc<Served>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let view = Arc::clone(&served);
    let by_route = query.is_some_and(|query| query.split('&').any(|pair| pair == BY_ROUTE));
    let render = move |snapshot: Arc<_>| {
        let groups = view.groups(&snapshot);
        json(&if by_route { groups.by_route(&snapshot, &view.coverage(&snapshot)) } else { groups })
    };
    let asker = served.asker.clone();
    served.gate.page(&headers, async move { asker.now().await }, render).await
}

async fn lately(
    State(served): State<Arc<Served>>,
    query: Result<Query<Pairs>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Some(history) = served.history.clone() else { return history::none() };
    let asked = match Asked::of(query) {
        Ok(asked) => asked,
        Err(why) => return history::refused(&why),
    };
    let copies = served.facts.copies;
    let render = move |_| {
        // Whoever panicked with it left it whole.
        let kept = history.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.last(asked.last, asked.step);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match kept.map(|kept| view::history(kept, asked.group, copies, now.as_secs_f64())) {
            Some(Ok(page)) => json(&page),
            Some(Err(why)) => Page::refused(why),
            None => Page::refused("nothing was read yet; ask again in a second".to_owned()),
        }
    };
    let asker = served.asker.clone();
    served.gate.page(&headers, async move { asker.now().await }, render).await
}

async fn live(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response {
    let view = Arc::clone(&served);
    let render = move |snapshot: Arc<_>| {
        let text = landing::page(&view.groups(&snapshot), &view.telemetry_path).into_bytes();
        Page::new("text/html; charset=utf-8", text)
    };
    let asker = served.asker.clone();
    let mut page = served.gate.page(&headers, async move { asker.now().await }, render).await;
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, served.policy.clone());
    page.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    page
}

async fn processes(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response {
    let asker = served.asker.clone();
    let view = Arc::clone(&served);
    let render = move |processes: Vec<_>| {
        let probes = Arc::clone(&view.asker.latest.borrow().probes);
        let coverage = Coverage { probes, copies: view.facts.copies };
        json(&json::processes(&processes, &coverage, view.seconds()))
    };
    served.gate.page(&headers, async move { asker.census().await }, render).await
}

fn json(page: &impl serde::Serialize) -> Page {
    // Neither a map with keys that are no strings nor a failing Serialize is on any page.
    let text = serde_json::to_vec(page).unwrap_or_default();
    Page::new("application/json", text)
}

/// Ready once a reading has succeeded.
async fn ready(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response {
    let asker = served.asker.clone();
    let render = |_| Page::new("text/plain; charset=utf-8", b"zc is ready\n".into());
    served.gate.page(&headers, async move { asker.now().await }, render).await
}
