/** `fleetscore alarms check`, `use` and `rules`: the rules that make alarms of abnormal windows. */
import { readFileSync } from 'node:fs';
import { DEFAULT_RULE, parseRules, ruleFor, type AlarmRule, type AlarmRules } from '../../alarms/rules.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { isoTime } from '../../domain/time.ts';
import { whyUnreadable } from '../../domain/unreadable.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { when } from '../frame/text.ts';
import { whoami } from '../frame/whoami.ts';

/** @throws FleetscoreError `ALARM_RULES_INVALID` */
export function rulesFile(file: string): { readonly rules: AlarmRules; readonly text: string } {
  const text = textOf(file);
  return { rules: parseRules(text, file), text };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new FleetscoreError(
      'FILE_UNREADABLE',
      `${file} cannot be read: ${whyUnreadable(error)}. Name a JSON file with rules (docs/alarms.md).`,
      { cause: error },
    );
  }
}

const isDefault = (rule: AlarmRule): boolean => JSON.stringify(rule) === JSON.stringify(DEFAULT_RULE);

export async function check(context: Context, _options: object, file: string): Promise<Output> {
  const { rules } = rulesFile(file);
  const store = await context.store();
  const release = (await store.currentRelease()) ?? '';
  const sensors = await store.listSensors({});
  const matched = rules.entries.map(
    (entry) => sensors.filter((sensor) => !isDefault(ruleFor({ entries: [entry] }, sensor, release))).length,
  );
  const idle = matched.flatMap((count, i) => (count === 0 ? [i + 1] : []));
  return {
    data: { rules: rules.entries.length, sensors: sensors.length, matched },
    text: [
      `${file}: ${formatNumberOf(rules.entries.length, 'rule')}, nothing wrong.`,
      ...matched.map(
        (count, i) =>
          `Rule ${i + 1} changes what holds for ${formatCount(count)} of ${formatNumberOf(sensors.length, 'sensor')}.`,
      ),
      ...(idle.length > 0 ? [`Nothing matches rule ${idle.join(', ')}: is a name wrong?`] : []),
      `Try them on the past: fleetscore alarms try ${shellWord(file)} --from TIME --to TIME`,
    ].join('\n'),
  };
}

export async function use(context: Context, _options: object, file: string): Promise<Output> {
  const { rules, text } = rulesFile(file);
  const store = await context.store();
  const before = await store.alarmRules();
  const stored = await store.setAlarmRules({ text, by: whoami(), atMs: Date.now() });
  const same = before?.version === stored.version;
  return {
    data: { version: stored.version, rules: rules.entries.length, changed: !same },
    text: same
      ? `These rules hold already, as version ${stored.version}.`
      : `Batches that end from now on go by version ${stored.version}: ` +
        `${formatNumberOf(rules.entries.length, 'rule')}.`,
  };
}

export async function rules(context: Context): Promise<Output> {
  const stored = await (await context.store()).alarmRules();
  if (!stored)
    return {
      data: { version: 0, rules: [] },
      text:
        'Nobody has set rules: the defaults hold for every sensor (docs/alarms.md). ' +
        'Set some: fleetscore alarms use FILE',
    };
  return {
    data: { version: stored.version, by: stored.by, at: isoTime(stored.atMs), ...(JSON.parse(stored.text) as object) },
    text: `Version ${stored.version}, by ${stored.by}, ${when(stored.atMs)} UTC:\n${stored.text}`,
  };
}
