/** Heat map of the page: what a slice says, to pointer and keys. Part of script.ts. */
export const HEAT_SCRIPT = String.raw`// The heat map is drawn already; the tip tells the numbers of a slice. Arrow keys walk from slice to slice,
// Enter or a click goes to what the slice stands for.
const heat = $('#heat');
if (heat) {
  const grid = $('.rows', heat), strips = $$('.strip', heat), n = D.heat.n;
  let cell = null;
  const words = (r, i) => {
    const row = D.heat.rows[r], windows = row.w[i], bad = row.a[i];
    const when = D.heat.label ? D.heat.label[i] : clock(D.from + span * i / n) + ' to ' + clock(D.from + span * (i + 1) / n) + ' UTC';
    return [windows ? bad + ' of ' + windows + (windows === 1 ? ' window' : ' windows') + ' anomalous' : 'no windows scored', when];
  };
  const unmark = () => { for (const m of $$('.at', heat)) m.remove(); cell = null; };
  const mark = (r, i) => {
    unmark();
    cell = [r, i];
    const strip = strips[r], box = strip.viewBox.baseVal;
    strip.append(node('rect', { class: 'at', x: i, y: 0, width: 1, height: box.height, 'vector-effect': 'non-scaling-stroke' }));
  };
  const follow = (r, i) => {
    const row = D.heat.rows[r], folder = D.heat.to && D.heat.to[i];
    if (D.heat.to && !row.w[i]) return;
    if (folder && row.f) location.href = folder + row.f;
    else if (folder && row.all) location.href = folder + 'index.html';
    else if (strips[r].previousElementSibling.href) strips[r].previousElementSibling.click();
  };
  const sliceAt = (strip, x) => {
    const at = strip.getBoundingClientRect();
    return Math.max(0, Math.min(n - 1, Math.floor((x - at.left) / at.width * n)));
  };
  heat.addEventListener('pointermove', (e) => {
    const strip = e.target.closest('.strip');
    if (!strip) return hideTip();
    const r = strips.indexOf(strip), i = sliceAt(strip, e.clientX);
    showTip(e.clientX, strip.getBoundingClientRect().top + 4, words(r, i), D.heat.rows[r].a[i] > 0);
  });
  heat.addEventListener('pointerleave', hideTip);
  heat.addEventListener('click', (e) => {
    const strip = e.target.closest('.strip');
    if (strip) follow(strips.indexOf(strip), sliceAt(strip, e.clientX));
  });
  grid.addEventListener('focusout', (e) => { if (e.target === grid) { unmark(); hideTip(); } });
  grid.addEventListener('keydown', (e) => {
    if (e.target !== grid || e.ctrlKey || e.metaKey || e.altKey) return;
    let r = cell ? cell[0] : 0, i = cell ? cell[1] : n - 1;
    const step = e.shiftKey ? 10 : 1;
    if (e.key === 'Enter' && cell) return follow(r, i);
    if (cell || !/^Arrow/.test(e.key)) {
      if (e.key === 'ArrowRight') i += step;
      else if (e.key === 'ArrowLeft') i -= step;
      else if (e.key === 'ArrowDown') r += step;
      else if (e.key === 'ArrowUp') r -= step;
      else if (e.key === 'Home') i = 0;
      else if (e.key === 'End') i = n - 1;
      else if (e.key === 'n') { do i++; while (i < n && !D.heat.rows[r].a[i]); if (i >= n) i = cell ? cell[1] : 0; }
      else if (e.key === 'p') { do i--; while (i >= 0 && !D.heat.rows[r].a[i]); if (i < 0) i = cell ? cell[1] : 0; }
      else return;
    }
    e.preventDefault();
    r = Math.max(0, Math.min(strips.length - 1, r));
    i = Math.max(0, Math.min(n - 1, i));
    mark(r, i);
    strips[r].scrollIntoView({ block: 'nearest' });
    const at = strips[r].getBoundingClientRect(), lines = words(r, i);
    const name = strips[r].previousElementSibling.textContent;
    showTip(at.left + (i + 0.5) / n * at.width, at.top + 4, lines, D.heat.rows[r].a[i] > 0);
    say.textContent = name + ': ' + lines.join(', ');
  });
}
`;
