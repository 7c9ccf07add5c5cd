/**
 * The peers: each scores the same models over the same windows with scikit-learn, spread the way its users
 * spread work, once per sensor and once in chunks. They write plain local files and their start is not timed,
 * which favours them. Their anomalies must be as many as ours.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { messageOf } from '../domain/errors.ts';
import { simulatedParameters } from '../samples/simulate-models.ts';
import type { BenchFleet } from './fleet.ts';

/** Sensors each peer gets, per sensor and in chunks: what it does in about half a minute on two cores. */
const PEERS = {
  process: { requirements: 'python', title: 'a Python process per sensor (the reference)', sensors: [20, 0] },
  ray: { requirements: 'ray', title: 'Ray', sensors: [1_000, 1_000], isolated: true },
  dask: { requirements: 'dask', title: 'Dask', sensors: [1_000, 1_000] },
  prefect: { requirements: 'prefect', title: 'Prefect', sensors: [1_000, 1_000] },
  dagster: { requirements: 'dagster', title: 'Dagster', sensors: [40, 1_000] },
  loop: { requirements: 'python', title: 'a loop in one Python process', sensors: [1_000, 0] },
} as const satisfies Record<
  string,
  { requirements: string; title: string; sensors: readonly [number, number]; isolated?: boolean }
>;

export type PeerName = keyof typeof PEERS;
export const PEER_NAMES = Object.keys(PEERS) as PeerName[];
/** Sensors of a fleet that every peer can be run on. */
export const PEER_FLEET = 1_000;
const CHUNK = 100;

export interface PeerRate {
  readonly sensors: number;
  readonly seconds: number;
  readonly sensorsPerSecond: number;
  /** Where the peer tells it. */
  readonly cpuSeconds?: number;
}

export interface PeerResult {
  readonly name: PeerName;
  readonly title: string;
  readonly perSensor?: PeerRate;
  readonly chunked?: PeerRate;
  /** Why it was not measured. */
  readonly skipped?: string;
}

const run = promisify(execFile);
const HERE = fileURLToPath(new URL('./peers/', import.meta.url));

/**
 * Runs a peer. What stops it is told in its result: the others are measured all the same.
 * @param given models of its own, `model_<id>.joblib`, for the first so many sensors
 */
export async function runPeer(
  name: PeerName,
  { context, home, fleet }: BenchFleet,
  toolsDir: string,
  log: (line: string) => void,
  given?: { readonly models: string; readonly sensors: number },
): Promise<PeerResult> {
  const peer: {
    readonly requirements: string;
    readonly title: string;
    readonly sensors: readonly [number, number];
    readonly isolated?: boolean;
  } = PEERS[name];
  const dir = mkdtempSync(join(tmpdir(), 'fleetscore-peer-'));
  try {
    const isolate = await canIsolate();
    // Ray's own servers listen on every interface whatever they are told.
    if (peer.isolated && !isolate)
      return {
        name,
        title: peer.title,
        skipped: 'it needs a network namespace (unshare -rn), which this system does not allow',
      };
    const python = await ensureVenv(peer.requirements, toolsDir, log);
    const env = {
      ...Object.fromEntries(
        Object.entries(process.env).filter(
          ([variable]) => !/^(PYTHON|PIP_|RAY_|DASK_|PREFECT_|DAGSTER_)/.test(variable),
        ),
      ),
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONUNBUFFERED: '1',
      OMP_NUM_THREADS: '1',
      OPENBLAS_NUM_THREADS: '1',
      DO_NOT_TRACK: '1',
      RAY_USAGE_STATS_ENABLED: '0',
      DAGSTER_DISABLE_TELEMETRY: '1',
      PREFECT_SERVER_ANALYTICS_ENABLED: 'false',
      PREFECT_HOME: join(dir, 'prefect'),
      PREFECT_LOGGING_LEVEL: 'ERROR',
      PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: '180',
      TMPDIR: dir,
    };
    const models = given?.models ?? join(dir, 'models');
    if (!given) await writeModels(python, models, env);
    const store = await context.store();
    const [batch] = await store.listBatches({ status: 'completed', limit: 1 });
    const measure = async (way: 'sensor' | 'chunk', sensors: number): Promise<PeerRate> => {
      const out = join(dir, way);
      mkdirSync(out);
      const args = [
        join(HERE, `${name}_peer.py`),
        '--models',
        models,
        '--db',
        join(home, 'data', 'fleet.db'),
        '--out',
        out,
        '--from-ms',
        String(fleet.fromMs),
        '--to-ms',
        String(fleet.toMs),
        '--sensors',
        String(sensors),
        '--way',
        way,
        '--chunk',
        String(CHUNK),
      ];
      const [command, ...rest] = isolate
        ? ['unshare', '-rn', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', python, ...args]
        : [python, ...args];
      const { stdout } = await run(command, rest, {
        cwd: HERE,
        env,
        maxBuffer: 256 * 1024 * 1024,
        timeout: 15 * 60_000,
        killSignal: 'SIGKILL',
      });
      const line = stdout
        .trim()
        .split('\n')
        .findLast((text) => text.startsWith('{"seconds"'));
      if (line === undefined) throw new Error(`it printed no result: ${stdout.slice(-300)}`);
      const result = JSON.parse(line) as {
        seconds: number;
        rows: number;
        anomalies: number;
        cpuSeconds: number | null;
      };
      const ours = (await store.listOutcomes(batch!.id, { limit: sensors })).reduce(
        (sum, outcome) => ({ rows: sum.rows + outcome.windows, anomalies: sum.anomalies + outcome.anomalies }),
        { rows: 0, anomalies: 0 },
      );
      if (result.rows !== ours.rows || result.anomalies !== ours.anomalies)
        throw new Error(
          `it found ${result.anomalies} anomalies in ${result.rows} rows, fleetscore ${ours.anomalies} in ${ours.rows}`,
        );
      const rate = Number((sensors / result.seconds).toPrecision(3));
      log(`  ${peer.title}, ${way === 'sensor' ? 'per sensor' : `chunks of ${CHUNK}`}: ${rate} sensors/s`);
      const { seconds, cpuSeconds } = result;
      return { sensors, seconds, sensorsPerSecond: rate, ...(cpuSeconds === null ? {} : { cpuSeconds }) };
    };
    const [single, chunked] = peer.sensors.map((sensors) => Math.min(sensors, given?.sensors ?? sensors)) as [
      number,
      number,
    ];
    return {
      name,
      title: peer.title,
      ...(single > 0 ? { perSensor: await measure('sensor', single) } : {}),
      ...(chunked > 0 ? { chunked: await measure('chunk', chunked) } : {}),
    };
  } catch (error) {
    const reason = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1) ?? messageOf(error);
    log(`  ${peer.title} was not measured: ${reason}`);
    return { name, title: peer.title, skipped: reason.slice(0, 300) };
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Whether processes can get a network of their own, with loopback alone. */
async function canIsolate(): Promise<boolean> {
  return run('unshare', ['-rn', 'sh', '-c', 'ip link set lo up']).then(
    () => true,
    () => false,
  );
}

/** Python of an environment with the pinned packages, made once. */
export async function ensureVenv(name: string, toolsDir: string, log: (line: string) => void): Promise<string> {
  const requirements = join(HERE, `${name}-requirements.txt`);
  const key = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const dir = join(toolsDir, 'peers', `${name}-${key}`);
  if (!existsSync(dir)) {
    log(`  installing ${name} and what it needs, once ...`);
    mkdirSync(join(toolsDir, 'peers'), { recursive: true });
    const build = mkdtempSync(join(toolsDir, 'peers', 'build-'));
    try {
      await run('python3', ['-m', 'venv', build]);
      await run(
        join(build, 'bin', 'python'),
        [
          '-m',
          'pip',
          'install',
          '--quiet',
          '--disable-pip-version-check',
          '--no-input',
          '--only-binary',
          ':all:',
          '-r',
          requirements,
        ],
        { timeout: 20 * 60_000 },
      );
      renameSync(build, dir);
    } finally {
      rmSync(build, { recursive: true, force: true });
    }
  }
  return join(dir, 'bin', 'python');
}

/** The pickles a scikit-learn user would have: the fleet's sensors have the ids 1 and up, in order of their index. */
async function writeModels(python: string, folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(python, [join(HERE, 'prepare.py'), folder], { env, stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = new Promise<number | null>((resolve, reject) => child.once('exit', resolve).once('error', reject));
  for (let index = 0; index < PEER_FLEET; index++) {
    const { mean, scale, supportVectors, negGamma, dualCoef, intercept } = simulatedParameters(index);
    child.stdin.write(
      `${JSON.stringify({
        id: index + 1,
        mean: mean[0],
        scale: scale[0],
        supportVectors: [...supportVectors],
        gamma: -negGamma,
        dualCoef: [...dualCoef],
        intercept,
      })}\n`,
    );
  }
  child.stdin.end();
  if ((await ended) !== 0) throw new Error('the models could not be written for scikit-learn');
}
