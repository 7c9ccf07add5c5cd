/**
 * One call of the command line, from its words to what is printed. Free of the process around it, apart from its
 * output, environment and exit code: a process may serve many calls, one after the other.
 */
import { CommanderError } from 'commander';
import { EXIT_USAGE, report } from './frame/command.ts';
import { tellJson } from './frame/terminal.ts';
import { createProgram } from './program.ts';

/** @param words what follows `fleetscore`; whatever is wrong is told, and is the exit code of the process */
export async function runCommandLine(words: readonly string[]): Promise<void> {
  const json = words.includes('--json');
  try {
    await (await createProgram(words)).parseAsync(words, { from: 'user' });
  } catch (error) {
    // Commander has printed what was wrong; help and version end with 0.
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
      if (json && error.exitCode !== 0) tellJson({ error: { code: 'INVALID_ARGUMENT', message: wordsOf(error) } });
    } else await report(error, json);
  }
}

/** What Commander says of a wrong call, on one line. */
function wordsOf({ message }: CommanderError): string {
  return message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
}
