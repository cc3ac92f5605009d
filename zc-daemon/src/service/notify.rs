//! What the service manager is told, if there is one (`sd_notify(3)`).

use std::time::Duration;

use sd_notify::NotifyState;

/// How it is.
pub enum State<'a> {
    /// It serves; a sentence for people.
    Ready(&'a str),
    /// It still reads: a sentence for people, and the ping that keeps it from being restarted.
    Alive(&'a str),
    /// It reads its configuration again, until it is ready.
    Reloading,
    /// It ends.
    Stopping,
}

/// Tells it; without a service manager, nobody.
pub fn tell(state: State<'_>) {
    let told = match state {
        State::Ready(how) => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(how)]),
        State::Alive(how) => sd_notify::notify(&[NotifyState::Watchdog, NotifyState::Status(how)]),
        State::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    };
    if let Err(error) = told {
        tracing::warn!("the service manager cannot be told how zc is: {error}");
    }
}

/// Within what time the service manager must hear that it is alive, if it wants to.
#[must_use]
pub fn patience() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}
