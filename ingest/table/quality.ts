/**
 * Whether a reading is good, from its flag. Words as OPC UA names its status codes (Part 4, 7.39: Good..., Uncertain...
 * and Bad...). Numbers up to 65,535 as OPC Data Access 3.0 has them (6.8: the two high bits of the low byte: 192 good,
 * 64 uncertain, 0 bad), larger ones and eight hexadecimal digits as status codes of OPC UA (the two highest bits of
 * 32). A plain 0 is bad: OPC UA's Good is 0, too, but a bad reading that passes for good misleads a model.
 */
import type { Cell } from './cells.ts';

/** `good`; or what it is instead, for a count; or, with `problem`, that nobody knows. */
export type QualityOf = (
  cell: Cell,
) => { readonly flag: string; readonly good: boolean } | { readonly problem: string };

/** @param good values that are good, compared as text without case, instead of those of OPC */
export function createQualityTest(good?: readonly string[]): QualityOf {
  const said = good && new Set(good.map((flag) => flag.toLowerCase()));
  return (cell) => {
    const text = cell === null || typeof cell === 'object' ? '' : String(cell);
    // As ingest has it: a reading without a flag is good.
    if (text === '') return { flag: 'good', good: true };
    if (said) return { flag: text.slice(0, 40), good: said.has(text.toLowerCase()) };
    const flag = opcFlag(text);
    if (flag !== undefined) return { flag, good: flag === 'good' };
    return {
      problem:
        `the quality ${JSON.stringify(text.slice(0, 40))} is neither good, uncertain nor bad; ` +
        'say --good with the values that are good',
    };
  };
}

const FLAGS = ['bad', 'uncertain', undefined, 'good'] as const;
const STATUS = ['good', 'uncertain', 'bad', undefined] as const;

function opcFlag(text: string): string | undefined {
  const word = /^(good|uncertain|bad)/i.exec(text)?.[1];
  if (word !== undefined) return word.toLowerCase();
  if (/^0x[0-9a-f]{8}$/i.test(text)) return STATUS[Number(text) >>> 30];
  const code = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (code <= 0xffff) return FLAGS[(code & 0xc0) >> 6];
  return code <= 0xffff_ffff ? STATUS[code >>> 30] : undefined;
}
