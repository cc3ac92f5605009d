//! Plain tables and JSON, for scripts.

use std::io::{ErrorKind, Write as _, stdout};

use anyhow::Result;

use super::{Source, between};
use crate::{
    cli::Top,
    engine::top::tree::Branch,
    shutdown::Shutdown,
    view::top::{app::App, json, standing, text},
};

/// Prints what happens between looks: once, or until told to end.
pub(super) async fn print(flags: &Top, source: &mut dyn Source, mut app: App) -> Result<()> {
    let mut before = source.look(app.wants_processes())?;
    app.show(between(None, &before));
    tracing::debug!("zc watches; it looks again in {:?}", flags.interval);
    // What is not asked to go on is one table; JSON lines are.
    let ends = flags.once || !flags.json;
    let shutdown = Shutdown::new()?.requested();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = tokio::time::sleep(flags.interval) => {}
            _ = &mut shutdown => return Ok(()),
        }
        let now = source.look(app.wants_processes())?;
        app.show(between(Some(&before), &now));
        before = now;
        let text = page(flags, &app)?;
        match stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush()) {
            // Who reads has had enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
        if ends {
            return Ok(());
        }
    }
}

fn page(flags: &Top, app: &App) -> Result<String> {
    let lines = app.lines();
    let rows: Vec<_> = lines.iter().map(|line: &Branch| &line.row).collect();
    if flags.json {
        let document = json::document(&app.source, app.by, &rows, &app.seen.standing, app.lost());
        let text = serde_json::to_string(&document)?;
        return Ok(text + "\n");
    }
    let line = standing(&app.seen.standing, app.lost());
    Ok(format!("{}\n# {line}\n", text::table(app.by, &rows, &app.order).trim_end()))
}
