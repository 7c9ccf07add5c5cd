/**
 * What pages gain from a script: times in the zone of the browser, keys, and a fresh look every few seconds at the
 * parts that are marked for it. Every page is complete without it.
 */
(() => {
  'use strict';
  const $ = (selector, root) => (root || document).querySelector(selector);
  const $$ = (selector, root) => Array.from((root || document).querySelectorAll(selector));

  // Times. Ours are in UTC; the browser knows where its people are.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
  const parts = (options) => new Intl.DateTimeFormat(undefined, Object.assign({ timeZone: zone }, options));
  const day = parts({ year: 'numeric', month: 'short', day: 'numeric' });
  const minute = parts({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const second = parts({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
  const localTime = (ms, form, after) => {
    const at = new Date(ms);
    const clock = (form === 'minute' || at.getUTCSeconds() === 0 ? minute : second).format(at);
    if (after && day.format(at) === day.format(new Date(after))) return clock;
    return form !== 'full' && day.format(at) === day.format(new Date()) ? clock : day.format(at) + ', ' + clock;
  };
  const localize = (root) => {
    for (const element of $$('time[data-t]', root)) {
      element.textContent = localTime(Date.parse(element.dateTime), element.dataset.t, element.dataset.after);
      element.title = element.dateTime.replace('T', ' ').replace('.000Z', '') + ' UTC';
    }
    // A field for a time holds local time, and sends an instant.
    for (const field of $$('input[data-utc]', root)) {
      const at = new Date(field.dataset.utc);
      field.value = new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
    }
  };
  globalThis.fleetscoreTime = localTime;
  localize(document);
  const zoneName = $('#zone');
  if (zoneName) zoneName.textContent = 'Times in ' + zone.replaceAll('_', ' ') + '.';
  document.addEventListener('submit', (event) => {
    for (const field of $$('input[data-utc]', event.target)) {
      const hidden = document.createElement('input');
      hidden.type = 'hidden';
      hidden.name = field.name;
      hidden.value = new Date(field.value).toISOString();
      field.removeAttribute('name');
      event.target.append(hidden);
    }
  });

  // A fresh look: marked parts are replaced where they changed, unless somebody is at work in them.
  const seconds = Number(document.body.dataset.live);
  const busy = (part) => part.contains(document.activeElement) && document.activeElement !== document.body;
  const opened = (part) => $$('details[open]', part).length > 0;
  const look = async () => {
    if (document.hidden) return;
    const address = new URL(location.href);
    address.searchParams.delete('did');
    const answer = await fetch(address, { headers: { accept: 'text/html' }, cache: 'no-store' });
    if (!answer.ok) throw new Error(String(answer.status));
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const part of $$('[data-part]')) {
      const fresh = next.getElementById(part.id);
      if (!fresh || fresh.innerHTML === part.fleetscoreWas || busy(part) || opened(part)) continue;
      part.fleetscoreWas = fresh.innerHTML;
      part.replaceChildren(...document.importNode(fresh, true).childNodes);
      localize(part);
    }
    document.documentElement.dataset.looked = String(Number(document.documentElement.dataset.looked || 0) + 1);
  };
  const lost = $('#fresh');
  const again = async () => {
    try {
      await look();
      if (lost && lost.dataset.lost) delete lost.dataset.lost;
    } catch {
      // The server is away or restarts: what is shown grows old, and says so.
      if (lost && !lost.dataset.lost) {
        lost.dataset.lost = 'yes';
        lost.textContent = 'Not connected: what is shown may be old. Trying again ...';
        for (const part of $$('[data-part]')) part.fleetscoreWas = undefined;
      }
    }
    later();
  };
  const later = () => {
    setTimeout(() => void again(), seconds * 1000);
  };
  if (seconds > 0) later();
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && seconds > 0) look().catch(() => {});
  });

  // Keys. Whoever speaks to the computer, or types by accident, can switch them off.
  const KEY = 'fleetscore-keys';
  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  let keysOn = stored() !== 'off';
  const note = $('#keys');
  const toggle = $('#keys-off');
  const showKeys = () => {
    if (note) note.hidden = false;
    if (toggle) toggle.textContent = keysOn ? 'Switch keys off' : 'Switch keys on';
  };
  if (toggle)
    toggle.addEventListener('click', () => {
      keysOn = !keysOn;
      try {
        localStorage.setItem(KEY, keysOn ? 'on' : 'off');
      } catch {
        // Without storage it holds for this page.
      }
      showKeys();
    });
  showKeys();
  const typing = () => /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  document.addEventListener('keydown', (event) => {
    if (!keysOn || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape' && document.activeElement.type === 'search') {
      document.activeElement.value = '';
      return;
    }
    if (typing()) return;
    const search = $('input[type=search]');
    if (event.key === '/' && search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
    if (event.key !== 'j' && event.key !== 'k') return;
    const links = $$('.rows-walk .row-link').filter((link) => link.offsetParent !== null);
    const row = document.activeElement.closest && document.activeElement.closest('tr');
    const at = links.findIndex((link) => link === document.activeElement || (row && row.contains(link)));
    const down = event.key === 'j';
    const first = down ? 0 : links.length - 1;
    const to = links[at < 0 ? first : at + (down ? 1 : -1)];
    if (to) {
      event.preventDefault();
      to.focus();
    }
  });
  document.documentElement.dataset.ready = 'yes';
})();
