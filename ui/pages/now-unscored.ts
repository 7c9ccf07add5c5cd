/** Sensors that the newest batch did not score, by why. Pure. */
import type { Answer } from '../../domain/answer.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { chip, section } from '../../report/page/parts.ts';
import type { Fleet } from '../look/fleet.ts';
import type { SensorNow } from '../look/survey.ts';
import { MOST_LISTED } from './now-batches.ts';
import { problemOf, sensorHref, sensorLink, sortTable } from '../parts.ts';

const STATE_WORDS = {
  no_data: ['Silent', 'no readings in the period'],
  failed: ['Failed', 'somebody should look'],
  no_model: ['No model', 'the release has none for it'],
  cancelled: ['Cancelled', 'its batch was ended'],
} as const;

/** Sensors without a score, by why; a few by name, the rest by a link. */
export function unscoredSection(
  { value: sensors, problem }: Answer<ReadonlyMap<number, SensorNow>>,
  { value: fleet }: Answer<Fleet>,
): Markup {
  if (!sensors || !fleet) return html`${problemOf({ problem: problem ?? 'the sensors cannot be listed' })}`;
  const by = Map.groupBy(
    [...sensors.values()].filter(({ state }) => state !== 'scored'),
    ({ state }) => state as keyof typeof STATE_WORDS,
  );
  if (by.size === 0) return html``;
  const rows = (Object.keys(STATE_WORDS) as (keyof typeof STATE_WORDS)[]).flatMap((state) => {
    const own = by.get(state);
    if (!own) return [];
    const known = own.flatMap(({ id }) => fleet.sensor(id) ?? []);
    const names = known
      .slice(0, MOST_LISTED)
      .map((one, i) => html`${i > 0 && ', '}${sensorLink(one, sensorHref(one.device, one.sensor))}`);
    const all =
      own.length > MOST_LISTED && html`, <a href="/devices?state=${state}">all ${formatCount(own.length)}</a>`;
    return [
      html`
        <tr>
          <td>${chip(state === 'failed' ? 'failed' : 'skipped', STATE_WORDS[state][0])}</td>
          <td class="num">${formatNumberOf(own.length, 'sensor')}</td>
          <td class="msg links">${names}${all}</td>
          <td class="soft">${STATE_WORDS[state][1]}</td>
        </tr>`,
    ];
  });
  const columns = [{ title: 'Why' }, { title: 'Sensors', number: true }, { title: 'Which' }, { title: 'Meaning' }];
  return section('without', 'Not scored in the newest batch', '', sortTable('without', columns, rows, {}));
}
