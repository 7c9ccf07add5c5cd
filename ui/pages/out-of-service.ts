/** What pages say of sensors out of service, and the forms that take sensors out of service and back. */
import type { Sensor } from '../../domain/sensor.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import type { Retirement } from '../../storage/store.ts';
import type { App } from '../app.ts';
import { button } from '../parts.ts';
import { time } from '../time.ts';

const PAGE = 1_000;

/** Who took which of some sensors out of service, by id. Asked anew: whoever pressed a button sees what came of it. */
export async function retirementsOf(
  { deps }: App,
  sensors: readonly Sensor[],
): Promise<ReadonlyMap<number, Retirement>> {
  const store = await deps.store();
  const ids = new Set(sensors.map(({ id }) => id));
  const last = sensors.reduce((most, { id }) => Math.max(most, id), 0);
  const found = new Map<number, Retirement>();
  for (let after = sensors.reduce((least, { id }) => Math.min(least, id), last) - 1; after < last;) {
    const page = await store.retiredSensors({ after, limit: PAGE });
    for (const one of page) if (ids.has(one.id)) found.set(one.id, one);
    after = page.length < PAGE ? last : page.at(-1)!.id;
  }
  return found;
}

/** Of one sensor that is out of service. */
export const retiredNote = ({ formToken }: App, href: string, { atMs, by, comment }: Retirement): Markup => html`
  <div class="panel none">
    <p>
      <b>Out of service</b> since ${time(atMs, 'full')}, by ${by}${comment !== '' && `: ${comment}`}.${' '}
      Batches leave it out, and alarms of it are not shown.
    </p>
    <p class="bar-line">${button(formToken, `${href}/restore`, 'Take back into service')}</p>
  </div>`;

/** Of a device, some of whose sensors are out of service. */
export function retiredOfDevice({ formToken }: App, href: string, retired: number, sensors: number): Markup {
  const which = retired === sensors ? 'all' : `${formatCount(retired)} of`;
  return html`
    <div class="panel none">
      <p>
        <b>Out of service:</b> ${which} ${formatNumberOf(sensors, 'sensor')}.${' '}
        Batches leave them out, and alarms of them are not shown.
      </p>
      <p class="bar-line">${button(formToken, `${href}/restore`, 'Take back into service')}</p>
    </div>`;
}

/** Closed until somebody wants it: taking a sensor out of service is seldom, and should not be pressed by the way. */
export function retireForm({ formToken }: App, href: string, sensors: number | undefined): Markup {
  const [what, it, its] =
    sensors === undefined
      ? ['this sensor', 'it', 'Its']
      : [`all ${formatNumberOf(sensors, 'sensor')}`, 'them', 'Their'];
  return html`
    <details class="panel form">
      <summary>Take ${what} out of service</summary>
      <p class="lead">
        Batches that are planned from now on leave ${it} out, and alarms of ${it} are not shown.${' '}
        ${its} windows, models and predictions stay, and readings that still come are kept.
      </p>
      <form method="post" action="${href}/retire">
        <input type="hidden" name="token" value="${formToken}">
        <label class="field" for="why">
          Why, if you like<textarea id="why" name="comment" maxlength="1000"></textarea>
        </label>
        <p class="bar-line"><button class="danger">Take out of service</button></p>
      </form>
    </details>`;
}
