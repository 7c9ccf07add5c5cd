/** The `fleetscore` command: a process that runs what the command line calls, and ends. */
import { runCommandLine } from './command-line.ts';
import { endSoon, outputLost, reportFault } from './frame/command.ts';

const words = process.argv.slice(2);
const json = words.includes('--json');

process.stdout.on('error', (error) => void outputLost(error, json));
// Nobody can be told that nobody can be told; what the command does goes on.
process.stderr.on('error', () => {});
// A fault in the background is one line as well.
process.once('uncaughtException', (error) => void reportFault(error, json));

await runCommandLine(words);
endSoon();
