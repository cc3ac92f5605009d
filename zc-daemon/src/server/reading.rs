//! Pages that cost a reading of every slot: so many at a time, and each within the time that
//! its client has.

use std::{
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY},
    },
    response::{IntoResponse as _, Response},
};
use flate2::{Compression, write::GzEncoder};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    body::Pieces,
    limits::{ON_THE_WAY, PATIENCE},
    negotiate,
};

/// A page, and what it is.
pub(super) struct Page {
    status: StatusCode,
    content_type: &'static str,
    text: Vec<u8>,
}

impl Page {
    pub(super) fn new(content_type: &'static str, text: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, content_type, text }
    }

    /// Says that what was asked for cannot be had, and why.
    pub(super) fn refused(why: String) -> Self {
        let text = (why + "\n").into_bytes();
        Self { status: StatusCode::BAD_REQUEST, content_type: "text/plain; charset=utf-8", text }
    }
}

/// Lets so many in at a time.
pub(super) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(super) fn new(requests: usize) -> Self {
        Self(Arc::new(Semaphore::new(requests.min(Semaphore::MAX_PERMITS))))
    }

    /// Answers with what a reading gives, rendered; with 503 if there is no room, or no time.
    ///
    /// The work goes on where its client has lost patience, and its place is free only when it
    /// is done: impatient clients must not heap up readings.
    pub(super) async fn page<T: Send + 'static>(
        &self,
        headers: &HeaderMap,
        reading: impl Future<Output = Option<T>> + Send + 'static,
        render: impl FnOnce(T) -> Page + Send + 'static,
    ) -> Response {
        let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() else {
            return crowded();
        };
        let (gzip, patience) = (negotiate::gzip(headers), patience(headers));
        let deadline = Instant::now() + patience;
        let work = tokio::spawn(async move {
            let Some(reading) = reading.await else { return failed() };
            let page = move || (Instant::now() < deadline).then(|| rendered(render(reading), gzip));
            match spawn_blocking(page).await {
                Ok(Some(page)) => page.with(permit),
                Ok(None) => late(patience),
                Err(_) => broken(),
            }
        });
        match timeout(patience, work).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => broken(),
            Err(_) => late(patience),
        }
    }
}

/// A page as it is sent.
struct Rendered {
    page: Page,
    gzip: bool,
}

fn rendered(mut page: Page, gzip: bool) -> Rendered {
    if gzip {
        page.text = compressed(&page.text);
    }
    Rendered { page, gzip }
}

/// By gzip, as fast as it goes: it takes off nine tenths of an exposition all the same.
fn compressed(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    // Writing to a Vec cannot fail.
    let _ = gzip.write_all(text);
    gzip.finish().unwrap_or_default()
}

impl Rendered {
    fn with(self, permit: OwnedSemaphorePermit) -> Response {
        let mut response = Response::new(Body::new(Pieces::new(self.page.text, permit)));
        *response.status_mut() = self.page.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.page.content_type));
        headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// What Prometheus sends: the seconds after which it gives a scrape up.
pub(super) const SCRAPE_TIMEOUT: HeaderName =
    HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// How long a client waits, less the way to it; what is no time counts for nothing.
pub(super) fn patience(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(SCRAPE_TIMEOUT).and_then(|value| value.to_str().ok()?.parse().ok());
    let seconds = seconds.filter(|seconds: &f64| *seconds > 0.0);
    let limit = seconds.and_then(|s| Duration::try_from_secs_f64(s * (1.0 - ON_THE_WAY)).ok());
    limit.map_or(PATIENCE, |limit| limit.min(PATIENCE))
}

fn crowded() -> Response {
    let why = "as many readings as --web.max-requests are under way; ask again in a second\n";
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], why).into_response()
}

fn late(patience: Duration) -> Response {
    let why = format!("the page was not done within {patience:?}\n");
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

fn failed() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the reading failed; see the log\n").into_response()
}

fn broken() -> Response {
    tracing::error!("a page could not be rendered; please report it");
    (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be rendered\n").into_response()
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn text(text: &'static str) -> Page {
        Page::new("text/plain", text.into())
    }

    #[test]
    fn the_scrapers_time_counts_less_the_way() {
        let of = |value: &str| {
            patience(&HeaderMap::from_iter([(SCRAPE_TIMEOUT, value.parse().unwrap())]))
        };
        assert_eq!(of("5"), Duration::from_millis(4500));
        assert_eq!(of("0.1"), Duration::from_millis(90));
        for no_time in ["60", "0", "-1", "nan", "inf", "soon", "1e300"] {
            assert_eq!(of(no_time), PATIENCE, "{no_time}");
        }
        assert_eq!(patience(&HeaderMap::new()), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_done_in_time_ends_in_time_and_keeps_its_place() {
        let gate = Gate::new(1);
        let headers = HeaderMap::from_iter([(SCRAPE_TIMEOUT, "2".parse().unwrap())]);
        let begin = tokio::time::Instant::now();
        let response = gate.page(&headers, pending::<Option<()>>(), |()| text("")).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(begin.elapsed(), Duration::from_millis(1800));
        let response = gate.page(&headers, async { Some(()) }, |()| text("")).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }

    #[tokio::test]
    async fn a_place_is_free_once_the_page_is_read() {
        let gate = Gate::new(1);
        let none = HeaderMap::new();
        let first = gate.page(&none, async { Some(()) }, |()| text("all")).await;
        assert_eq!(first.status(), StatusCode::OK);
        let second = gate.page(&none, async { Some(()) }, |()| text("all")).await;
        assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(axum::body::to_bytes(first.into_body(), 10).await.unwrap(), "all");
        let third = gate.page(&none, async { Some(()) }, |()| text("all")).await;
        assert_eq!(third.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_reading_or_a_rendering_that_fails_is_said() {
        let gate = Gate::new(1);
        let none = HeaderMap::new();
        let failed = gate.page(&none, async { None::<()> }, |()| text("")).await;
        assert_eq!(failed.status(), StatusCode::SERVICE_UNAVAILABLE);
        let broken = gate.page(&none, async { Some(()) }, |()| panic!("a test of panics")).await;
        assert_eq!(broken.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let fine = gate.page(&none, async { Some(()) }, |()| text("")).await;
        assert_eq!(fine.status(), StatusCode::OK);
    }
}
