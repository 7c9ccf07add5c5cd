/**
 * Flags of the scripts that people run by hand: `--help` says what there is, and a flag that is not known gives a line
 * and the same text. In JavaScript, since these scripts run in any Node.
 */
import { parseArgs } from 'node:util';

/** @returns what parseArgs of node:util reads; ends the process where there is nothing to do or the flags are wrong */
export function readFlags(usage, config) {
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    process.stdout.write(`usage: ${usage}\n`);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    process.stderr.write(`${error.message.split('. To specify')[0]}\nusage: ${usage}\n`);
    return process.exit(2);
  }
}
