/**
 * One part of a picture of many: what it answered, or why it did not. Parts are asked at once and for a bounded time;
 * one that does not answer costs only what it alone knows.
 */
import { messageOf } from './errors.ts';

export type Answer<T> =
  | { readonly value: T; readonly problem?: undefined }
  | { readonly value?: undefined; readonly problem: string };

/** Longest wait for one part. */
export const ANSWER_MS = 6_000;

/** An answer within its time; what is thrown becomes the problem. */
export async function ask<T>(work: () => Promise<T>, waitMs = ANSWER_MS): Promise<Answer<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${waitMs / 1000} s`)), waitMs);
  });
  try {
    return { value: await Promise.race([work(), late]) };
  } catch (error) {
    return { problem: messageOf(error).split('\n')[0]! };
  } finally {
    clearTimeout(timer);
  }
}

/** Goes on with an answer, where there is one. */
export function on<A, B>(work: (value: A) => Promise<B>): (answer: Answer<A>) => Promise<Answer<B>> {
  return async (answer) => (answer.problem === undefined ? ask(() => work(answer.value)) : answer);
}
