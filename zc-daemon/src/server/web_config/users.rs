//! Basic authentication: users and the bcrypt hashes of their passwords.
//!
//! A hash is made to be slow, so what was found is kept, by a MAC of user and password that
//! lasts as long as these users do; and one is computed at a time, so that guessing takes no
//! more than one core.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Result, anyhow, ensure};
use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bcrypt::HashParts;
use ring::{
    hmac::{HMAC_SHA256, Key, sign},
    rand::SystemRandom,
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::file::{Placed, wrong};

/// Who may ask.
pub(super) struct Users {
    hashes: BTreeMap<String, String>,
    /// For users that there are not: their answer takes as long as any other.
    decoy: String,
    key: Key,
    found: Mutex<Found>,
    turn: Semaphore,
}

/// What is known of pairs of user and password, by their MAC.
#[derive(Default)]
struct Found {
    right: HashSet<Mac>,
    wrong: HashSet<Mac>,
}

type Mac = [u8; 32];

/// Wrong pairs to keep; guesses beyond cost a hash again.
const KEPT: usize = 1024;

/// The cost of a hash that takes seconds; a higher one keeps everybody out.
const DEAREST: u32 = 16;

impl Users {
    /// From the part of the file.
    pub(super) fn of(users: &BTreeMap<String, Placed<String>>) -> Result<Self> {
        let mut hashes = BTreeMap::new();
        for (user, hash) in users {
            check(user, hash)?;
            hashes.insert(user.clone(), hash.value.clone());
        }
        let decoy = hashes.values().next().cloned().unwrap_or_default();
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| anyhow!("the kernel gives no random bytes"))?;
        Ok(Self { hashes, decoy, key, found: Mutex::default(), turn: Semaphore::new(1) })
    }

    /// Whether a request names one of them, and the password.
    pub(super) async fn let_in(&self, headers: &HeaderMap) -> bool {
        let Some((user, password)) = credentials(headers) else { return false };
        let mac = self.mac(&user, &password);
        if let Some(known) = self.known(&mac) {
            return known;
        }
        // It is never closed.
        let _turn = self.turn.acquire().await;
        // Somebody may have asked the same meanwhile.
        if let Some(known) = self.known(&mac) {
            return known;
        }
        let (hash, exists) = match self.hashes.get(&user) {
            Some(hash) => (hash.clone(), true),
            None => (self.decoy.clone(), false),
        };
        let matches = spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
        let right = matches.await.unwrap_or(false) && exists;
        self.keep(mac, right);
        right
    }

    fn known(&self, mac: &Mac) -> Option<bool> {
        let found = self.found();
        match (found.right.contains(mac), found.wrong.contains(mac)) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }

    fn keep(&self, mac: Mac, right: bool) {
        let mut found = self.found();
        if right {
            found.right.insert(mac);
        } else {
            if found.wrong.len() >= KEPT {
                found.wrong.clear();
            }
            found.wrong.insert(mac);
        }
    }

    fn mac(&self, user: &str, password: &[u8]) -> Mac {
        // No user has a colon, so that no two pairs are one text.
        let pair = [user.as_bytes(), b":", password].concat();
        let mut mac = Mac::default();
        mac.copy_from_slice(sign(&self.key, &pair).as_ref());
        mac
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        // What it holds is whole after each step.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(user: &str, hash: &Placed<String>) -> Result<()> {
    let at = |why: String| wrong(hash, why);
    ensure!(!user.is_empty() && !user.contains(':'), at(format!("{user:?} is no name of a user")));
    let parts: HashParts = hash.value.parse().map_err(|_| {
        at(format!(
            "the password of {user:?} is no bcrypt hash; make one by htpasswd -nBC 10 {user}"
        ))
    })?;
    let cost = parts.get_cost();
    ensure!(
        (4..=DEAREST).contains(&cost),
        at(format!("the hash of {user:?} has cost {cost}; 4 to {DEAREST} can be checked in time"))
    );
    Ok(())
}

/// What a request says who it is from.
pub(super) fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let (scheme, pair) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = BASE64_STANDARD.decode(pair.trim()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(pair[..colon].to_vec()).ok()?;
    Some((user, pair[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::server::web_config::file::parse;

    fn users(text: &str) -> Result<Users> {
        Users::of(&parse(&format!("basic_auth_users:\n{text}"))?.basic_auth_users.unwrap())
    }

    fn from(pair: &str) -> HeaderMap {
        let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[tokio::test]
    async fn the_right_password_lets_in_and_is_hashed_once() {
        let hash = bcrypt::hash("secret", 9).unwrap();
        let users = users(&format!("  alice: {hash}\n  bob: \"{hash}\"\n")).unwrap();
        let begin = Instant::now();
        assert!(users.let_in(&from("alice:secret")).await);
        let once = begin.elapsed();
        let begin = Instant::now();
        for _ in 0..100 {
            assert!(users.let_in(&from("alice:secret")).await);
        }
        assert!(begin.elapsed() < once * 50, "{:?} for 100, {once:?} for one", begin.elapsed());
        for wrong in ["alice:Secret", "alice:", "carol:secret", "alice", "", ":", ":secret"] {
            assert!(!users.let_in(&from(wrong)).await, "{wrong}");
        }
        assert!(users.let_in(&from("bob:secret")).await);
        assert!(!users.let_in(&HeaderMap::new()).await);
        let bearer = HeaderMap::from_iter([(AUTHORIZATION, "Bearer x".parse().unwrap())]);
        assert!(!users.let_in(&bearer).await);
        // The empty user has a hash computed as well, and each pair is kept.
        assert_eq!(users.found().right.len(), 2);
        assert_eq!(users.found().wrong.len(), 5);
    }

    #[test]
    fn what_is_no_hash_is_said_with_its_place() {
        for (text, said) in [
            ("  alice: secret\n", "line 2, column 10: the password of \"alice\" is no bcrypt hash"),
            ("  alice: $2y$31$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu\n", "cost 31"),
        ] {
            let error = users(text).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
