'use strict';
// Asks for totals, shows what they grew by. Text only ever enters the page as text.
(() => {
  const EVERY = 2000, PATIENCE = 8000, SLOWEST = 30000, TOP = 20;
  const at = id => document.getElementById(id);
  let before = null, wait = EVERY, paused = false, timer = 0;

  // What zc cannot know is null, and stays so.
  const add = (a, b) => a === null ? b : b === null ? a : a + b;
  const scaled = (n, base, units) => {
    let i = 0;
    while (n >= base && i < units.length - 1) { n /= base; i += 1; }
    return `${n >= 100 || n === 0 || i === 0 && n >= 10 ? n.toFixed(0) : n.toPrecision(3)}${units[i]}`;
  };
  const bytes = n => n === null ? null : scaled(n, 1024, [' B/s', ' KiB/s', ' MiB/s', ' GiB/s', ' TiB/s']);
  const times = n => n === null ? null : scaled(n, 1000, ['/s', 'k/s', 'M/s']);
  const ratio = row => {
    if (row.io === null) return null;
    if (row.io <= 0) return '–';
    return (row.unsure > 0 ? '≥ ' : '') + (row.ioCopied / row.io).toFixed(2);
  };

  // A group's totals as one flat row.
  const totals = group => ({
    measured: group.copied_bytes.measured,
    inferred: group.copied_bytes.inferred,
    copied: add(group.copied_bytes.measured, group.copied_bytes.inferred),
    io: group.io && group.io.bytes,
    ioCopied: group.io && group.io.copied_bytes,
    unsure: group.io && group.io.unknown_bytes,
    moved: group.moved_bytes,
    transferred: group.transferred_bytes,
    switches: group.context_switches.voluntary + group.context_switches.involuntary,
    faults: group.page_faults.minor + group.page_faults.major,
  });
  const rates = (now, then, seconds) => {
    const rate = {};
    for (const key of Object.keys(now)) {
      const grown = now[key] === null ? null : now[key] - ((then && then[key]) || 0);
      rate[key] = grown === null ? null : Math.max(0, grown) / seconds;
    }
    return rate;
  };
  const sum = rows => rows.reduce((all, row) => {
    for (const key of Object.keys(row)) all[key] = key in all ? add(all[key], row[key]) : row[key];
    return all;
  }, {});
  const how = row => !row.copied ? '' : !row.inferred ? 'measured' : !row.measured ? 'inferred' : 'in part inferred';

  const show = (element, text) => {
    const unknown = text === null || text === undefined;
    const shown = unknown ? 'unknown' : text;
    if (element.textContent !== shown) element.textContent = shown;
    element.toggleAttribute('data-unknown', unknown);
  };
  // Rows of a table: a name, and cells of text or of text and a note.
  const fill = (id, rows) => {
    const body = at(id);
    const labels = [...body.parentElement.tHead.rows[0].cells].map(cell => cell.textContent);
    while (body.rows.length > rows.length) body.lastElementChild.remove();
    rows.forEach(([name, ...cells], index) => {
      let row = body.rows[index];
      if (!row || row.cells.length !== cells.length + 1) {
        const fresh = document.createElement('tr');
        fresh.setAttribute('role', 'row');
        const head = document.createElement('th');
        head.scope = 'row';
        head.setAttribute('role', 'rowheader');
        head.append(document.createElement('bdi'));
        fresh.append(head);
        cells.forEach((_, cell) => {
          const data = document.createElement('td');
          data.setAttribute('role', 'cell');
          data.dataset.label = labels[cell + 1];
          data.append(document.createElement('span'));
          fresh.append(data);
        });
        if (row) row.replaceWith(fresh); else body.append(fresh);
        row = fresh;
      }
      show(row.cells[0].firstElementChild, name);
      cells.forEach((cell, number) => {
        const data = row.cells[number + 1];
        const [text, note] = Array.isArray(cell) ? cell : [cell, ''];
        show(data.firstElementChild, text);
        let small = data.querySelector('small');
        if (note && !small) { small = document.createElement('small'); data.append(small); }
        if (small) show(small, note);
      });
    });
  };

  const draw = page => {
    fill('probes', page.probes.map(probe => [probe.probe, probe.hook === null ? 'down: what it measures is unknown' : probe.hook]));
    fill('routes', page.routes.map(route => [route.route, route.quality]));
    fill('lost', Object.entries(page.lost).map(([reason, events]) => [reason, String(events)]));
    show(at('coverage'), page.coverage);
    const now = new Map(page.groups.map(group => [group.group, totals(group)]));
    const then = before;
    before = { seconds: page.seconds, groups: now };
    if (!then || page.seconds <= then.seconds) return;
    const seconds = page.seconds - then.seconds;
    const rows = [...now].map(([name, total]) => ({ name, ...rates(total, then.groups.get(name), seconds) }));
    const all = sum(rows.map(({ name, ...row }) => row));
    show(at('all-copied'), bytes(all.copied ?? null));
    show(at('all-ratio'), rows.length ? ratio(all) : null);
    show(at('all-moved'), bytes(all.moved ?? null));
    show(at('all-switches'), times(all.switches ?? null));
    show(at('all-faults'), times(all.faults ?? null));
    const share = page.observer_share;
    show(at('all-share'), share && `${((share.programs + share.daemon) * 100).toFixed(2)} %`);
    const by = at('sort').value;
    const key = row => by === 'ratio' ? (row.io > 0 ? row.ioCopied / row.io : -1) : row[by] ?? -1;
    const active = rows.filter(row => row.copied || row.io || row.moved || row.switches || row.faults);
    active.sort((a, b) => key(b) - key(a) || (a.name < b.name ? -1 : 1));
    fill('groups', active.slice(0, TOP).map(row => [
      row.name, [bytes(row.copied), how(row)], ratio(row), bytes(row.moved), bytes(row.transferred),
      times(row.switches), times(row.faults),
    ]));
    show(at('caption'), `Rates over the last ${seconds.toFixed(1)} s: ${Math.min(active.length, TOP)} of ${active.length} active groups, of ${rows.length}.`);
    document.body.dataset.live = 'yes';
  };

  // Said only when it changes, so that nobody is read a running commentary.
  const say = (text, bad) => {
    show(at('state'), text);
    at('state').classList.toggle('bad', bad);
  };
  const tick = async () => {
    try {
      if (!document.hidden) {
        const answer = await fetch('/api/v1/groups', { signal: AbortSignal.timeout(PATIENCE), cache: 'no-store' });
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        draw(await answer.json());
        say('Live.', false);
      }
      wait = EVERY;
    } catch (error) {
      before = null;
      wait = Math.min(wait * 2, SLOWEST);
      say('zc does not answer. What is shown is old; trying again.', true);
    }
    if (!paused) timer = setTimeout(tick, wait);
  };
  at('pause').addEventListener('click', () => {
    paused = !paused;
    clearTimeout(timer);
    at('pause').setAttribute('aria-pressed', String(paused));
    if (paused) { before = null; say('Paused.', false); } else tick();
  });
  at('tools').hidden = false;
  tick();
})();
