/**
 * Sensors out of service and back, one or all of a device: as `fleetscore sensors retire` and `sensors restore`, and by
 * the same names in the log. What is so already is refused, so that of two people who press at once one hears of it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FleetscoreError } from '../../domain/errors.ts';
import { sensorName, type Sensor } from '../../domain/sensor.ts';
import { formatNumberOf } from '../../report/format.ts';
import type { App } from '../app.ts';
import { deviceHref, sensorHref } from '../parts.ts';
import { act, formOf } from './act.ts';

const WORDS = {
  retire: { done: 'taken out of service', already: 'out of service already' },
  restore: { done: 'back in service', already: 'in service already' },
} as const;
type Verb = keyof typeof WORDS;
const isVerb = (name: string): name is Verb => Object.hasOwn(WORDS, name);

/** Longest comment and name that are kept (storage/contract/retired.ts). */
const MOST_COMMENT = 1_000;
const MOST_NAME = 400;

interface Chosen {
  readonly device: string;
  /** Absent: all sensors of the device. */
  readonly sensor?: string;
  readonly what: string;
}

/** @throws FleetscoreError `SENSOR_UNKNOWN` */
async function chosenSensors({ deps }: App, { device, sensor }: Chosen): Promise<readonly Sensor[]> {
  const store = await deps.store();
  const found =
    sensor === undefined ? await store.listSensors({ device }) : [await store.findSensor({ device, sensor })];
  const sensors = found.filter((one) => one !== undefined);
  if (sensors.length > 0) return sensors;
  const what = sensor === undefined ? '' : ` sensor ${JSON.stringify(sensor.slice(0, 200))} of a`;
  throw new FleetscoreError('SENSOR_UNKNOWN', `there is no${what} device ${JSON.stringify(device.slice(0, 200))}.`);
}

export async function sensorAction(app: App, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const chosen = request.params as Chosen;
  const { device, sensor, what } = chosen;
  if (!isVerb(what))
    throw new FleetscoreError('INVALID_ARGUMENT', `a sensor cannot be ${JSON.stringify(what.slice(0, 40))}.`);
  const sensors = await chosenSensors(app, chosen);
  const comment = (formOf(request).get('comment')?.trim() ?? '').slice(0, MOST_COMMENT);
  return act(
    app,
    request,
    reply,
    {
      name: `sensors.${what}`,
      target: sensor === undefined ? `${device}/*` : sensorName({ device, sensor }),
      leadsTo: sensor === undefined ? deviceHref(device) : sensorHref(device, sensor),
      ...(comment === '' ? {} : { detail: comment }),
    },
    async () => {
      const store = await app.deps.store();
      const ids = sensors.map(({ id }) => id);
      const changed =
        what === 'restore'
          ? await store.restoreSensors(ids)
          : await store.retireSensors(ids, {
              atMs: app.deps.now(),
              by: app.who(request).slice(0, MOST_NAME),
              comment,
            });
      const { done, already } = WORDS[what];
      const name = sensor === undefined ? device : `${device} / ${sensor}`;
      if (changed.length === 0) throw new FleetscoreError('INVALID_ARGUMENT', `${name} is ${already}.`);
      const counted = sensor === undefined ? `${formatNumberOf(changed.length, 'sensor')} ` : '';
      return `${name}: ${counted}${done}${comment === '' ? '' : `: ${comment}`}`;
    },
  );
}
