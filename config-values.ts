/** Types of the values of environment variables: each parses a text, or says what it takes. For config.ts. */
import { z } from 'zod';
import { messageOf } from './domain/errors.ts';
import { parseDuration } from './domain/time.ts';
import { parsePayloadKeys } from './payloads/keys.ts';

export const duration = (preset: string): z.ZodType<number> =>
  z
    .string()
    .default(preset)
    .transform((text, context) => {
      try {
        return parseDuration(text);
      } catch {
        context.addIssue({ code: 'custom', message: 'takes a duration such as 500ms, 5s, 15m, 2h, 1d' });
        return z.NEVER;
      }
    });

export const maybeDuration: z.ZodType<number | undefined> = z
  .string()
  .optional()
  .transform((text, context) => {
    try {
      return text === undefined ? undefined : parseDuration(text);
    } catch {
      context.addIssue({ code: 'custom', message: 'takes a duration such as 500ms, 5s, 15m, 2h, 1d' });
      return z.NEVER;
    }
  });

export const whole = (preset: number, min: number, max: number): z.ZodType<number> =>
  z
    .string()
    .default(String(preset))
    .transform((text, context) => {
      const value = Number(text);
      if (text.trim() !== '' && Number.isInteger(value) && value >= min && value <= max) return value;
      context.addIssue({ code: 'custom', message: `takes a whole number from ${min} to ${max}` });
      return z.NEVER;
    });

export const share = (): z.ZodType<number> =>
  z.string().transform((text, context) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= 0 && value <= 1) return value;
    context.addIssue({ code: 'custom', message: 'takes a number from 0 to 1' });
    return z.NEVER;
  });

export const port = (preset: number): z.ZodType<number> =>
  z
    .string()
    .default(String(preset))
    .transform((text, context) => {
      if (text === 'auto') return 0;
      const value = Number(text);
      if (Number.isInteger(value) && value >= 1 && value <= 65_535) return value;
      context.addIssue({ code: 'custom', message: 'takes a port from 1 to 65535, or auto for a free one' });
      return z.NEVER;
    });

export const optional = <T>(type: z.ZodType<T>): z.ZodType<T | undefined> =>
  z
    .string()
    .optional()
    .transform((text, context) => {
      if (text === undefined) return undefined;
      const parsed = type.safeParse(text);
      if (parsed.success) return parsed.data;
      for (const issue of parsed.error.issues) context.addIssue({ code: 'custom', message: issue.message });
      return z.NEVER;
    });

export const decimal: z.ZodType<number> = z.string().transform((text, context) => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  context.addIssue({ code: 'custom', message: 'takes a finite number' });
  return z.NEVER;
});

export const list: z.ZodType<readonly string[], string> = z.string().transform((text, context) => {
  const items = text.split(',').map((item) => item.trim());
  if (items.every((item) => item !== '')) return items;
  context.addIssue({ code: 'custom', message: 'takes one or more entries with a comma in between' });
  return z.NEVER;
});

export const fieldNames = (preset: string): z.ZodType<readonly string[]> => z.string().default(preset).pipe(list);

export const onOff = (preset: 'on' | 'off'): z.ZodType<boolean> =>
  z
    .enum(['on', 'off'], { error: 'takes on or off' })
    .default(preset)
    .transform((text) => text === 'on');

export const payloadKeys: z.ZodType<string | undefined> = z
  .string()
  .optional()
  .transform((text, context) => {
    try {
      parsePayloadKeys(text);
      return text;
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error).replace(/^FLEETSCORE_PAYLOAD_KEYS /, '') });
      return z.NEVER;
    }
  });
