/** `fleetscore alarms try`: rules on the past, beside the rules of today. */
import { NO_RULES, parseRules } from '../../alarms/rules.ts';
import { spanText } from '../../alarms/sentence.ts';
import { tryRules as tryThem, type TriedRules } from '../../batches/try-rules.ts';
import { formatCount } from '../../report/format.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { unknownDevice } from '../frame/known.ts';
import { periodOf } from '../frame/period.ts';
import { table } from '../frame/text.ts';
import { rulesFile } from './rules.ts';
import { defined } from '../../domain/defined.ts';
import { shellWord } from '../../domain/shell-word.ts';

interface TryOptions {
  readonly from: number;
  readonly to: number;
  readonly device?: string;
}

const MANY = 1_000_000;

export async function tryRules(context: Context, options: TryOptions, file: string | undefined): Promise<Output> {
  const period = periodOf(options);
  const { rules } = file === undefined ? { rules: NO_RULES } : rulesFile(file);
  const store = await context.store();
  const stored = await store.alarmRules();
  const today = stored ? parseRules(stored.text, `version ${stored.version} of the rules of alarms`) : NO_RULES;
  const { device } = options;
  const sensors = await store.listSensors({ limit: MANY, ...defined({ device }) });
  if (device !== undefined && sensors.length === 0) throw await unknownDevice(store, device);
  const deps = { store, blobs: context.blobs(), windows: context.config.ingest };
  const release = (await store.currentRelease()) ?? '';
  const [now, tried] = (await tryThem(deps, [today, rules], sensors, period, release)) as [TriedRules, TriedRules];
  const row = (name: string, of: TriedRules): string[] => [
    name,
    formatCount(of.alarms),
    formatCount(of.sensors),
    of.alarms === 0 ? '-' : spanText(of.totalMs / of.alarms),
    spanText(of.longestMs),
    formatCount(of.goOn),
    Object.entries(of.kinds)
      .map(([kind, count]) => `${formatCount(count)} ${kind}`)
      .join(', '),
  ];
  return {
    data: { today: now, tried },
    text: [
      table(
        [
          { title: 'Rules', whole: true },
          { title: 'Alarms', align: 'right' },
          { title: 'Sensors', align: 'right' },
          { title: 'Mean', align: 'right' },
          { title: 'Longest', align: 'right' },
          { title: 'Go on', align: 'right' },
          { title: 'Kinds' },
        ],
        [
          row(stored ? `today's, version ${stored.version}` : "today's, the defaults", now),
          row(file ?? 'the defaults', tried),
        ],
      ),
      'Of predictions there are: what was silent before and after them, and models that failed, are not counted.',
      ...(file === undefined ? [] : [`Take them: fleetscore alarms use ${shellWord(file)}`]),
    ].join('\n'),
  };
}
