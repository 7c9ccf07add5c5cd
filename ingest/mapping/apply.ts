/**
 * A mapping and one event -> readings, or the reasons why not. Pure: what it sees is the event alone, so live ingest,
 * a rebuild from raw capture and a replay of a dead letter make the same readings.
 */
import { shown } from '../../domain/describe.ts';
import { globMatches } from '../../domain/glob.ts';
import { membersOf, type CheckReading, type ParsedReading } from '../parse/reading.ts';
import type { Problem } from '../parse/problems.ts';
import type { TimeUnit } from '../../domain/time.ts';
import { boundedMap } from '../bounded-map.ts';
import { expand, placeOf, scopeOf } from './expand.ts';
import type { EventFacts } from './facts.ts';
import type { Condition, Form, Mapping } from './mapping.ts';
import { nameText, pick, type Around, type Ref, type Scope } from './refs.ts';

/** Where what is found goes. */
export interface Sink {
  reading(reading: ParsedReading): void;
  problem(problem: Problem): void;
  /** Counts one more item; false when the event holds more than are taken. */
  room(): boolean;
}

export interface BodyRules {
  readonly mapping: Mapping;
  readonly check: CheckReading;
  readonly timeUnit: TimeUnit | undefined;
  /** Where an event names none. */
  readonly defaultDevice: string | undefined;
  readonly parse: (text: string) => unknown;
}

/** Applies a mapping to bodies. */
export type ApplyMapping = (root: unknown, facts: EventFacts, latestMs: number, sink: Sink) => void;

const REMEMBERED = 10_000;
const NON_FINITE: ReadonlySet<unknown> = new Set(['NaN', 'Infinity', '-Infinity']);
const DECIMAL = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?\s*$/;

export function createMappingApplier(rules: BodyRules): ApplyMapping {
  const { mapping } = rules;
  const forms = mapping.forms.map((form, i) => ({
    form,
    name: mapping.forms.length > 1 ? `forms[${i}].` : '',
    wanted: wantedNames(form),
  }));
  return (root, facts, latestMs, sink) => {
    const scope = scopeOf(root, facts);
    for (const one of forms) {
      if (!one.form.when.every((condition) => holds(condition, scope))) continue;
      if (!one.form.ignore.some((condition) => holds(condition, scope)))
        applyForm(rules, one, { scope, facts, latestMs, sink });
      return;
    }
    sink.problem({ reason: 'missing_field', message: noForm(mapping, root) });
  };
}

interface NamedForm {
  readonly form: Form;
  /** `forms[1].`, for messages. */
  readonly name: string;
  /** Whether a member or sensor of this name is one; undefined: all are. */
  readonly wanted: ((name: string) => boolean) | undefined;
}

interface Work {
  readonly scope: Scope;
  readonly facts: EventFacts;
  readonly latestMs: number;
  readonly sink: Sink;
}

function applyForm(rules: BodyRules, named: NamedForm, { scope, facts, latestMs, sink }: Work): void {
  const { form, wanted } = named;
  const { root } = scope;
  let found = false;
  let items = 0;
  const tell = (problem: Problem): void => {
    found = true;
    sink.problem(problem);
  };
  expand(
    {
      steps: form.items,
      anyCase: form.anyCase,
      facts,
      parse: rules.parse,
      onProblem: (message) => tell({ reason: 'not_a_reading', message }),
      onItem(item, key, around) {
        if (key !== undefined) {
          // A wide event has members that are no sensors: its time, its device, what is left out.
          if (form.siblings.size > 0 && form.siblings.has(form.anyCase ? key.toLowerCase() : key)) return true;
          if (wanted && !wanted(key)) return true;
        }
        items++;
        if (!sink.room()) return false;
        scope.item = item;
        scope.key = key;
        scope.around = around;
        const made = readingOf(rules, named, scope, latestMs);
        if (made === undefined) return true;
        if ('reason' in made) tell(made);
        else {
          found = true;
          sink.reading(made);
        }
        return true;
      },
    },
    root,
  );
  if (!found && form.empty === 'refuse') sink.problem(nothingIn(rules.mapping, named, root, items));
}

/** Undefined for an item that is left out on purpose. */
function readingOf(
  rules: BodyRules,
  named: NamedForm,
  scope: Scope,
  latestMs: number,
): ParsedReading | Problem | undefined {
  const { form, wanted } = named;
  const value = numberOf(pick(form.value, scope), form);
  if (typeof value !== 'number' && form.others === 'skip' && !NON_FINITE.has(value) && form.only === undefined)
    return undefined;
  const sensor = nameText(pick(form.sensor, scope));
  if (scope.key === undefined && wanted && typeof sensor === 'string' && !wanted(sensor)) return undefined;
  const device = nameText(pick(form.device, scope)) ?? rules.defaultDevice;
  const time = timeOf(form.time, scope);
  if (time === undefined || device === undefined || sensor === undefined || value === undefined)
    return missing(rules.mapping, named, scope, { time, device, sensor, value });
  const { unit } = time.ref;
  const quality = pick(form.quality, scope);
  const reading = rules.check(
    time.value,
    device,
    sensor,
    value,
    quality,
    latestMs,
    unit ?? (time.ref.ofEvent ? undefined : (form.timeUnit ?? rules.timeUnit)),
  );
  return 'reason' in reading ? placed(reading, scope.around) : reading;
}

/** What is wrong, with the place in the body where there is one. */
const placed = (problem: Problem, around: Around | undefined): Problem =>
  around === undefined ? problem : { ...problem, message: `${placeOf(around)}: ${problem.message}` };

function timeOf(refs: readonly Ref[], scope: Scope): { readonly value: unknown; readonly ref: Ref } | undefined {
  for (const ref of refs) {
    const value = ref.get(scope);
    if (value !== undefined) return { value, ref };
  }
  return undefined;
}

function numberOf(value: unknown, form: Form): unknown {
  if (typeof value === 'boolean') return form.booleans ? Number(value) : value;
  return form.texts && typeof value === 'string' && DECIMAL.test(value) ? Number(value) : value;
}

function holds({ of, is, not }: Condition, scope: Scope): boolean {
  const value = of.get(scope);
  if (is === undefined) return value !== undefined;
  return (value !== undefined && is.has(String(value))) !== not;
}

/** By `only` and `except`; remembers names, as a pattern costs more than a look. */
function wantedNames({ only, except }: Form): ((name: string) => boolean) | undefined {
  if (only === undefined && except === undefined) return undefined;
  const known = boundedMap<'yes' | 'no'>(REMEMBERED);
  return (name) => {
    let wanted = known.get(name);
    if (wanted === undefined) {
      const isIn = (patterns: readonly string[]): boolean => patterns.some((pattern) => globMatches(pattern, name));
      wanted = (only === undefined || isIn(only)) && !(except !== undefined && isIn(except)) ? 'yes' : 'no';
      known.set(name, wanted);
    }
    return wanted === 'yes';
  };
}

const settingOf = (mapping: Mapping): string => `(FLEETSCORE_MAPPING is ${mapping.name})`;

function missing(
  mapping: Mapping,
  { form, name }: NamedForm,
  scope: Scope,
  parts: Readonly<Record<'time' | 'device' | 'sensor' | 'value', unknown>>,
): Problem {
  const absent = (['time', 'device', 'sensor', 'value'] as const).filter((key) => parts[key] === undefined);
  const looked = absent.map((key) => `${key} (looked for ${form[key].map(({ text }) => text).join(', ')})`).join('; ');
  const keys = absent.map((key) => JSON.stringify(`${name}${key}`)).join(', ');
  return placed(
    {
      reason: 'missing_field',
      message:
        `no ${looked}; ${itemIs(scope.item)}. ${keys} of the mapping ` +
        `${absent.length > 1 ? 'say' : 'says'} where to look ${settingOf(mapping)}` +
        (absent.includes('device') ? '; FLEETSCORE_DEFAULT_DEVICE names one for all' : ''),
    },
    scope.around,
  );
}

const itemIs = (item: unknown): string =>
  typeof item === 'object' && item !== null && !Array.isArray(item) ? membersOf(item) : `it is ${shown(item)}`;

function noForm(mapping: Mapping, root: unknown): string {
  const needs = mapping.forms.map(({ when }) => when.map(({ of }) => of.text).join(' and '));
  return (
    `it has none of the forms of the mapping ${mapping.name}, which need ${[...new Set(needs)].join('; or ')}; ` +
    `${itemIs(root)} (fleetscore ingest try shows what a mapping makes of it; FLEETSCORE_MAPPING names it)`
  );
}

function nothingIn(mapping: Mapping, { form, name }: NamedForm, root: unknown, items: number): Problem {
  const where = form.itemsText === '' ? 'the body' : form.itemsText;
  return {
    reason: 'missing_field',
    message:
      (items === 0
        ? `there is nothing at ${where}, "${name}items" of the mapping; ${itemIs(root)}`
        : `there is no number among the ${items} at ${where}`) +
      `. Events that hold no readings can be named in "${name}ignore" ${settingOf(mapping)}`,
  };
}
