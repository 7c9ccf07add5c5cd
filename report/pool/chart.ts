/**
 * The charts of a pool over one axis of time, as SVG without script: batches, nodes and workers, work that waits,
 * and the life of every node. Widths are in units of the drawing; the page scales it.
 */
import { timeTicks } from '../charts/chart-data.ts';
import { formatCount, formatMs } from '../format.ts';
import { html, type Markup } from '../page/markup.ts';
import { nodeSteps, type PoolBatch, type PoolNodeLife, type PoolPageData } from './data.ts';

const WIDTH = 1_000;
const LEFT = 92;
const RIGHT = 12;
const PLOT = 96;
const LANE = 20;
const GAP = 40;
/** Lanes drawn of each kind; the table has the rest. */
const MOST_LANES = 40;

interface Frame {
  readonly x: (ms: number) => number;
  readonly right: number;
}

const round = (n: number): string => String(Math.round(n * 10) / 10);

/** The whole drawing, and what it shows in words. */
export function poolChart(data: PoolPageData): Markup {
  const span = Math.max(1, data.toMs - data.fromMs);
  const x = (ms: number): number =>
    LEFT + ((Math.min(data.toMs, Math.max(data.fromMs, ms)) - data.fromMs) / span) * (WIDTH - LEFT - RIGHT);
  const frame: Frame = { x, right: WIDTH - RIGHT };
  let y = 26;
  const parts: Markup[] = [];
  const place = (title: string, height: number, draw: (top: number) => Markup): void => {
    parts.push(html`<text class="name" x="0" y="${y - 10}">${title}</text>${draw(y)}`);
    y += height + GAP;
  };
  const batches = data.batches.slice(0, MOST_LANES);
  const nodes = data.nodes.slice(0, MOST_LANES);
  if (batches.length > 0)
    place(
      'Batches',
      batches.length * LANE,
      (top) => html`${batches.map((batch, i) => batchLane(batch, top + i * LANE, data, frame))}`,
    );
  place('Nodes and their workers', PLOT, (top) => workerPlot(data, top, frame));
  place('Sensors to go', PLOT, (top) =>
    stepPlot(
      data.looks.map(({ atMs, sensorsToGo }) => [atMs, sensorsToGo]),
      'togo',
      top,
      data,
      frame,
    ),
  );
  place('Tasks that wait in the queue', PLOT * 0.6, (top) =>
    stepPlot(
      data.looks.map(({ atMs, tasks }) => [atMs, tasks]),
      'tasks',
      top,
      data,
      frame,
      PLOT * 0.6,
    ),
  );
  if (nodes.length > 0)
    place(
      'The life of each node',
      nodes.length * LANE,
      (top) => html`${nodes.map((node, i) => nodeLane(node, top + i * LANE, data, frame))}`,
    );
  const bottom = y - GAP + 4;
  const ticks = timeTicks(data, 8).map(([offset, label]) => {
    const at = round(x(data.fromMs + offset));
    return html`
      <path class="grid" d="M${at} 14V${bottom}"/>
      <text class="tick" x="${at}" y="${bottom + 14}" text-anchor="middle">${label}</text>`;
  });
  const due = data.batches.flatMap(({ id, dueMs }) =>
    dueMs === undefined
      ? []
      : [html`<path class="due" d="M${round(x(dueMs))} 14V${bottom}"><title>due ${clock(dueMs)}: ${id}</title></path>`],
  );
  const marks = data.marks.map(
    ({ atMs, text }) => html`
      <path class="mark" d="M${round(x(atMs))} 14V${bottom}"><title>${text}</title></path>
      <text class="marked" x="${round(x(atMs) + 4)}" y="12">${text}</text>`,
  );
  const label = `Batches, workers and work of pool ${data.pool} over time`;
  return html`
    <svg class="pool" viewBox="0 0 ${WIDTH} ${Math.ceil(bottom + 22)}" role="img" aria-label="${label}">
      ${ticks}${due}${parts}${marks}
    </svg>`;
}

const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 19);

function batchLane(batch: PoolBatch, top: number, data: PoolPageData, { x }: Frame): Markup {
  const from = x(batch.startedAtMs);
  const to = x(batch.finishedAtMs ?? data.toMs);
  const took =
    batch.finishedAtMs === undefined ? 'still running' : `took ${formatMs(batch.finishedAtMs - batch.startedAtMs)}`;
  const text = `${formatCount(batch.sensors)} sensors, ${took}`;
  // Where the bar is near the right edge its words stand before it.
  const right = to > WIDTH * 0.72;
  const box = { from, to: Math.max(from + 2, to), top, round: 3 };
  return html`
    ${bar(`batch ${batch.status}`, box, html`<title>${batch.id}: ${text}</title>`)}
    ${laneText(text, right ? from - 6 : to + 6, top, right)}`;
}

interface Bar {
  readonly from: number;
  readonly to: number;
  readonly top: number;
  readonly round: number;
}

function bar(kind: string, { from, to, top, round: corner }: Bar, content: Markup | '' = ''): Markup {
  const place = html`x="${round(from)}" y="${top + 3}" width="${round(to - from)}" height="${LANE - 7}"`;
  return html`<rect class="${kind}" ${place} rx="${corner}">${content}</rect>`;
}

/** @param before the words end at `x` instead of beginning there */
function laneText(text: string, x: number, top: number, before: boolean): Markup {
  const anchor = before && html` text-anchor="end"`;
  return html`<text class="lane" x="${round(x)}" y="${top + 14}"${anchor}>${text}</text>`;
}

function nodeLane(node: PoolNodeLife, top: number, data: PoolPageData, { x }: Frame): Markup {
  const asked = x(node.requestedAtMs);
  const end = x(node.endedAtMs ?? data.toMs);
  const ready = Math.min(end, x(node.readyAtMs ?? node.endedAtMs ?? data.toMs));
  const ended = node.lost ? (node.end ?? 'lost') : 'let go';
  const words = node.endedAtMs === undefined ? 'lives' : ended;
  const right = end > WIDTH * 0.8;
  const spin =
    node.readyAtMs === undefined ? 'never ready' : `ready after ${formatMs(node.readyAtMs - node.requestedAtMs)}`;
  const lost = node.lost === true && html`<path class="lost" d="M${round(end - 4)} ${top + 5}l8 8m0 -8l-8 8"/>`;
  return html`
    <g>
      <title>${node.id}: ${spin}, ${node.end ?? words}</title>
      ${bar('coming', { from: asked, to: Math.max(asked + 1, ready), top, round: 2 })}
      ${bar('ready', { from: ready, to: Math.max(ready, end), top, round: 2 })}
      ${lost}
      ${laneText(words, right ? asked - 6 : end + 8, top, right)}
    </g>`;
}

function axis(most: number, top: number, height: number, right: number): Markup {
  const label = (text: string, y: number): Markup =>
    html`<text class="tick" x="${LEFT - 8}" y="${round(y)}" text-anchor="end">${text}</text>`;
  return html`
    <path class="base" d="M${LEFT} ${round(top + height)}H${right}"/>
    <path class="grid" d="M${LEFT} ${round(top)}H${right}"/>
    ${label(formatCount(most), top + 4)}
    ${label('0', top + height + 4)}`;
}

/** An area of steps: each value holds until the next one. */
function area(
  points: readonly (readonly [number, number])[],
  most: number,
  top: number,
  height: number,
  data: PoolPageData,
  { x }: Frame,
): string {
  const base = round(top + height);
  const at = (value: number): string => round(top + height - (Math.min(most, value) / most) * height);
  const first = points[0];
  if (!first) return '';
  return (
    `M${round(x(first[0]))} ` +
    `${base}${points.map(([ms, value]) => `H${round(x(ms))}V${at(value)}`).join('')}H${round(x(data.toMs))}V` +
    `${base}Z`
  );
}

function workerPlot(data: PoolPageData, top: number, frame: Frame): Markup {
  const steps = nodeSteps(data.nodes, data);
  const most = Math.max(
    1,
    data.maxNodes ?? 0,
    ...steps.map((step) => step.coming + step.ready),
    ...data.looks.map((look) => look.target),
  );
  const draw = (name: string, points: readonly (readonly [number, number])[]): Markup =>
    html`<path class="${name}" d="${area(points, most, top, PLOT, data, frame)}"/>`;
  const target = data.looks
    .map(
      (look, i) =>
        `${i === 0 ? 'M' : 'H'}${round(frame.x(look.atMs))}${i === 0 ? ' ' : 'V'}` +
        round(top + PLOT - (look.target / most) * PLOT),
    )
    .join('');
  return html`${axis(most, top, PLOT, frame.right)}${draw(
    'coming',
    steps.map((step) => [step.atMs, step.coming + step.ready]),
  )}${draw(
    'ready',
    steps.map((step) => [step.atMs, step.ready]),
  )}${draw(
    'busy',
    data.looks.map((look) => [look.atMs, look.busy]),
  )}${target !== '' && html`<path class="target" d="${target}H${round(frame.x(data.toMs))}"/>`}`;
}

function stepPlot(
  points: readonly (readonly [number, number])[],
  name: string,
  top: number,
  data: PoolPageData,
  frame: Frame,
  height = PLOT,
): Markup {
  const most = Math.max(1, ...points.map(([, value]) => value));
  return html`
    ${axis(most, top, height, frame.right)}
    <path class="${name}" d="${area(points, most, top, height, data, frame)}"/>`;
}
