//! From listeners to connections, until the end is asked for.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use axum::Router;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    connection::connection,
    crowd::Crowd,
    limits::{GRACE, Limits},
    phase::Phase,
    web_config::{Policy, WebConfig},
};
use crate::shutdown::Shutdown;

/// What is served.
pub struct Site {
    /// Every page.
    pub router: Router,
    /// How much at a time.
    pub limits: Limits,
    /// How, and to whom; if there is none, to everybody, and without TLS.
    pub config: Option<WebConfig>,
}

impl Site {
    /// What the file of the web configuration asks for at present.
    pub(super) fn policy(&self) -> Arc<Policy> {
        self.config.as_ref().map(WebConfig::current).unwrap_or_default()
    }
}

/// Serves until a signal asks for the end; requests under way may then take a
/// little longer, and are dropped after that.
///
/// # Errors
///
/// If a listener's task panics.
pub async fn serve(listeners: Vec<TcpListener>, site: Site, shutdown: Shutdown) -> Result<()> {
    let crowd = Crowd::new(site.limits.connections);
    let site = Arc::new(site);
    let (end, ending) = watch::channel(());
    let mut doors = JoinSet::new();
    for listener in listeners {
        doors.spawn(accept(listener, Arc::clone(&site), Arc::clone(&crowd), ending.clone()));
    }
    drop(ending);
    let signal = tokio::select! {
        signal = shutdown.requested() => signal,
        Some(Err(panicked)) = doors.join_next() => return Err(panicked.into()),
    };
    tracing::info!("{signal}: zc ends");
    doors.shutdown().await;
    end.send_replace(());
    // Every connection has a receiver.
    let _ = timeout(GRACE, end.closed()).await;
    Ok(())
}

/// How long to wait when no connection can be accepted, as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for ever.
async fn accept(
    listener: TcpListener,
    site: Arc<Site>,
    crowd: Arc<Crowd>,
    ending: watch::Receiver<()>,
) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                failing = false;
                let phase = Arc::new(Phase::new());
                let seat = crowd.seat(Arc::clone(&phase)).await;
                tokio::spawn(connection(stream, Arc::clone(&site), phase, seat, ending.clone()));
            }
            Err(error) => {
                // Once, however long it lasts.
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!("cannot accept a connection: {error}; trying again");
                }
                sleep(PAUSE).await;
            }
        }
    }
}
