//! The HTTP side: what is served where.

use std::{future::IntoFuture as _, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, Registry, TextEncoder,
    process_collector::ProcessCollector,
};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{
    engine::{sampler::Asker, snapshot::Snapshot},
    shutdown::Shutdown,
    view::{
        family,
        json::{self, Coverage},
        landing,
        prometheus::{self as exposition, Facts},
    },
};

/// What every handler needs.
pub struct Served {
    asker: Asker,
    registry: Registry,
    scrapes: Histogram,
    facts: Facts,
}

/// How long a pass may take before a request is answered with an error.
const PATIENCE: Duration = Duration::from_secs(10);

impl Served {
    /// Registers the families.
    ///
    /// # Errors
    ///
    /// If two of them have the same name.
    pub fn new(asker: Asker, facts: Facts) -> Result<Self> {
        let registry = Registry::new();
        let duration = family::SCRAPE_DURATION;
        let scrapes = Histogram::with_opts(
            HistogramOpts::new(duration.name, duration.help)
                .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]),
        )?;
        registry.register(Box::new(scrapes.clone()))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Self { asker, registry, scrapes, facts })
    }

    /// A snapshot taken now.
    async fn now(&self) -> Result<Arc<Snapshot>, Response> {
        patiently(self.asker.now()).await
    }
}

/// What the sampler answers, if it does.
async fn patiently<T>(answer: impl Future<Output = Option<T>>) -> Result<T, Response> {
    let unavailable = |why: &'static str| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    match timeout(PATIENCE, answer).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(unavailable("the reading failed; see the log\n")),
        Err(_) => Err(unavailable("a reading of all slots took longer than 10 s\n")),
    }
}

/// Every page.
pub fn router(served: Served) -> Router {
    Router::new()
        .route("/", get(async || Html(landing::page())))
        .route("/metrics", get(metrics))
        .route("/api/v1/processes", get(processes))
        .route("/-/healthy", get(async || "zc is healthy\n"))
        .route("/-/ready", get(ready))
        .with_state(Arc::new(served))
}

/// Serves until a signal asks for the end; requests under way may then take a
/// little longer, and are dropped after that.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) -> Result<()> {
    let (begin, asked) = oneshot::channel::<()>();
    let graceful = axum::serve(listener, router).with_graceful_shutdown(async {
        // An error means that nobody will ask any more, which is as good.
        let _ = asked.await;
    });
    let limit = async {
        let signal = shutdown.requested().await;
        tracing::info!("{signal}: zc ends");
        drop(begin);
        sleep(GRACE).await;
    };
    tokio::select! {
        served = graceful.into_future() => served.context("serving failed"),
        () = limit => Ok(()),
    }
}

/// How long requests under way may take once the end is asked for.
const GRACE: Duration = Duration::from_secs(3);

async fn metrics(State(served): State<Arc<Served>>) -> Result<Response, Response> {
    let timer = served.scrapes.start_timer();
    let snapshot = served.now().await?;
    let encoder = TextEncoder::new();
    let mut page = exposition::page(&snapshot, &served.facts).into_bytes();
    let encoded = encoder.encode(&served.registry.gather(), &mut page);
    timer.observe_duration();
    encoded.map_err(|error| {
        tracing::error!("cannot render /metrics: {error}");
        (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be rendered\n").into_response()
    })?;
    Ok(([(CONTENT_TYPE, encoder.format_type().to_owned())], page).into_response())
}

async fn processes(State(served): State<Arc<Served>>) -> Result<Response, Response> {
    let processes = patiently(served.asker.census()).await?;
    let probes = Arc::clone(&served.asker.latest.borrow().probes);
    let coverage = Coverage { probes, copies: served.facts.copies };
    Ok(Json(json::processes(&processes, &coverage)).into_response())
}

/// Ready once a reading has succeeded.
async fn ready(State(served): State<Arc<Served>>) -> Result<&'static str, Response> {
    served.now().await.map(|_| "zc is ready\n")
}
