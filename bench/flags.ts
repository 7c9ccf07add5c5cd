/**
 * Flags of the long runs (bench, chaos, soak, fuzz): `--help` says what there is, and a flag that is not known or a
 * value that is not one gives a line and the same text, never a stack trace. They end the process as commands do.
 */

/** @param read parses flags and looks at their values; what it throws is what is wrong with them */
export function orUsage<T>(usage: string, read: () => T, argv: readonly string[] = process.argv.slice(2)): T {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(`usage: ${usage}\n`);
    process.exit(0);
  }
  try {
    return read();
  } catch (error) {
    return endWithUsage(error, usage);
  }
}

/** What parseArgs of node:util says of flags; the rest of its text is about its own use. */
const isOfFlags = (error: unknown): error is Error & { readonly code: string } =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');

/** A value that a flag does not take. */
export const wrongFlag = (message: string): Error =>
  Object.assign(new Error(message), { code: 'ERR_PARSE_ARGS_VALUE' });

/** For a run that reads its flags itself: what is wrong with them gives the usage, any other trouble is as it was. */
export async function withUsage(usage: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!isOfFlags(error)) throw error;
    endWithUsage(error, usage);
  }
}

/** @param error what is wrong */
export function endWithUsage(error: unknown, usage: string): never {
  const said = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${said.split('. To specify')[0]}\nusage: ${usage}\n`);
  process.exit(2);
}
