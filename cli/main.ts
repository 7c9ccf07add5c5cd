/** The `fleetscore` command. One file a command; this one only puts them together. */
import { Command, CommanderError } from 'commander';
import { VERSION } from '../version.ts';
import { registerBatch } from './batch.ts';
import { EXIT_USAGE, report } from './command.ts';
import { registerDemo } from './demo.ts';
import { registerDoctor } from './doctor.ts';
import { registerModels } from './models.ts';
import { registerPredictions } from './predictions.ts';
import { registerReport } from './report.ts';
import { registerSchedule } from './schedule.ts';
import { registerSend } from './send.ts';
import { registerSensors } from './sensors.ts';
import { registerStack } from './stack.ts';

export function createProgram(): Command {
  const program = new Command('fleetscore')
    .description('Scheduled batch scoring of sensor fleets, on Temporal.')
    .version(VERSION)
    .option('--json', 'print the result as one JSON document')
    .option('--home <dir>', 'folder of the laptop stack (default: FLEETSCORE_HOME, or .fleetscore here)')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(--help shows how it is called)')
    .exitOverride();
  for (const register of [
    registerDemo, registerStack, registerDoctor, registerModels, registerSend, registerSensors, registerSchedule, registerBatch,
    registerPredictions, registerReport,
  ]) register(program);
  return program;
}

try {
  await createProgram().parseAsync(process.argv);
} catch (error) {
  // Commander has printed what was wrong; help and version end with 0.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  else report(error, process.argv.includes('--json'));
}
