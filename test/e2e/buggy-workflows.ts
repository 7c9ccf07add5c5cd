/** A version of the workflows with a bug: each task of it fails, and Temporal tries it again for ever. */
export async function scoreBatch(): Promise<never> {
  throw new TypeError('a bug');
}
