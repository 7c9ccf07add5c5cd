/**
 * A pool over a span of time as one HTML page: charts of batches, workers and work, the life of every node, and
 * what was promised and measured. It works from a file, offline, without any script, under a strict policy.
 */
import { createHash } from 'node:crypto';
import { formatCount, formatMs, formatNumberOf, formatPeriod } from '../format.ts';
import { html, trusted, type Markup } from '../page/markup.ts';
import { cell, chip, documentHead, numberCell, row, scrollTable, section, tile, tiles } from '../page/parts.ts';
import { PAGE_STYLE } from '../page/style.ts';
import { poolChart } from './chart.ts';
import { nodeSteps, type PoolPageData } from './data.ts';

/** Beside the style of the other pages: the same palette, light and dark. */
const STYLE = `${PAGE_STYLE}
.pool{display:block;width:100%;height:auto;min-width:640px}.panel.draw{padding:14px 16px 8px}
.pool .name{font-size:12.5px;fill:var(--ink);font-weight:600}.pool .lane{font-size:11px;fill:var(--soft)}
.pool .tick{font-size:11px;fill:var(--soft)}
.pool .grid{fill:none;stroke:var(--rule)}.pool .base{fill:none;stroke:var(--edge)}
.pool .due{fill:none;stroke:var(--fault);stroke-dasharray:3 4}
.pool .mark{fill:none;stroke:var(--hit);stroke-width:1.4}.pool .marked{font-size:11px;fill:var(--hit)}
.pool .lost{fill:none;stroke:var(--hit);stroke-width:2}
.pool .coming{fill:var(--warnbg);stroke:var(--warn);stroke-width:.8}.pool .ready{fill:var(--series);fill-opacity:.45}
.pool .busy{fill:var(--series)}
.pool .target{fill:none;stroke:var(--ink);stroke-width:1.2;stroke-dasharray:5 3}.pool .togo{fill:var(--h2)}
.pool .tasks{fill:var(--h4)}
.pool .batch{fill:var(--fault);fill-opacity:.55}.pool .batch.completed{fill:var(--ok);fill-opacity:.6}
.pool .batch.failed{fill:var(--bad)}
.says{list-style:none;margin:0;padding:6px 16px}.says li{padding:7px 0;border-top:1px solid var(--rule)}
.says li:first-child{border-top:0}.says b{font-weight:600}
.says .y{color:var(--ok);font-weight:700}.says .n{color:var(--bad);font-weight:700}.says span{color:var(--soft)}
.key i{display:inline-block;width:14px;height:10px;margin-right:6px;border-radius:2px;vertical-align:-1px}
.key .kc{background:var(--warnbg);border:1px solid var(--warn)}.key .kr{background:var(--series);opacity:.45}
.key .kb{background:var(--series)}.key .kt{border-top:2px dashed var(--ink);height:0;vertical-align:3px}
.key .kd{border-left:2px dashed var(--fault);width:4px;margin-left:6px}
`;

/** What the page may do: show its own style and icon; no script at all. */
export const POOL_PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE, 'utf8').digest('base64')}'`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const POOL_ICON = trusted(
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20'%3E" +
    "%3Cpath d='M2 17v-5h4v5zM8 17V7h4v10zM14 17V3h4v14z' fill='%233a6f9f'/%3E%3C/svg%3E",
);

/** The page as text. Pure: the same data gives the same bytes. */
export function renderPoolPage(data: PoolPageData): string {
  const whole = { fromMs: Math.floor(data.fromMs / 1_000) * 1_000, toMs: Math.floor(data.toMs / 1_000) * 1_000 };
  return html`<!doctype html>
    <html lang="en">
      <head>
        ${documentHead(POOL_PAGE_POLICY, `Pool ${data.pool}, ${formatPeriod(whole)}`, POOL_ICON)}
        <style>${trusted(STYLE)}</style>
      </head>
      <body>
        <header>
          <div class="brand">fleetscore pool report</div>
          <h1>Pool ${data.pool} <small>${formatPeriod(whole)}</small></h1>
          <div class="facts">${data.facts.map(([name, value]) => html`<span>${name} <b>${value}</b></span>`)}</div>
          ${poolTiles(data)}
        </header>
        <main>
          ${section('over', 'Over time', OVER_LEAD, drawing(data))}
          ${data.statements.length > 0 && statementSection(data)}
          ${batchTable(data)}
        </main>
        <footer><p>Made by fleetscore.</p></footer>
      </body>
    </html>
`.markup;
}

const OVER_LEAD = 'Times in UTC. Hold the pointer over a bar for its details.';

function poolTiles({ nodes, batches, statements, fromMs, toMs, maxNodes }: PoolPageData): Markup {
  const kept = statements.filter((statement) => statement.ok).length;
  const lifeMs = (node: PoolPageData['nodes'][number]): number =>
    Math.max(0, Math.min(toMs, node.endedAtMs ?? toMs) - Math.max(fromMs, node.billedFromMs ?? node.requestedAtMs));
  const nodeMs = nodes.reduce((sum, node) => sum + lifeMs(node), 0);
  const most = Math.max(0, ...nodeSteps(nodes, { fromMs, toMs }).map((step) => step.ready));
  const allowed = maxNodes === undefined ? 'at the most' : `at the most; ${formatCount(maxNodes)} allowed`;
  const sensors = formatCount(batches.reduce((sum, batch) => sum + batch.sensors, 0));
  const all = kept === statements.length;
  return tiles(
    tile('Batches', formatCount(batches.length), `${sensors} sensors`),
    tile('Workers at once', formatCount(most), allowed),
    tile('Node time', formatMs(nodeMs), `${formatNumberOf(nodes.length, 'node')} in ${formatMs(toMs - fromMs)}`),
    statements.length > 0 &&
      tile('Promises kept', `${kept} of ${statements.length}`, all ? 'all of them' : 'see below', all ? 'ok' : 'bad'),
  );
}

function drawing(data: PoolPageData): Markup {
  return html`
    <div class="panel draw">
      <div class="scroll">${poolChart(data)}</div>
      <div class="legend key">
        <span><i class="kc"></i>coming</span>
        <span><i class="kr"></i>ready</span>
        <span><i class="kb"></i>busy</span>
        <span><i class="kt"></i>wanted</span>
        <span><i class="kd"></i>batch due</span>
      </div>
    </div>`;
}

function statementSection({ statements }: PoolPageData): Markup {
  const lines = statements.map(
    ({ ok, text, measured }) =>
      html`<li><b class="${ok ? 'y' : 'n'}">${ok ? '✓' : '✗'}</b> <b>${text}</b> <span>${measured}</span></li>`,
  );
  const list = html`<div class="panel"><ul class="says">${lines}</ul></div>`;
  return section('said', 'What was promised, and measured', '', list);
}

const clock = (ms: number | undefined): string => (ms === undefined ? '' : new Date(ms).toISOString().slice(11, 19));

function batchTable({ batches }: PoolPageData): Markup | false {
  if (batches.length === 0) return false;
  const rows = batches.map((batch) =>
    row(
      cell('mono', batch.id),
      cell('nw', clock(batch.dueMs)),
      cell('nw', clock(batch.startedAtMs)),
      cell('nw', clock(batch.finishedAtMs)),
      numberCell(formatCount(batch.sensors)),
      html`<td>${chip(batch.status)}</td>`,
    ),
  );
  const head = [
    { title: 'Batch' },
    { title: 'Due' },
    { title: 'Started' },
    { title: 'Finished' },
    { title: 'Sensors', number: true },
    { title: 'Status' },
  ];
  return section('batches', 'Batches', '', scrollTable('batches', head, rows));
}
