/** The `fleetscore` command: runs what the command line calls, and tells errors as users see them. */
import { CommanderError } from 'commander';
import { endSoon, EXIT_USAGE, report, reportFault } from './frame/command.ts';
import { tellJson } from './frame/terminal.ts';
import { createProgram } from './program.ts';

// A reader that has seen enough, such as `| head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

const json = process.argv.includes('--json');
// A fault in the background is one line as well.
process.on('uncaughtException', (error) => void reportFault(error, json));

try {
  await (await createProgram(process.argv.slice(2))).parseAsync(process.argv);
} catch (error) {
  // Commander has printed what was wrong; help and version end with 0.
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
    if (json && error.exitCode !== 0) tellJson({ error: { code: 'INVALID_ARGUMENT', message: wordsOf(error) } });
  } else await report(error, json);
}
endSoon();

/** What Commander says of a wrong call, on one line. */
function wordsOf({ message }: CommanderError): string {
  return message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
}
