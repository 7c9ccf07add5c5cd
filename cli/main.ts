/** The `fleetscore` command: a process that runs what the command line calls, and ends. */
import { runCommandLine } from './command-line.ts';
import { endSoon, reportFault } from './frame/command.ts';

// A reader that has seen enough, such as `| head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

const words = process.argv.slice(2);
// A fault in the background is one line as well.
process.on('uncaughtException', (error) => void reportFault(error, words.includes('--json')));

await runCommandLine(words);
endSoon();
