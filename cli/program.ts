/**
 * The commands of `fleetscore`, put together. Each is a file of its own, loaded when it is called; only the overview and
 * the reference (docs/cli.md) load all.
 */
import { Command } from 'commander';
import { VERSION } from '../version.ts';

type Register = (program: Command) => void;

/** By name, in the order of the overview. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  demo: async () => (await import('./stack/demo.ts')).registerDemo,
  up: async () => (await import('./stack/stack.ts')).registerUp,
  down: async () => (await import('./stack/stack.ts')).registerDown,
  status: async () => (await import('./status/status.ts')).registerStatus,
  logs: async () => (await import('./stack/logs.ts')).registerLogs,
  doctor: async () => (await import('./stack/doctor.ts')).registerDoctor,
  config: async () => (await import('./stack/config.ts')).registerConfig,
  models: async () => (await import('./models/models.ts')).registerModels,
  send: async () => (await import('./ingest/send.ts')).registerSend,
  sensors: async () => (await import('./ingest/sensors.ts')).registerSensors,
  readings: async () => (await import('./ingest/readings.ts')).registerReadings,
  ingest: async () => (await import('./ingest/ingest.ts')).registerIngest,
  db: async () => (await import('./stack/db.ts')).registerDb,
  local: async () => (await import('./stack/local.ts')).registerLocal,
  schedule: async () => (await import('./schedule/schedule.ts')).registerSchedule,
  gaps: async () => (await import('./schedule/gaps.ts')).registerGaps,
  batch: async () => (await import('./batch/batch.ts')).registerBatch,
  predictions: async () => (await import('./batch/predictions.ts')).registerPredictions,
  report: async () => (await import('./batch/report.ts')).registerReport,
  explain: async () => (await import('./batch/explain.ts')).registerExplain,
  pool: async () => (await import('./pool/pool.ts')).registerPool,
  cost: async () => (await import('./pool/cost.ts')).registerCost,
  workers: async () => (await import('./pool/workers.ts')).registerWorkers,
  verify: async () => (await import('./batch/verify.ts')).registerVerify,
  'codec-server': async () => (await import('./stack/codec-server.ts')).registerCodecServer,
  simulate: async () => (await import('./ingest/simulate.ts')).registerSimulate,
};

/** @param args the command line, to load only what it calls; none: everything */
export async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('fleetscore')
    .description('Scheduled batch scoring of sensor fleets, on Temporal.')
    .version(VERSION)
    .option('--json', 'print the result as one JSON document')
    .option('--home <dir>', 'folder of the laptop stack (default: FLEETSCORE_HOME, or .fleetscore here)')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(--help shows how it is called)')
    .exitOverride();
  const called = args.find((arg, i) => Object.hasOwn(COMMANDS, arg) && args[i - 1] !== '--home');
  const loads = called === undefined ? Object.values(COMMANDS) : [COMMANDS[called]!];
  for (const register of await Promise.all(loads.map((load) => load()))) register(program);
  return program;
}
