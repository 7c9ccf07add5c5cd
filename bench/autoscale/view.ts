/** The demo as it runs: drawn live on a terminal, a line for each change elsewhere. */
import pc from 'picocolors';
import { bars } from '../../report/charts/bars.ts';
import { formatCount } from '../../report/format.ts';
import type { Look } from './timeline.ts';
import { hasEnded } from '../../storage/store.ts';

export interface ViewOptions {
  readonly fromMs: number;
  /** When the batches are due. */
  readonly dueMs: readonly number[];
  readonly maxNodes: number;
  readonly sensors: number;
}

export interface View {
  show(look: Look): void;
  /** Something that happened, which stays on the screen. */
  note(text: string): void;
  end(): void;
}

/** Looks drawn side by side: two a second. */
const WIDTH = 64;

export function createView(options: ViewOptions): View {
  const stream = process.stdout;
  return stream.isTTY && process.env.NO_COLOR === undefined ? liveView(options, stream) : lineView(options, stream);
}

const clock = (ms: number, fromMs: number): string => `${Math.round((ms - fromMs) / 1000)} s`.padStart(6);

function batchText({ batches, atMs }: Look, dueMs: readonly number[]): string {
  const running = batches.findIndex((batch) => batch.status === 'running');
  if (running >= 0) return `batch ${running + 1} of ${dueMs.length} runs`;
  const next = dueMs[batches.length];
  if (next === undefined) return 'all batches are done';
  return next > atMs
    ? `batch ${batches.length + 1} of ${dueMs.length} due in ${Math.ceil((next - atMs) / 1000)} s`
    : `batch ${batches.length + 1} of ${dueMs.length} is due`;
}

const workersText = (look: Look): string =>
  `${look.ready} ready (${look.busy} ` +
  `busy)${look.coming > 0 ? `, ${look.coming} coming` : ''}` +
  (look.leaving > 0 ? `, ${look.leaving} leaving` : '');

function lineView({ fromMs, dueMs }: ViewOptions, stream: NodeJS.WriteStream): View {
  let last = '';
  let shown = 0;
  return {
    show(look) {
      const news = [
        look.ready,
        look.coming,
        look.leaving,
        look.batches.length,
        look.batches.map((batch) => batch.status).join(),
      ].join('/');
      if (news === last && look.atMs - shown < 5_000) return;
      last = news;
      shown = look.atMs;
      stream.write(
        `${clock(look.atMs, fromMs)}  workers ${workersText(look).padEnd(32)} ` +
          `${formatCount(look.sensorsToGo).padStart(7)} sensors to go, ${String(look.tasks).padStart(3)} tasks ` +
          `wait | ${batchText(look, dueMs)} | ${look.reason}\n`,
      );
    },
    note: (text) => void stream.write(`${' '.repeat(8)}${text}\n`),
    end: () => {},
  };
}

function liveView({ fromMs, dueMs, maxNodes, sensors }: ViewOptions, stream: NodeJS.WriteStream): View {
  const seen: Look[] = [];
  let height = 0;
  const clear = (): void => void (height > 0 && stream.write(`\u001b[${height}A\u001b[J`));
  const cut = (text: string): string => text.slice(0, Math.max(20, stream.columns - 1));
  const draw = (): void => {
    const look = seen.at(-1);
    if (!look) return;
    const row = (name: string, values: readonly number[], most: number, text: string): string =>
      `${name.padEnd(9)} ${pc.cyan(bars(values, most).padStart(WIDTH))} ${text}`;
    const busiest = Math.max(1, ...seen.map((one) => one.tasks));
    const lines = [
      `${clock(look.atMs, fromMs).trim()}: ${batchText(look, dueMs)}`,
      row(
        'batches',
        seen.map((one) => one.batches.filter((batch) => batch.status === 'running').length),
        1,
        `${look.batches.filter(hasEnded).length} of ${dueMs.length} done`,
      ),
      row(
        'workers',
        seen.map((one) => one.ready),
        maxNodes,
        workersText(look),
      ),
      row(
        'to go',
        seen.map((one) => one.sensorsToGo),
        sensors,
        `${formatCount(look.sensorsToGo)} sensors`,
      ),
      row(
        'backlog',
        seen.map((one) => one.tasks),
        busiest,
        `${look.tasks} tasks`,
      ),
      pc.dim(cut(look.reason)),
    ];
    stream.write(`${lines.join('\n')}\n`);
    height = lines.length;
  };
  return {
    show(look) {
      seen.push(look);
      if (seen.length > WIDTH) seen.shift();
      clear();
      draw();
    },
    note(text) {
      clear();
      stream.write(`${pc.yellow(text)}\n`);
      height = 0;
      draw();
    },
    end: () => {},
  };
}
