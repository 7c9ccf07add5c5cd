/**
 * One part of a picture of many: what it answered, or why it did not. Parts are asked at once and for a bounded time;
 * one that does not answer costs only what it alone knows.
 */
import { inTime, patience } from './busy.ts';
import { messageOf } from './errors.ts';

export type Answer<T> =
  | { readonly value: T; readonly problem?: undefined }
  | { readonly value?: undefined; readonly problem: string };

/** Longest wait for one part on an idle machine; {@link patience} on a busy one. */
export const ANSWER_MS = 6_000;

/** An answer within its time; what is thrown becomes the problem. */
export async function ask<T>(work: () => Promise<T>, waitMs = patience(ANSWER_MS)): Promise<Answer<T>> {
  try {
    return { value: await inTime(work, waitMs) };
  } catch (error) {
    return { problem: messageOf(error).split('\n')[0]! };
  }
}

/** Goes on with an answer, where there is one. */
export function on<A, B>(work: (value: A) => Promise<B>): (answer: Answer<A>) => Promise<Answer<B>> {
  return async (answer) => (answer.problem === undefined ? ask(() => work(answer.value)) : answer);
}
