/**
 * SenML packs (RFC 8428, August 2018) -> resolved records (section 4.6), with times in milliseconds. Base fields hold
 * for their record and all after it (4.1). Times below 2**28 seconds are relative to when the event came (4.5.3). A
 * pack of a version that is not understood, or with a field that must be, is refused whole (4.4).
 */
import { defined } from '../../domain/defined.ts';
import { shown } from '../../domain/describe.ts';

/** A record with its own identity; only what it has. */
export interface SenmlRecord {
  /** What the base name says, without the sign at its end: the device, in most packs. */
  readonly base?: string;
  /** Name behind the base name. */
  readonly n?: string;
  /** Both together. */
  readonly name: string;
  /** Epoch ms. */
  readonly time: number;
  readonly unit?: string;
  /** `v` with the base value, or `vb`, or `vs`. */
  readonly value?: number | boolean | string;
  readonly sum?: number;
}

/** Seconds; below it a time is relative (section 4.5.3). */
const FIRST_ABSOLUTE_S = 268_435_456;
/** Of RFC 8428 (section 4.4): only a larger version may not be used. Its own examples are of version 5. */
const VERSION = 10;
/** The feature of secondary units (RFC 9100, August 2021, section 4): a unit is a text here, whichever it is. */
const WITH_SECONDARY_UNITS = VERSION + 2 ** 4;
/** `urn:dev:ow:10e2073a01080063:` and `plant/pump-1/` end with a sign that is no part of a name. */
const LAST_SIGN = /[-:./_]+$/;

/** Fields that hold for all records behind them (section 4.1). */
interface Base {
  readonly name: string;
  readonly time: number;
  readonly unit?: string | undefined;
  readonly value?: number | undefined;
  readonly sum?: number | undefined;
}

interface Fields {
  readonly bn?: string;
  readonly bt?: number;
  readonly bu?: string;
  readonly bv?: number;
  readonly bs?: number;
  readonly n?: string;
  readonly t?: number;
  readonly u?: string;
  readonly v?: number;
  readonly vs?: string;
  readonly vb?: boolean;
  readonly vd?: unknown;
  readonly s?: number;
}

/** @returns the records, or why the pack cannot be used. @param nowMs when the event came, epoch ms */
export function resolveSenml(pack: unknown, nowMs: number): readonly SenmlRecord[] | string {
  if (!Array.isArray(pack)) return `a SenML pack is an array of records (RFC 8428, section 5), got ${shown(pack)}`;
  let base: Base = { name: '', time: 0 };
  const records: SenmlRecord[] = [];
  for (const [i, record] of (pack as unknown[]).entries()) {
    if (typeof record !== 'object' || record === null || Array.isArray(record))
      return `record ${i} of the SenML pack is ${shown(record)}, no object`;
    const wrong = faultOf(record as Readonly<Record<string, unknown>>);
    if (wrong) return `record ${i} of the SenML pack ${wrong}`;
    const { bn = base.name, bt = base.time, bu = base.unit, bv = base.value, bs = base.sum } = record as Fields;
    base = { name: bn, time: bt, unit: bu, value: bv, sum: bs };
    records.push(resolved(record, base, nowMs));
  }
  return records;
}

function resolved(fields: Fields, base: Base, nowMs: number): SenmlRecord {
  const { n = '', t = 0, u = base.unit, s } = fields;
  const seconds = base.time + t;
  return {
    ...identity(base.name, n),
    time: seconds < FIRST_ABSOLUTE_S ? nowMs + Math.round(seconds * 1000) : Math.round(seconds * 1000),
    ...defined({
      unit: u,
      value: valueOf(fields, base),
      sum: s === undefined && base.sum === undefined ? undefined : (base.sum ?? 0) + (s ?? 0),
    }),
  };
}

/** Section 4.5.4: what is missing of base value and value is zero, where the record has one and no other value. */
function valueOf({ v, vs, vb, vd, s }: Fields, base: Base): SenmlRecord['value'] {
  if (typeof v === 'string') return v;
  if (v !== undefined) return (base.value ?? 0) + v;
  return vb ?? vs ?? (vd === undefined && s === undefined ? base.value : undefined);
}

const TYPES: Readonly<Record<string, string>> = {
  bn: 'string',
  bu: 'string',
  n: 'string',
  u: 'string',
  vs: 'string',
  bt: 'number',
  bv: 'number',
  bs: 'number',
  bver: 'number',
  t: 'number',
  v: 'number',
  s: 'number',
  vb: 'boolean',
};

function faultOf(fields: Readonly<Record<string, unknown>>): string | undefined {
  for (const [name, value] of Object.entries(fields)) {
    const type = TYPES[name];
    // NaN, which Python writes and JSON does not know, arrives as text and costs its reading only.
    if (type !== undefined && typeof value !== type && !(name === 'v' && typeof value === 'string'))
      return `has ${name} ${shown(value)}: it takes a ${type} (RFC 8428, section 4.3)`;
    if (name.endsWith('_')) return `has ${shown(name)}, which must be understood and is not (RFC 8428, section 4.4)`;
  }
  const version = fields.bver ?? VERSION;
  const isUnderstood = version === WITH_SECONDARY_UNITS || (typeof version === 'number' && version <= VERSION);
  return isUnderstood
    ? undefined
    : `is of version ${shown(version)}; up to ${VERSION}, and ${WITH_SECONDARY_UNITS}, they are known`;
}

/**
 * The global name of a record, in two: where a base name is given it is the device. A name alone that is a path or a
 * URN is global as well: what stands before the last slash is the device. Any other name is that of a sensor.
 */
function identity(bn: string, n: string): Pick<SenmlRecord, 'base' | 'n' | 'name'> {
  const name = bn + n;
  if (bn !== '' && n !== '') return { base: bn.replace(LAST_SIGN, ''), n, name };
  const whole = name.replace(LAST_SIGN, '');
  const slash = whole.lastIndexOf('/');
  if (slash > 0) return { base: whole.slice(0, slash), n: whole.slice(slash + 1), name };
  return whole.startsWith('urn:') || bn !== '' ? { base: whole, name } : { n: whole, name };
}
