/**
 * A batch as text for a terminal: what a person wants to know first, device by device, then faults,
 * failures and totals. No line is wider than the terminal; colour only underlines what the text says.
 */
import pc from 'picocolors';
import type { OutcomeStatus } from '../domain/outcome.ts';
import { DAY_MS, plainTime } from '../domain/time.ts';
import {
  groupByDevice,
  type BatchData,
  type ReportBatch,
  type ReportOutcome,
  type ReportSensor,
} from './collect/batch-data.ts';
import { density, sparkline } from './charts/density.ts';
import { matchFaults, type FaultMatch, type MatchedFault } from './collect/faults.ts';
import { formatCount, formatDelay, formatMs, formatNumberOf, formatPeriod, formatShare, formatTime } from './format.ts';
import { renderTable, type Colors, type TerminalOptions } from './table.ts';
import { cutText, fitText, harmless, textWidth, wrapText } from './text-width.ts';

export interface BatchTextOptions extends TerminalOptions {
  /** Most sensor lines; above it, those with nothing to say are left out, then the least telling. @default 60 */
  readonly maxRows?: number;
  /** Quiet sensors are counted, not listed. */
  readonly onlyWrong?: boolean;
  /**
   * Alarms in words, where somebody has decided on them: then they are told in place of the list of sensors and of the
   * faults that were found, so that what is wrong is said once.
   */
  readonly alarms?: readonly string[];
}

const MARKS: Readonly<Record<OutcomeStatus, string>> = { scored: '✓', skipped: '–', failed: '✗', cancelled: '■' };
const TOP_CAUSES = 5;

/** The whole text, without a newline at the end. */
export function renderBatch(data: BatchData, options: BatchTextOptions): string {
  const colors = pc.createColors(options.color);
  const match = data.faults && matchFaults(data.faults, data.sensors, data);
  const { alarms } = options;
  const missed = match && { ...match, faults: match.faults.filter(({ found }) => !found) };
  const listed = alarms ? missed : match;
  const parts = [
    head(data, options, colors),
    alarms ? [] : sensorLines(data, options, colors),
    listed ? faultLines(listed, options, colors) : [],
    causeLines(data, options, colors),
    totalLines(data, match, options, colors),
    alarms ? alarmLines(alarms, options, colors) : [],
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function paintStatus(status: OutcomeStatus, colors: Colors): (text: string) => string {
  if (status === 'failed') return colors.red;
  return status === 'scored' ? colors.green : colors.yellow;
}

function batchLine(batch: ReportBatch): string {
  const took = batch.finishedAtMs === undefined ? '' : ` · took ${formatMs(batch.finishedAtMs - batch.startedAtMs)}`;
  const kind = batch.kind === 'score' ? '' : ` · ${batch.kind}${batch.supersedes ? ` of ${batch.supersedes}` : ''}`;
  return (
    `${batch.status} · release ` +
    `${batch.release}${batch.schedule ? ` · schedule ${batch.schedule}` : ''}${kind}${took}`
  );
}

function head(data: BatchData, { width }: TerminalOptions, colors: Colors): string[] {
  const lines = [cutText(harmless(`Period ${formatPeriod(data)}`), width)].map(colors.bold);
  for (const batch of data.batches.slice(0, 8)) {
    const id = cutText(harmless(batch.id), width - 2);
    const rest = ` ${harmless(batchLine(batch))}`;
    if (textWidth(id) + textWidth(rest) + 2 <= width) lines.push(`  ${id} ${colors.dim(rest.slice(1))}`);
    else lines.push(`  ${id}`, ...wrapText(rest.slice(1), width - 4).map((line) => `    ${colors.dim(line)}`));
  }
  if (data.batches.length > 8) lines.push(colors.dim(`  and ${formatCount(data.batches.length - 8)} more batches`));
  for (const problem of data.problems)
    lines.push(...wrapText(harmless(`! ${problem}`), width).map((line) => colors.yellow(line)));
  return lines;
}

/** `✓ scored`, `✗ failed model_corrupt: not an ONNX file`, `– skipped no_data (1 of 4)` */
function outcomeText(outcome: ReportOutcome): string {
  const some =
    outcome.batchesWithStatus < outcome.batches ? ` (${outcome.batchesWithStatus} of ${outcome.batches})` : '';
  const reason = outcome.class === undefined ? '' : ` ${outcome.class}`;
  const message = outcome.status !== 'scored' && outcome.message ? `: ${outcome.message}` : '';
  return harmless(`${MARKS[outcome.status]} ${outcome.status}${some}${reason}${message}`);
}

interface Chosen {
  readonly sensors: readonly ReportSensor[];
  /** Left out though anomalous or not scored; left out because all was well. */
  readonly hiddenTelling: number;
  readonly hiddenQuiet: number;
}

function chooseSensors({ sensors }: BatchData, { maxRows = 60, onlyWrong = false }: BatchTextOptions): Chosen {
  if (!onlyWrong && sensors.length <= maxRows) return { sensors, hiddenTelling: 0, hiddenQuiet: 0 };
  const telling = sensors.filter((sensor) => sensor.anomalies > 0 || sensor.status !== 'scored');
  const hiddenQuiet = sensors.length - telling.length;
  const trouble = telling.filter((sensor) => sensor.status !== 'scored').slice(0, Math.floor(maxRows / 2));
  const anomalous = telling
    .filter((sensor) => !trouble.includes(sensor))
    .sort((a, b) => b.anomalies - a.anomalies)
    .slice(0, maxRows - trouble.length);
  const kept = new Set([...trouble, ...anomalous]);
  return {
    sensors: telling.filter((sensor) => kept.has(sensor)),
    hiddenTelling: telling.length - kept.size,
    hiddenQuiet,
  };
}

function sensorLines(data: BatchData, options: BatchTextOptions, colors: Colors): string[] {
  const { width } = options;
  const chosen = chooseSensors(data, options);
  if (data.sensors.length === 0) return [colors.dim('No sensor was planned.')];
  if (chosen.sensors.length === 0 && data.omitted === 0)
    return [colors.green(`All ${formatCount(data.sensors.length)} sensors were scored, none has an anomaly.`)];
  const { sensors } = chosen;
  const countWidth = (title: string, of: (sensor: ReportSensor) => number): number =>
    sensors.reduce((widest, sensor) => Math.max(widest, formatCount(of(sensor)).length), title.length);
  const windowsWidth = countWidth('windows', (sensor) => sensor.windows);
  const anomaliesWidth = countWidth('anomalies', (sensor) => sensor.anomalies);
  const longest = sensors.reduce((widest, sensor) => Math.max(widest, textWidth(harmless(sensor.sensor)) + 2), 8);
  const nameWidth = Math.min(longest, Math.max(12, Math.floor(width * 0.25)));
  const outcomes = sensors.map(outcomeText);
  const free = width - nameWidth - windowsWidth - anomaliesWidth - 8; // four gaps of two
  const longestOutcome = outcomes.reduce((widest, text) => Math.max(widest, textWidth(text)), 'outcome'.length);
  const sparkWidth = Math.min(
    48,
    Math.max(8, Math.min(free - longestOutcome, Math.floor(free * 0.55)), Math.floor(free * 0.4)),
  );
  const outcomeWidth = free - sparkWidth;
  const row = (cells: readonly [string, string, string, string, string]): string =>
    [
      fitText(cells[0], nameWidth),
      fitText(cells[1], windowsWidth, 'right'),
      fitText(cells[2], anomaliesWidth, 'right'),
      cells[3],
      cells[4],
    ].join('  ');
  const lines = [colors.dim(row(['sensor', 'windows', 'anomalies', timeAxis(data, sparkWidth), 'outcome']).trimEnd())];
  let at = 0;
  for (const group of groupByDevice(sensors)) {
    lines.push(colors.bold(cutText(harmless(group.device), width)));
    for (const sensor of group.sensors) {
      const line = sparkline(density([sensor.series], data, sparkWidth));
      const spark = line.replace(/[▁-█]+/gu, (bars) => colors.yellow(bars)).replace(/·+/gu, (dots) => colors.dim(dots));
      const outcome = paintStatus(sensor.status, colors)(cutText(outcomes[at++]!, outcomeWidth));
      const anomalies = fitText(formatCount(sensor.anomalies), anomaliesWidth, 'right');
      lines.push(
        [
          fitText(`  ${harmless(sensor.sensor)}`, nameWidth),
          fitText(formatCount(sensor.windows), windowsWidth, 'right'),
          sensor.anomalies > 0 ? colors.yellow(anomalies) : colors.dim(anomalies),
          spark,
          outcome,
        ].join('  '),
      );
    }
  }
  const notes: string[] = [];
  if (chosen.hiddenTelling > 0) notes.push(`${formatCount(chosen.hiddenTelling)} more with anomalies or not scored`);
  if (chosen.hiddenQuiet > 0) notes.push(`${formatCount(chosen.hiddenQuiet)} scored without an anomaly`);
  if (data.omitted > 0) notes.push(`${formatCount(data.omitted)} beyond the limit of this view`);
  if (notes.length > 0)
    lines.push(...wrapText(`Not listed: ${notes.join(', ')}.`, width).map((line) => colors.dim(line)));
  return lines;
}

/** `14:00        15:00`: where the sparklines begin and end. */
function timeAxis({ fromMs, toMs }: BatchData, width: number): string {
  const short = toMs - fromMs <= DAY_MS ? [11, 16] : [5, 10];
  const from = formatTime(fromMs).slice(short[0], short[1]);
  const to = formatTime(toMs).slice(short[0], short[1]);
  return width < from.length + to.length + 1
    ? fitText(from, width)
    : from + ' '.repeat(width - from.length - to.length) + to;
}

function faultVerdict(fault: MatchedFault): string {
  if (fault.found) return '✓ found';
  if (fault.windows === 0) return '✗ not scored';
  return fault.findable === false ? '– missed (expected)' : '✗ missed';
}

function faultLines(match: FaultMatch, options: TerminalOptions, colors: Colors): string[] {
  if (match.faults.length === 0) return [];
  const shown = [...match.faults.filter((fault) => !fault.found), ...match.faults.filter((fault) => fault.found)].slice(
    0,
    30,
  );
  const dayOf = (ms: number): string => plainTime(ms).slice(0, 10);
  const sameDay = shown.every((fault) => dayOf(fault.fromMs) === dayOf(shown[0]!.fromMs));
  const table = renderTable(
    [
      {
        title: 'injected fault',
        paint(text, r, c) {
          const { found, findable } = shown[r]!;
          if (found) return c.green(text);
          return findable === false ? c.dim(text) : c.red(text);
        },
      },
      { title: 'sensor' },
      { title: 'kind' },
      { title: 'from (UTC)' },
      { title: 'found after', align: 'right' },
    ],
    shown.map((fault) => [
      faultVerdict(fault),
      `${fault.device} ${fault.sensor}`,
      fault.kind,
      plainTime(fault.fromMs).slice(sameDay ? 11 : 5),
      formatDelay(fault.delayMs),
    ]),
    options,
  );
  const rest = match.faults.length - shown.length;
  return [
    ...table.split('\n'),
    ...(rest > 0 ? [colors.dim(`and ${formatCount(rest)} more, all listed in the HTML report`)] : []),
  ];
}

function causeLines({ causes }: BatchData, options: TerminalOptions, colors: Colors): string[] {
  if (causes.length === 0) return [];
  const top = causes.slice(0, TOP_CAUSES);
  const table = renderTable(
    [
      { title: 'not scored', paint: (text, r, c) => (top[r]!.status === 'failed' ? c.red(text) : c.yellow(text)) },
      { title: 'sensors', align: 'right' },
      { title: 'for example' },
    ],
    top.map((cause) => [
      `${MARKS[cause.status]} ${cause.class}`,
      formatCount(cause.sensors),
      `${cause.example.device} ${cause.example.sensor}${cause.example.message ? `: ${cause.example.message}` : ''}`,
    ]),
    options,
  );
  const rest = causes.length - top.length;
  return [
    ...table.split('\n'),
    ...(rest > 0 ? [colors.dim(`and ${formatNumberOf(rest, 'more cause', 'more causes')}`)] : []),
  ];
}

/** `! cooling-tower-1 makeup-flow: level shift since 19:48:25, 3 min, cleared`; what goes on is red. */
function alarmLines(alarms: readonly string[], { width }: TerminalOptions, colors: Colors): string[] {
  if (alarms.length === 0) return [colors.green('Alarms: none. Nothing is wrong.')];
  return [
    colors.bold('Alarms:'),
    ...alarms.flatMap((alarm) => {
      const [first = '', ...more] = wrapText(harmless(alarm), width - 2);
      const mark = alarm.includes(', goes on') ? colors.red('! ') : colors.yellow('! ');
      return [mark + first, ...more.map((line) => `  ${line}`)];
    }),
  ];
}

function totalLines(
  { totals }: BatchData,
  match: FaultMatch | undefined,
  { width }: TerminalOptions,
  colors: Colors,
): string[] {
  const parts = [
    `${formatNumberOf(totals.sensors, 'sensor')}: ${formatCount(totals.scored)} scored, ` +
      `${formatCount(totals.skipped)} skipped, ${formatCount(totals.failed)} ` +
      `failed${totals.cancelled > 0 ? `, ${formatCount(totals.cancelled)} cancelled` : ''}`,
    `${formatNumberOf(totals.windows, 'window')}, ` +
      formatNumberOf(totals.anomalies, 'anomalous', 'anomalous') +
      (totals.windows > 0 ? ` (${formatShare(totals.anomalies, totals.windows)})` : ''),
  ];
  if (match && match.faults.length > 0)
    parts.push(
      `${formatNumberOf(match.faults.length, 'injected fault')}: ${formatCount(match.found)} found, ` +
        `${formatCount(match.missed)} missed; ${formatNumberOf(match.falseAlarms, 'false alarm')} in ` +
        `${formatNumberOf(match.quietWindows, 'window')} outside faults`,
    );
  return parts.flatMap((part) => wrapText(part, width)).map((line) => colors.bold(line));
}
