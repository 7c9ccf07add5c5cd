/**
 * The JSON of a mapping -> {@link Mapping}. Checked whole, once: every fault is told with its place in the file, what
 * stands there, and what it takes.
 */
import { z } from 'zod';
import { shown } from '../../domain/describe.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { TIME_UNITS } from '../../domain/time.ts';
import type { Condition, Form, Mapping } from './mapping.ts';
import { parsePath, type Step } from './path.ts';
import { parseRef, REF_FORMS, type Ref } from './refs.ts';

const MOST = 20;

const refText = z
  .string(`takes ${REF_FORMS}`)
  .max(300)
  .superRefine((text, context) => {
    const ref = parseRef(text, false);
    if (typeof ref === 'string') context.addIssue({ code: 'custom', message: `${ref}. It takes ${REF_FORMS}` });
  });
const refs = z.union([refText, z.array(refText).min(1, 'takes one reference or more').max(MOST)]);
const scalar = z.union([z.string(), z.number(), z.boolean()]);
const scalars = z.union([scalar, z.array(scalar).min(1).max(100)], 'takes a text, a number, true, false, or a list');
const condition = z.union([
  refText,
  z
    .strictObject({ of: refText, is: scalars.optional(), isNot: scalars.optional() })
    .refine(({ is, isNot }) => is === undefined || isNot === undefined, 'takes "is" or "isNot", not both'),
]);
const conditions = z.union([condition, z.array(condition).min(1).max(MOST)]);
const patterns = z
  .array(z.string().min(1).max(200), 'takes a list of patterns, * for any text, ? for one character')
  .max(1000);
const items = z
  .string('takes a path such as Messages[].Payload{}')
  .max(300)
  .superRefine((text, context) => {
    const steps = parsePath(text);
    if (typeof steps === 'string') context.addIssue({ code: 'custom', message: `${steps}. ${ITEMS}` });
    else if (steps.some(({ kind }, i) => kind === 'members' && i < steps.length - 1))
      context.addIssue({ code: 'custom', message: `{} is the last step, if it is there. ${ITEMS}` });
  });
const ITEMS =
  'It takes a path to the readings: names with points, [] for each element, {} or {**} at the end for each member, ' +
  '|json or |senml';

const settings = {
  items: items.optional(),
  time: refs.optional(),
  device: refs.optional(),
  sensor: refs.optional(),
  value: refs.optional(),
  quality: refs.optional(),
  timeUnit: z.enum(TIME_UNITS, 'takes s, ms, us or ns').optional(),
  only: patterns.optional(),
  except: patterns.optional(),
  texts: z.boolean('takes true or false').optional(),
  booleans: z.boolean('takes true or false').optional(),
  others: z.enum(['skip', 'refuse'], 'takes skip or refuse').optional(),
  empty: z.enum(['skip', 'refuse'], 'takes skip or refuse').optional(),
  anyCase: z.boolean('takes true or false').optional(),
  ignore: conditions.optional(),
  when: conditions.optional(),
};
const form = z.strictObject(settings);
const file = z.strictObject({
  /** For editors; nothing is read from it. */
  $schema: z.string().optional(),
  format: z.literal(1, 'takes 1, the only version there is').optional(),
  about: z.string().optional(),
  extends: z.string().optional(),
  forms: z.array(form, 'takes a list of forms').min(1, 'takes one form or more').max(MOST).optional(),
  wholeArray: z.boolean('takes true or false').optional(),
  defaultDevice: z.string('takes the name of a device').min(1).max(128).optional(),
  ...settings,
});

export type FormJson = z.infer<typeof form>;
export type MappingJson = z.infer<typeof file>;

/**
 * @param named the mappings that `extends` may name
 * @throws FleetscoreError `INVALID_MAPPING` with a line for each fault
 */
export function mappingOf(json: unknown, name: string, named: Readonly<Record<string, MappingJson>> = {}): Mapping {
  const parsed = file.safeParse(json);
  if (!parsed.success)
    throw invalid(
      name,
      parsed.error.issues.flatMap((issue) => faults(issue, json)),
    );
  const { data } = parsed;
  const base = data.extends === undefined ? undefined : named[data.extends];
  if (data.extends !== undefined && base === undefined)
    throw invalid(name, [`extends is ${shown(data.extends)}: it takes ${Object.keys(named).join(', ')}`]);
  const { forms: own, extends: _, about: __, $schema: ___, format: ____, wholeArray, defaultDevice, ...common } = data;
  const list: readonly FormJson[] = own ?? base?.forms ?? [base ? settingsOf(base) : {}];
  const made = list.map((one) =>
    formOf(own ? { ...common, ...one } : { ...one, ...common, ...added(one, common) }, defaultDevice),
  );
  const lacking = made.flatMap((one, i) =>
    (['time', 'device', 'sensor', 'value'] as const)
      .filter((key) => one[key].length === 0)
      .map((key) => `${own ? `forms[${i}].` : ''}${key} is missing: it takes ${REF_FORMS}`),
  );
  if (lacking.length > 0) throw invalid(name, lacking);
  return { name, forms: made, wholeArray: wholeArray ?? base?.wholeArray ?? false };
}

/** What is left out adds to what the mapping that is extended leaves out. */
function added(base: FormJson, more: FormJson): Pick<FormJson, 'except' | 'ignore'> {
  const lists = {
    except: [...(base.except ?? []), ...(more.except ?? [])],
    ignore: [base.ignore ?? [], more.ignore ?? []].flat(),
  };
  return {
    ...(lists.except.length > 0 ? { except: lists.except } : {}),
    ...(lists.ignore.length > 0 ? { ignore: lists.ignore } : {}),
  };
}

const settingsOf = (json: MappingJson): FormJson =>
  Object.fromEntries(Object.entries(json).filter(([key]) => key in settings));

function formOf(json: FormJson, defaultDevice: string | undefined): Form {
  const anyCase = json.anyCase ?? false;
  const steps = parsePath(json.items ?? '') as readonly Step[];
  const wide = steps.at(-1)?.kind === 'members';
  const list = (given: FormJson['time'], preset: readonly string[] = []): readonly Ref[] =>
    [given ?? preset].flat().map((text) => refOf(text, anyCase));
  const device = [...list(json.device), ...(defaultDevice === undefined ? [] : [refOf(`=${defaultDevice}`, false)])];
  const time = list(json.time);
  const sensor = list(json.sensor, wide ? ['$key'] : []);
  const quality = list(json.quality);
  return {
    when: conditionsOf(json.when, anyCase),
    ignore: conditionsOf(json.ignore, anyCase),
    items: steps,
    itemsText: json.items ?? '',
    time,
    device,
    sensor,
    value: list(json.value, wide ? ['.'] : []),
    quality,
    ...(json.timeUnit === undefined ? {} : { timeUnit: json.timeUnit }),
    ...(json.only === undefined ? {} : { only: json.only }),
    ...(json.except === undefined ? {} : { except: json.except }),
    texts: json.texts ?? false,
    booleans: json.booleans ?? false,
    others: json.others ?? (wide ? 'skip' : 'refuse'),
    empty: json.empty ?? 'refuse',
    anyCase,
    siblings: new Set(
      [...time, ...device, ...sensor, ...quality].flatMap(({ sibling }) =>
        sibling === undefined ? [] : [anyCase ? sibling.toLowerCase() : sibling],
      ),
    ),
  };
}

/** The form of a mapping's file, for editors: docs/mapping.schema.json. References are checked by the program only. */
export const mappingSchema = (): object => z.toJSONSchema(file, { io: 'input' });

/** Of a text that was checked. */
const refOf = (text: string, anyCase: boolean): Ref => parseRef(text, anyCase) as Ref;

function conditionsOf(given: FormJson['when'], anyCase: boolean): readonly Condition[] {
  return [given ?? []].flat().map((one) => {
    if (typeof one === 'string') return { of: refOf(one, anyCase), not: false };
    const values = one.is ?? one.isNot;
    const texts = values === undefined ? undefined : new Set([values].flat().map(String));
    return {
      of: refOf(one.of, anyCase),
      not: one.isNot !== undefined,
      ...(texts === undefined ? {} : { is: texts }),
    };
  });
}

const invalid = (name: string, lines: readonly string[]): FleetscoreError =>
  new FleetscoreError(
    'INVALID_MAPPING',
    `the mapping ${name} cannot be used:\n${lines.map((line) => `  ${line}`).join('\n')}`,
  );

/** A line for each fault: place, value, what it takes. */
function faults(issue: z.core.$ZodIssue, json: unknown, above: readonly PropertyKey[] = []): string[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${place([...path, key])} is not a setting of a mapping; ${known(path)}`);
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // The branch that came furthest says most: a list with one wrong entry is not "no text".
    const value = valueAt(json, path);
    const fits = issue.errors.filter((branch) =>
      branch.every(({ path: at, code }) => at.length > 0 || code === 'custom'),
    );
    const [first] = fits.length > 0 ? fits : issue.errors;
    if (first && (fits.length > 0 || value === undefined)) return first.flatMap((one) => faults(one, json, path));
    const messages = [...new Set(issue.errors.flat().map(({ message }) => message))];
    return [`${place(path)} is ${shown(value)}: ${issue.message === 'Invalid input' ? messages[0] : issue.message}`];
  }
  return [`${place(path)} is ${shown(valueAt(json, path))}: ${issue.message}`];
}

function known(path: readonly PropertyKey[]): string {
  if (path.length === 0) return `it takes ${file.keyof().options.join(', ')}`;
  const inForm = path.at(-2) === 'forms';
  return `it takes ${inForm ? form.keyof().options.join(', ') : 'of, is, isNot'}`;
}

const place = (path: readonly PropertyKey[]): string =>
  path.length === 0
    ? 'it'
    : path.reduce<string>(
        (text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}${text && '.'}${String(key)}`),
        '',
      );

const valueAt = (json: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    json,
  );
