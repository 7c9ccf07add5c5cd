/**
 * Loaded before a program (`node --import`), it takes a mend out of it: the source of one module is changed as it is
 * loaded. FLEETSCORE_TAKE_OUT names the mend; FLEETSCORE_CLOCK_AHEAD sets the program's clock ahead by so many ms.
 */
import { registerHooks } from 'node:module';

interface Cut {
  /** End of the module's address. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** What each mend is without. A text that is not there any more ends the program: the proof would prove nothing. */
const CUTS: Readonly<Record<string, readonly Cut[]>> = {
  'which hub it is': [
    {
      file: '/ingest/hub-identity.ts',
      from: '  if (!stored || stored.appliedSeq < 0) return SAME;\n',
      to: '  if (stored || !stored) return SAME;\n',
    },
  ],
  'the clock of Blob': [
    { file: '/ingest/store-clock.ts', from: 'skewMs = Math.abs(found) > EXACT_MS ? found : 0;', to: 'skewMs = 0;' },
    { file: '/ingest/subscription.ts', from: 'const FLUSHED_EVENTS = 100;', to: 'const FLUSHED_EVENTS = Infinity;' },
  ],
  'one look at models': [
    { file: '/activities/scoring.ts', from: 'period, models: own.models, ...shape', to: 'period, ...shape' },
  ],
};

export const MENDS: readonly string[] = Object.keys(CUTS);

const mend = process.env['FLEETSCORE_TAKE_OUT'];
const cuts = mend === undefined ? [] : CUTS[mend]!;
if (cuts.length > 0)
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const own = cuts.filter(({ file }) => url.endsWith(file));
      if (own.length === 0) return loaded;
      let source = String(loaded.source);
      for (const { file, from, to } of own) {
        if (!source.includes(from)) throw new Error(`${file} has no ${JSON.stringify(from)} any more`);
        source = source.replace(from, () => to);
      }
      return { ...loaded, source };
    },
  });

const aheadMs = Number(process.env['FLEETSCORE_CLOCK_AHEAD'] ?? 0);
if (aheadMs !== 0) {
  const Real = Date;
  globalThis.Date = new Proxy(Real, {
    construct: (target, args: [], self) =>
      Reflect.construct(target, args.length === 0 ? [Real.now() + aheadMs] : args, self) as Date,
    get: (target, name, self) =>
      name === 'now' ? () => Real.now() + aheadMs : (Reflect.get(target, name, self) as unknown),
  });
}
