/** Filters of the page: over cards of sensors, and over rows of devices. Part of script.ts. */
export const FILTER_SCRIPT = String.raw`// Filter of the cards: words of device and sensor names, and what became of the sensor.
let clearFilter = () => {};
const cards = $('#tools') !== null && $('.device') !== null;
if (cards) {
  const devices = $$('.device').map((el) => ({
    el: el, wasOpen: el.open,
    cards: $$('.card', el).map((c) => ({ el: c, text: (c.dataset.d + ' ' + c.dataset.n).toLowerCase(), state: c.dataset.s, a: +c.dataset.a })),
  }));
  let active = false;
  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const which = $('#which').value;
    const now = words.length > 0 || which !== 'all';
    let shown = 0, all = 0;
    for (const d of devices) {
      let here = 0;
      for (const c of d.cards) {
        const fits = words.every((w) => c.text.includes(w)) &&
          (which === 'all' || (which === 'anomalies' ? c.a > 0 : which === 'trouble' ? c.state !== 'scored' : c.state === 'scored' && c.a === 0));
        c.el.hidden = !fits;
        if (fits) here++;
        all++;
      }
      shown += here;
      d.el.hidden = here === 0;
      if (now && !active) d.wasOpen = d.el.open;
      if (now) d.el.open = here > 0 && shown <= 400;
      else if (active) d.el.open = d.wasOpen;
    }
    active = now;
    $('#shown').textContent = now ? shown.toLocaleString('en-US') + ' of ' + all.toLocaleString('en-US') + ' sensors' : '';
    $('#none').hidden = shown > 0 || all === 0;
  };
  find.addEventListener('input', filter);
  $('#which').addEventListener('change', filter);
  $('#open').addEventListener('click', () => devices.forEach((d) => { d.el.open = true; }));
  $('#close').addEventListener('click', () => devices.forEach((d) => { d.el.open = false; }));
  clearFilter = () => { find.value = ''; $('#which').value = 'all'; filter(); };
  $('#tools').hidden = false;
  filter();
}
const reveal = () => {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (!target) return;
  if (target.closest('[hidden]')) clearFilter();
  const device = target.closest('details');
  if (device) device.open = true;
  target.scrollIntoView({ block: 'start' });
};
addEventListener('hashchange', reveal);
document.addEventListener('click', (e) => {
  const link = e.target.closest ? e.target.closest('a[href^="#"]') : null;
  if (link && link.getAttribute('href') === location.hash) { e.preventDefault(); reveal(); }
});

// A list of devices: the same filter over its rows, and columns that sort.
const list = $('#list');
if (list) {
  const rows = $$('tbody tr', list).map((el) => ({ el: el, text: el.dataset.d.toLowerCase(), a: +el.dataset.a, bad: +el.dataset.b }));
  const pick = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean), which = $('#which').value;
    let shown = 0;
    for (const row of rows) {
      const fits = words.every((w) => row.text.includes(w)) && (which === 'all' || (which === 'anomalies' ? row.a > 0 : which === 'trouble' ? row.bad > 0 : row.a === 0 && row.bad === 0));
      row.el.hidden = !fits;
      if (fits) shown++;
    }
    $('#shown').textContent = shown < rows.length ? shown.toLocaleString('en-US') + ' of ' + rows.length.toLocaleString('en-US') + ' devices' : '';
    $('#none').hidden = shown > 0 || rows.length === 0;
  };
  find.addEventListener('input', pick);
  $('#which').addEventListener('change', pick);
  const names = new Intl.Collator('en', { numeric: true });
  const heads = $$('thead th', list);
  heads.forEach((th, at) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = th.textContent;
    th.replaceChildren(button);
    button.addEventListener('click', () => {
      const down = th.getAttribute('aria-sort') === (at ? 'descending' : 'ascending') ? (at ? 1 : -1) : (at ? -1 : 1);
      for (const other of heads) other.removeAttribute('aria-sort');
      th.setAttribute('aria-sort', down < 0 ? 'descending' : 'ascending');
      const value = (row) => row.el.cells[at].dataset.v;
      rows.sort((x, y) => down * (at ? value(x) - value(y) : names.compare(x.el.dataset.d, y.el.dataset.d)));
      $('tbody', list).append(...rows.map((row) => row.el));
    });
  });
  $('#tools').hidden = false;
}
`;
