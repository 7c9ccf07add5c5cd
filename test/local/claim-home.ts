/** A process of lock.test.ts: claims the home it is given when a line comes in, and stays. */
import { FleetscoreError } from '../../domain/errors.ts';
import { claimHome } from '../../local/state.ts';

process.stdout.write('here\n');
process.stdin.once('data', () => {
  claimHome(process.argv[2]!, (line) => void process.stdout.write(`${line}\n`)).then(
    () => process.stdout.write('has it\n'),
    (error: unknown) => process.stdout.write(`${error instanceof FleetscoreError ? error.code : String(error)}\n`),
  );
});
