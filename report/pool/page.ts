/**
 * A pool over a span of time as one HTML page: charts of batches, workers and work, the life of every node, and
 * what was promised and measured. It works from a file, offline, without any script, under a strict policy.
 */
import { createHash } from 'node:crypto';
import { formatCount, formatMs, formatNumberOf, formatPeriod } from '../format.ts';
import { html, trusted, type Markup } from '../page/markup.ts';
import { PAGE_STYLE } from '../page/style.ts';
import { poolChart } from './chart.ts';
import { nodeSteps, type PoolPageData } from './data.ts';

/** Beside the style of the other pages: the same palette, light and dark. */
const STYLE = `${PAGE_STYLE}
.pool{display:block;width:100%;height:auto;min-width:640px}.panel.draw{padding:14px 16px 8px}
.pool .name{font-size:12.5px;fill:var(--ink);font-weight:600}.pool .lane{font-size:11px;fill:var(--soft)}.pool .tick{font-size:11px;fill:var(--soft)}
.pool .grid{fill:none;stroke:var(--rule)}.pool .base{fill:none;stroke:var(--edge)}.pool .due{fill:none;stroke:var(--fault);stroke-dasharray:3 4}
.pool .mark{fill:none;stroke:var(--hit);stroke-width:1.4}.pool .marked{font-size:11px;fill:var(--hit)}.pool .lost{fill:none;stroke:var(--hit);stroke-width:2}
.pool .coming{fill:var(--warnbg);stroke:var(--warn);stroke-width:.8}.pool .ready{fill:var(--series);fill-opacity:.45}.pool .busy{fill:var(--series)}
.pool .target{fill:none;stroke:var(--ink);stroke-width:1.2;stroke-dasharray:5 3}.pool .togo{fill:var(--h2)}.pool .tasks{fill:var(--h4)}
.pool .batch{fill:var(--fault);fill-opacity:.55}.pool .batch.completed{fill:var(--ok);fill-opacity:.6}.pool .batch.failed{fill:var(--bad)}
.says{list-style:none;margin:0;padding:6px 16px}.says li{padding:7px 0;border-top:1px solid var(--rule)}.says li:first-child{border-top:0}.says b{font-weight:600}
.says .y{color:var(--ok);font-weight:700}.says .n{color:var(--bad);font-weight:700}.says span{color:var(--soft)}
.key i{display:inline-block;width:14px;height:10px;margin-right:6px;border-radius:2px;vertical-align:-1px}
.key .kc{background:var(--warnbg);border:1px solid var(--warn)}.key .kr{background:var(--series);opacity:.45}.key .kb{background:var(--series)}.key .kt{border-top:2px dashed var(--ink);height:0;vertical-align:3px}.key .kd{border-left:2px dashed var(--fault);width:4px;margin-left:6px}
`;

/** What the page may do: show its own style and icon; no script at all. */
export const POOL_PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE, 'utf8').digest('base64')}'; img-src data:; base-uri 'none'; form-action 'none'`;

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20'%3E%3Cpath d='M2 17v-5h4v5zM8 17V7h4v10zM14 17V3h4v14z' fill='%233a6f9f'/%3E%3C/svg%3E";

/** The page as text. Pure: the same data gives the same bytes. */
export function renderPoolPage(data: PoolPageData): string {
  const kept = data.statements.filter((statement) => statement.ok).length;
  const steps = nodeSteps(data.nodes, data);
  const nodeMs = data.nodes.reduce(
    (sum, node) =>
      sum + Math.max(0, Math.min(data.toMs, node.endedAtMs ?? data.toMs) - Math.max(data.fromMs, node.requestedAtMs)),
    0,
  );
  const most = Math.max(0, ...steps.map((step) => step.ready));
  const whole = { fromMs: Math.floor(data.fromMs / 1_000) * 1_000, toMs: Math.floor(data.toMs / 1_000) * 1_000 };
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${trusted(POOL_PAGE_POLICY)}">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer"><title>Pool ${data.pool}, ${formatPeriod(whole)}</title>
<link rel="icon" href="${trusted(ICON)}"><style>${trusted(STYLE)}</style></head><body>
<header><div class="brand">fleetscore pool report</div><h1>Pool ${data.pool} <small>${formatPeriod(whole)}</small></h1>
<div class="facts">${data.facts.map(([name, value]) => html`<span>${name} <b>${value}</b></span>`)}</div>
<dl class="tiles">${tile('Batches', formatCount(data.batches.length), `${formatCount(data.batches.reduce((sum, batch) => sum + batch.sensors, 0))} sensors`)}${tile('Workers at once', formatCount(most), data.maxNodes === undefined ? 'at the most' : `at the most; ${formatCount(data.maxNodes)} allowed`)}${tile('Node time', formatMs(nodeMs), `${formatNumberOf(data.nodes.length, 'node')} in ${formatMs(data.toMs - data.fromMs)}`)}${data.statements.length > 0 && tile('Promises kept', `${kept} of ${data.statements.length}`, kept === data.statements.length ? 'all of them' : 'see below', kept === data.statements.length ? 'ok' : 'bad')}</dl></header>
<main><section aria-labelledby="over"><h2 id="over">Over time</h2><p class="lead">Times in UTC. Hold the pointer over a bar for its details.</p>
<div class="panel draw"><div class="scroll">${poolChart(data)}</div>
<div class="legend key"><span><i class="kc"></i>coming</span><span><i class="kr"></i>ready</span><span><i class="kb"></i>busy</span><span><i class="kt"></i>wanted</span><span><i class="kd"></i>batch due</span></div></div></section>
${data.statements.length > 0 && html`<section aria-labelledby="said"><h2 id="said">What was promised, and measured</h2><div class="panel"><ul class="says">${data.statements.map(({ ok, text, measured }) => html`<li><b class="${ok ? 'y' : 'n'}">${ok ? '✓' : '✗'}</b> <b>${text}</b> <span>${measured}</span></li>`)}</ul></div></section>`}
${batchTable(data)}</main>
<footer><p>Made by fleetscore.</p></footer></body></html>
`.markup;
}

function tile(name: string, big: string, small: string, tone = ''): Markup {
  return html`<div class="tile ${tone}"><dt>${name}</dt><dd class="big">${big}</dd><dd>${small}</dd></div>`;
}

const clock = (ms: number | undefined): string => (ms === undefined ? '' : new Date(ms).toISOString().slice(11, 19));

function batchTable({ batches }: PoolPageData): Markup | false {
  if (batches.length === 0) return false;
  const rows = batches.map(
    (batch) =>
      html`<tr><td class="mono">${batch.id}</td><td class="nw">${clock(batch.dueMs)}</td><td class="nw">${clock(batch.startedAtMs)}</td><td class="nw">${clock(batch.finishedAtMs)}</td><td class="num">${formatCount(batch.sensors)}</td><td><span class="chip ${batch.status}">${batch.status}</span></td></tr>`,
  );
  return html`<section aria-labelledby="batches"><h2 id="batches">Batches</h2><div class="panel scroll"><table><thead><tr><th>Batch</th><th>Due</th><th>Started</th><th>Finished</th><th class="num">Sensors</th><th>Status</th></tr></thead><tbody>${rows}</tbody></table></div></section>`;
}
