//! One connection, from its first byte to its last.

use std::{convert::Infallible, pin::pin, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, header},
    response::IntoResponse as _,
};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use super::{
    body::Timed,
    crowd::Seat,
    limits,
    phase::{Phase, Watched},
    serve::Site,
};

/// Answers its requests, until it ends, is late, has to give way, or all ends.
pub(super) async fn connection(
    stream: TcpStream,
    site: Arc<Site>,
    phase: Arc<Phase>,
    seat: Seat,
    ending: watch::Receiver<()>,
) {
    tokio::select! {
        () = speak(stream, &site, &phase, ending) => {}
        () = phase.late() => tracing::debug!("a connection is closed: it was too slow"),
        () = seat.lost() => tracing::debug!("a connection is closed: it gave way to a new one"),
    }
}

/// Speaks what is spoken here.
async fn speak(
    stream: TcpStream,
    site: &Arc<Site>,
    phase: &Arc<Phase>,
    ending: watch::Receiver<()>,
) {
    // Answers are written whole; a failure to say so costs nothing but time.
    let _ = stream.set_nodelay(true);
    match site.policy().tls.clone() {
        None => http(stream, site, phase, ending).await,
        Some(tls) => match TlsAcceptor::from(tls).accept(stream).await {
            Ok(stream) => http(stream, site, phase, ending).await,
            Err(error) => tracing::debug!("a connection is refused by TLS: {error}"),
        },
    }
}

/// Speaks HTTP.
async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    site: &Arc<Site>,
    phase: &Arc<Phase>,
    mut ending: watch::Receiver<()>,
) {
    phase.stands();
    let service = service_fn(|request| answer(Arc::clone(site), Arc::clone(phase), request));
    let mut http = http1::Builder::new();
    http.max_buf_size(limits::HEAD_BYTES).max_headers(limits::HEADERS);
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(phase)));
    let mut connection = pin!(http.serve_connection(stream, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = ending.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection failed: {error}");
    }
}

/// Answers one request.
async fn answer(
    site: Arc<Site>,
    phase: Arc<Phase>,
    request: Request<Incoming>,
) -> Result<Response<Timed>, Infallible> {
    phase.answering();
    let policy = site.policy();
    let mut response = if policy.lets_in(request.headers()).await {
        let pages = TowerToHyperService::new(site.router.clone());
        pages.call(request.map(Body::new)).await?
    } else {
        stranger()
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    policy.add_headers(headers);
    Ok(response.map(|body| Timed { body, phase }))
}

/// What who is not let in is told.
fn stranger() -> Response<Body> {
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"zc\", charset=\"UTF-8\"")];
    (StatusCode::UNAUTHORIZED, challenge, "zc asks for a user and a password\n").into_response()
}
