/** What is wrong by predictions alone, in a store whose batches never looked for alarms. */
import { ask, type Answer } from '../../domain/answer.ts';
import { formatNumberOf } from '../../report/format.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { section } from '../../report/page/parts.ts';
import type { App } from '../app.ts';
import type { Normal } from '../look/normal.ts';
import type { Stretch } from '../look/stretches.ts';
import { problemOf, sensorAt, sensorLink, sortTable } from '../parts.ts';
import { time } from '../time.ts';
import { valueText } from './alarm-rows.ts';

export async function stretchNormals(
  { deps, look }: App,
  stretches: readonly Stretch[],
): Promise<ReadonlyMap<Stretch, Normal>> {
  const store = await deps.store();
  const found = new Map<Stretch, Normal>();
  for (const one of stretches) {
    const normal = await ask(async () => look.normal((await store.findSensor(one))!.id, one.release));
    if (normal.value) found.set(one, normal.value);
  }
  return found;
}

const stateOf = ({ goesOn, lastMs }: Stretch): Markup =>
  goesOn
    ? html`<span class="dot bad"></span>Still going on`
    : html`<span class="dot"></span>Ended ${time(lastMs, 'second')}`;

const NO_STRETCH = 'No anomalous window in the newest batch.';
const NOTHING = 'No batch has scored anything yet.';

/** What predictions alone tell, while no batch has looked for alarms. */
export function stretchSection(
  { value = [], problem }: Answer<readonly Stretch[]>,
  normals: ReadonlyMap<Stretch, Normal>,
  hasScored: boolean,
): Markup {
  const rows = value
    .toSorted((a, b) => Number(b.goesOn) - Number(a.goesOn) || b.windows - a.windows)
    .map(
      (one) => html`
        <tr>
          <td class="name">${sensorLink(one, sensorAt(one.device, one.sensor, one.sinceMs, one.lastMs))}</td>
          <td class="msg">${valueText(one.peakValue, one.unit, normals.get(one))}</td>
          <td class="nw">${time(one.sinceMs, 'second')}</td>
          <td class="num">${formatNumberOf(one.windows, 'window')}</td>
          <td class="nw">${stateOf(one)}</td>
        </tr>`,
    );
  const columns = [
    { title: 'Sensor' },
    { title: 'Worst value' },
    { title: 'Since' },
    { title: 'Anomalous', number: true },
    { title: 'State' },
  ];
  const lead = 'Anomalous stretches of the newest batch, from its predictions: no batch has looked for alarms yet.';
  if (problem !== undefined) return section('wrong', 'Anomalous now', lead, problemOf({ problem }));
  const content =
    rows.length === 0
      ? html`<div class="panel none calm"><b>${hasScored ? NO_STRETCH : NOTHING}</b></div>`
      : sortTable('wrong', columns, rows, {});
  return section('wrong', 'Anomalous now', lead, content);
}
