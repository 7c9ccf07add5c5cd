/**
 * The commands of `fleetscore`, put together. What they are called and take is in cli/commands/, which loads nothing of
 * what they do; that is loaded when one of them is called.
 */
import { Command, type Option } from 'commander';
import { VERSION } from '../version.ts';
import { addExamples } from './commands/examples.ts';
import { does } from './frame/command.ts';
import { COMPLETE } from './frame/complete-words.ts';
import type { Context } from './frame/context.ts';

type Register = (program: Command) => void;

/** By name, in the order of the overview. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  demo: async () => (await import('./commands/stack.ts')).registerDemo,
  up: async () => (await import('./commands/stack.ts')).registerUp,
  down: async () => (await import('./commands/stack.ts')).registerDown,
  ui: async () => (await import('./commands/stack.ts')).registerUi,
  status: async () => (await import('./commands/stack.ts')).registerStatus,
  logs: async () => (await import('./commands/stack.ts')).registerLogs,
  doctor: async () => (await import('./commands/stack.ts')).registerDoctor,
  config: async () => (await import('./commands/stack.ts')).registerConfig,
  alarms: async () => (await import('./commands/alarms.ts')).registerAlarms,
  models: async () => (await import('./commands/models.ts')).registerModels,
  send: async () => (await import('./commands/send.ts')).registerSend,
  drop: async () => (await import('./commands/drop.ts')).registerDrop,
  sensors: async () => (await import('./commands/ingest.ts')).registerSensors,
  readings: async () => (await import('./commands/ingest.ts')).registerReadings,
  ingest: async () => (await import('./commands/ingest.ts')).registerIngest,
  db: async () => (await import('./commands/stack.ts')).registerDb,
  local: async () => (await import('./commands/stack.ts')).registerLocal,
  schedule: async () => (await import('./commands/schedule.ts')).registerSchedule,
  gaps: async () => (await import('./commands/schedule.ts')).registerGaps,
  batch: async () => (await import('./commands/batch.ts')).registerBatch,
  predictions: async () => (await import('./commands/batch.ts')).registerPredictions,
  report: async () => (await import('./commands/batch.ts')).registerReport,
  explain: async () => (await import('./commands/batch.ts')).registerExplain,
  pool: async () => (await import('./commands/pool.ts')).registerPool,
  cost: async () => (await import('./commands/pool.ts')).registerCost,
  worker: async () => (await import('./commands/stack.ts')).registerWorker,
  workers: async () => (await import('./commands/pool.ts')).registerWorkers,
  verify: async () => (await import('./commands/batch.ts')).registerVerify,
  'codec-server': async () => (await import('./commands/stack.ts')).registerCodecServer,
  init: async () => (await import('./commands/stack.ts')).registerInit,
  completion: async () => (await import('./commands/stack.ts')).registerCompletion,
  simulate: async () => (await import('./commands/ingest.ts')).registerSimulate,
};

/** @param args the command line, to load only what it calls; none: everything */
export async function createProgram(args: readonly string[]): Promise<Command> {
  const program: Command = new Command('fleetscore')
    .description('Scheduled batch scoring of sensor fleets, on Temporal.')
    .version(VERSION)
    .option('--json', 'print the result as one JSON document')
    .option('--home <dir>', 'folder of the laptop stack (default: FLEETSCORE_HOME, or .fleetscore here)')
    .configureHelp({
      showGlobalOptions: true,
      // Those of a command above it, such as `predictions` above `predictions export`, are not its own.
      visibleGlobalOptions: (command): Option[] => (command.parent ? [...program.options] : []),
    })
    .showHelpAfterError('(--help shows how it is called)')
    .exitOverride();
  // Programs that read JSON get a wrong call as JSON, too (main.ts).
  if (args.includes('--json')) program.configureOutput({ writeErr: () => {} });
  if (args[0] === COMPLETE) addComplete(program);
  const called =
    args[0] === COMPLETE ? undefined : args.find((arg, i) => Object.hasOwn(COMMANDS, arg) && args[i - 1] !== '--home');
  const loads = called === undefined ? Object.values(COMMANDS) : [COMMANDS[called]!];
  for (const register of await Promise.all(loads.map((load) => load()))) register(program);
  addExamples(program);
  return program;
}

/** Hidden: the scripts of `completion` call it, with the tree of all commands. */
function addComplete(program: Command): void {
  const load = async () => {
    const { complete } = await import('./stack/completion.ts');
    return { complete: (context: Context, _: object, words: string[]) => complete(context, program, words) };
  };
  program.command(COMPLETE, { hidden: true }).argument('[words...]').action(does(load, 'complete'));
}
