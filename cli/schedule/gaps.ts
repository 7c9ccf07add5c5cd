/** `fleetscore gaps`: periods of schedules that no batch scored, with the command that scores them. */
import { countMissed } from '../../batches/schedule-gaps.ts';
import { seeSchedules } from '../../connect/schedule-times.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { timeAgo } from '../frame/period.ts';
import { table, when } from '../frame/text.ts';
import { gapData, gapsOf, look, remedyOf } from './describe.ts';

interface GapsOptions {
  readonly schedule?: string;
  readonly since?: string;
}

export async function gaps(context: Context, options: GapsOptions): Promise<Output> {
  const sinceMs = options.since === undefined ? undefined : timeAgo(options.since, '--since', Date.now());
  const schedules =
    options.schedule === undefined
      ? await seeSchedules(await context.client())
      : [await look(context, options.schedule)];
  const found = [];
  for (const schedule of schedules)
    for (const gap of await gapsOf(context, schedule, sinceMs)) found.push({ name: schedule.name, gap });
  const open = countMissed(found.map(({ gap }) => gap));
  const rows = found.map(({ name, gap }) => [
    name,
    `${when(gap.fromMs)} – ${when(gap.toMs)}`,
    String(gap.periods),
    gap.state,
    remedyOf(name, gap),
  ]);
  return {
    data: found.map(({ name, gap }) => ({ schedule: name, ...gapData(gap), command: remedyOf(name, gap) })),
    text: table(
      [
        { title: 'Schedule', whole: true },
        { title: 'Not scored (UTC)', whole: true },
        { title: 'Periods' },
        { title: 'Why', whole: true },
        { title: 'Score it with', whole: true },
      ],
      rows,
      schedules.length === 0 ? 'No schedules.' : 'No gaps: every period has a batch that completed.',
    ),
    ...(open > 0 ? { exitCode: EXIT_FAILED } : {}),
  };
}
