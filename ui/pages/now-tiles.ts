/** The tiles of the first screen: how much is wrong, in numbers. Pure. */
import type { Answer } from '../../domain/answer.ts';
import { formatCount, formatShare } from '../../report/format.ts';
import type { Markup } from '../../report/page/markup.ts';
import { tile, tiles } from '../../report/page/parts.ts';
import type { Batch } from '../../storage/store.ts';
import type { AlarmList } from '../look/alarms.ts';
import type { MissedPeriods } from '../look/schedules.ts';
import type { SensorNow } from '../look/survey.ts';
import { sumOf, type WeekView } from '../look/week.ts';
import { isBad } from './now-batches.ts';

export function nowTiles(
  { value: alarms }: Answer<AlarmList>,
  { value: sensors }: Answer<ReadonlyMap<number, SensorNow>>,
  { value: batches }: Answer<readonly Batch[]>,
  missed: Answer<readonly MissedPeriods[]>,
  { value: week }: Answer<WeekView>,
  nowMs: number,
): Markup {
  const counts = alarms?.counts;
  const all = [...(sensors?.values() ?? [])];
  const silent = all.filter(({ state }) => state === 'no_data').length;
  const failed = all.filter(({ state }) => state === 'failed' || state === 'no_model').length;
  const bad = (batches ?? []).filter((batch) => isBad(batch, nowMs)).length;
  const gaps = missed.value?.reduce((sum, gap) => sum + (gap.state === 'missing' ? gap.periods : 0), 0) ?? 0;
  return tiles(
    counts &&
      tile(
        'Alarms',
        formatCount(counts.active),
        counts.active === 0 ? 'none active' : `active, ${formatCount(counts.unacked)} not acknowledged`,
        counts.active > 0 ? 'hot' : 'ok',
      ),
    tile('Silent sensors', formatCount(silent), 'no readings in the newest batch', silent > 0 ? 'bad' : 'ok'),
    tile('Not scored', formatCount(failed), 'failed, or without a model', failed > 0 ? 'bad' : 'ok'),
    tile(
      'Batches',
      formatCount(bad + gaps),
      `${formatCount(bad)} failed in a day, ${formatCount(gaps)} missing in a week`,
      bad + gaps > 0 ? 'bad' : 'ok',
    ),
    week && weekTile(week),
  );
}

export function weekTile({ now, before }: WeekView): Markup {
  const [windows, anomalies] = [sumOf(now, (hour) => hour.windows), sumOf(now, (hour) => hour.anomalies)];
  const [then, thenHot] = [sumOf(before, (hour) => hour.windows), sumOf(before, (hour) => hour.anomalies)];
  return tile(
    'Anomalous, 24 h',
    formatShare(anomalies, windows) || '–',
    then === 0 ? 'no batches a week ago' : `${formatShare(thenHot, then)} in the same hours last week`,
  );
}
