/**
 * Configuration: environment variables, one typed set of defaults, checked once at start. Connection of
 * Temporal is not here: it comes from the standard TEMPORAL_* variables and temporal.toml profiles. Below
 * the environment lie the addresses of a running laptop stack, so commands find it without any setting.
 */
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import {
  duration,
  maybeDuration,
  whole,
  share,
  port,
  optional,
  decimal,
  list,
  fieldNames,
  onOff,
  payloadKeys,
} from './config-values.ts';
import { FleetscoreError } from './domain/errors.ts';
import { PREDICTIONS_FORMATS, type PredictionsFormat } from './domain/prediction.ts';
import { hopProblem } from './domain/windowing.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

export type Env = Readonly<Record<string, string | undefined>>;

/** Every variable with its default; the comments are the reference that the README points to. */
const variables = z.object({
  /** Folder of the laptop stack: its state, data, logs, tools. */
  FLEETSCORE_HOME: z.string().default('.fleetscore'),
  /** Where tools are installed: the Temporal CLI, the Python environment of `models convert`. Default: `{home}/tools`. */
  FLEETSCORE_TOOLS_DIR: z.string().optional(),
  /** `sqlite:PATH`, or a SQL Server / Azure SQL connection string. Default: `sqlite:{home}/data/fleet.db`. */
  FLEETSCORE_SQL_URL: z.string().optional(),
  /** Blob storage by connection string (local use), or by account URL with a managed identity. */
  FLEETSCORE_BLOB_CONNECTION_STRING: z.string().optional(),
  FLEETSCORE_BLOB_URL: z
    .url({ protocol: /^https$/, error: 'takes an https URL such as https://ACCOUNT.blob.core.windows.net' })
    .optional(),
  /** Event Hubs by connection string (local use), or by host name of the namespace with a managed identity. */
  FLEETSCORE_EVENT_HUBS_CONNECTION_STRING: z.string().optional(),
  FLEETSCORE_EVENT_HUBS_NAMESPACE: z.string().optional(),
  /** Name of the event hub with the readings, and the consumer group of the ingest workers. */
  FLEETSCORE_EVENT_HUB: z.string().min(1).default('readings'),
  FLEETSCORE_CONSUMER_GROUP: z.string().min(1).default('$Default'),
  /** Length of the windows that readings are aggregated over. Fixed once readings are stored. */
  FLEETSCORE_WINDOW: duration('5s'),
  /**
   * From the start of one window to the start of the next: shorter than the window, they overlap (hopping windows). It
   * goes into the window a whole number of times, and every reading costs that many windows. Fixed as the window is.
   * Default: the window, so that they follow each other (tumbling windows).
   */
  FLEETSCORE_HOP: maybeDuration,
  /** Name of this ingest worker, the same after a restart: then it has its partitions back at once. */
  FLEETSCORE_INGEST_WORKER: z.string().optional(),
  /** How far behind the newest reading a partition's watermark stays; a clock that runs ahead counts as the time its event came. */
  FLEETSCORE_OUT_OF_ORDER: duration('30s'),
  /** Readings from further in the future are refused. */
  FLEETSCORE_CLOCK_SKEW: duration('1h'),
  /**
   * Readings stay out of windows that ended longer than this before the watermark; they are counted and remain in
   * raw capture. No limit by default.
   */
  FLEETSCORE_LATE_LIMIT: maybeDuration,
  /** The control worker deletes windows older than this, and batches that ended longer ago, from SQL. All is kept by default. */
  FLEETSCORE_KEEP_WINDOWS: maybeDuration,
  FLEETSCORE_KEEP_BATCHES: maybeDuration,
  /**
   * Readings that become windows; all conditions that are set must hold. What is left out remains in raw capture.
   * Names of devices and sensors: patterns with a comma in between, `*` for any text, `?` for one character.
   */
  FLEETSCORE_FILTER_DEVICES: optional(list),
  FLEETSCORE_FILTER_EXCEPT_DEVICES: optional(list),
  FLEETSCORE_FILTER_SENSORS: optional(list),
  FLEETSCORE_FILTER_EXCEPT_SENSORS: optional(list),
  /** Smallest and largest value that is taken, both included. */
  FLEETSCORE_FILTER_MIN_VALUE: optional(decimal),
  FLEETSCORE_FILTER_MAX_VALUE: optional(decimal),
  /** Quality flags that are good, with a comma in between, in any case; readings without a flag are good. */
  FLEETSCORE_FILTER_GOOD_QUALITY: optional(list),
  /** Names of the JSON fields of a reading, with a comma in between; the first one that is there is taken. */
  FLEETSCORE_FIELD_TS: fieldNames('ts,TS'),
  FLEETSCORE_FIELD_DEVICE: fieldNames('device,Device'),
  FLEETSCORE_FIELD_SENSOR: fieldNames('sensor,Sensor'),
  FLEETSCORE_FIELD_VALUE: fieldNames('value,Value'),
  FLEETSCORE_FIELD_QUALITY: fieldNames('quality,Quality'),
  /** `off` where Azure Event Hubs Capture itself writes the raw events: the ingest workers write none then. */
  FLEETSCORE_CAPTURE: onOff('on'),
  /** A raw capture file is closed after this time or size, whichever comes first. */
  FLEETSCORE_CAPTURE_INTERVAL: duration('60s'),
  FLEETSCORE_CAPTURE_BYTES: whole(10 * MiB, 64 * KiB, 500 * MiB),
  /** Threads of a scoring worker. Default: one per core. */
  FLEETSCORE_SCORING_THREADS: whole(availableParallelism(), 1, 256),
  /** Chunks a scoring worker holds at once; fetching, scoring and writing overlap. Default: cores + 2. */
  FLEETSCORE_SCORING_CONCURRENCY: whole(availableParallelism() + 2, 1, 1024),
  /**
   * Windows a scoring worker holds in memory at once, some 400 bytes each: chunks of long periods wait for each other.
   * A chunk with more than that runs alone.
   */
  FLEETSCORE_SCORING_WINDOWS: whole(1_000_000, 1, 1_000_000_000),
  /** Task queue of the pool this scoring worker belongs to. */
  FLEETSCORE_SCORING_QUEUE: z.string().min(1).default('scoring'),
  /** Models and packs on the disk of a scoring worker. Default: `{home}/cache/models`. */
  FLEETSCORE_MODEL_CACHE_DIR: z.string().optional(),
  /** Memory for sessions of models that are not in packs, per scoring worker. */
  FLEETSCORE_MODEL_CACHE_BYTES: whole(256 * MiB, 1 * MiB, 64 * 1024 * MiB),
  /** Larger models are refused. */
  FLEETSCORE_MAX_MODEL_BYTES: whole(64 * MiB, 1 * KiB, 1024 * MiB),
  /** A model that takes longer for one sensor is given up. */
  FLEETSCORE_MODEL_TIMEOUT: duration('60s'),
  /** A model that is not packed and takes more memory while it loads or runs is given up. */
  FLEETSCORE_MODEL_MEMORY_BYTES: whole(512 * MiB, 16 * MiB, 1024 * 1024 * MiB),
  /** Execution provider of onnxruntime for scoring and publishing: cpu, or another that this machine has, such as cuda, dml, coreml. */
  FLEETSCORE_EXECUTION_PROVIDER: z
    .string()
    .regex(/^[a-z][a-z0-9]{1,19}$/, 'takes the name of an execution provider such as cpu or cuda')
    .default('cpu'),
  /**
   * Predictions files: csv (text, for any tool) or parquet (typed columns, a fifth of the size). Readers take both,
   * so it can be changed at any time. Set it alike for all scoring workers.
   */
  FLEETSCORE_PREDICTIONS_FORMAT: z
    .enum(PREDICTIONS_FORMATS, { error: `takes ${PREDICTIONS_FORMATS.join(' or ')}` })
    .default('csv'),
  /** The worker pool: most and fewest nodes. On a laptop a node is a process. Default: 2; 4 on Azure. */
  FLEETSCORE_POOL_MAX_NODES: z
    .string()
    .regex(/^\d{1,4}$/, 'takes a whole number from 0 to 1000')
    .optional(),
  FLEETSCORE_POOL_MIN_NODES: whole(0, 0, 1000),
  /** A node without work is let go after this time. Default: 30s on a laptop, 2m on Azure. */
  FLEETSCORE_POOL_IDLE: maybeDuration,
  /** Idle nodes stay for the next batch: break-even, never, always, or while it is due within a time such as 20m. */
  FLEETSCORE_POOL_KEEP_WARM: z.string().default('break-even'),
  /** A batch is to be scored within this time: decides how many nodes it gets. */
  FLEETSCORE_POOL_FINISH_WITHIN: duration('5m'),
  /** Machine size of the nodes; on a laptop only the one whose price is shown. */
  FLEETSCORE_POOL_VM_SIZE: z.string().min(1).default('Standard_D2s_v5'),
  FLEETSCORE_POOL_PRIORITY: z.enum(['dedicated', 'low-priority']).default('dedicated'),
  /** Dedicated cluster that a low-priority pool asks when it had no machine for so long. Azure only. */
  FLEETSCORE_AML_FALLBACK_CLUSTER: z.string().min(1).optional(),
  FLEETSCORE_POOL_FALLBACK_AFTER: duration('10m'),
  /** JSON file with several pools: a list of objects with name, taskQueue, cluster, vmSize, limits and fallback. One has the queue `scoring`; models name the others. */
  FLEETSCORE_POOLS_FILE: z.string().optional(),
  /** Price file in the shape of Azure's retail price API, and the region to take from it. */
  FLEETSCORE_PRICES_FILE: z.string().optional(),
  FLEETSCORE_PRICES_REGION: z.string().optional(),
  /** Azure Machine Learning workspace whose cluster runs the pool: its resource id. Without it nothing is scaled on Azure. */
  FLEETSCORE_AML_WORKSPACE_ID: z
    .string()
    .regex(
      /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.MachineLearningServices\/workspaces\/[^/]+$/i,
      'takes the resource id of a workspace: /subscriptions/.../workspaces/NAME',
    )
    .optional(),
  FLEETSCORE_AML_LOCATION: z.string().default('westeurope'),
  FLEETSCORE_AML_CLUSTER: z.string().default('fleetscore'),
  /** Environment of the workspace that holds the worker's image, and the command that starts a worker in it. */
  FLEETSCORE_AML_ENVIRONMENT_ID: z.string().optional(),
  FLEETSCORE_AML_COMMAND: z.string().default('node /app/dist/workers/scoring.js'),
  /** Resource ids of the subnet of the nodes (then without public addresses) and of their user-assigned identity. */
  FLEETSCORE_AML_SUBNET_ID: z.string().optional(),
  FLEETSCORE_AML_IDENTITY_ID: z.string().optional(),
  /** Set by the pool on the workers it starts: their node and pool. */
  FLEETSCORE_NODE: z.string().optional(),
  FLEETSCORE_POOL: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,40}$/, 'takes letters, digits and hyphens, at most 40')
    .default('scoring'),
  /** A scoring worker without work that hears nothing of its pool for this long ends by itself. Default: never on a laptop, 1h on a node of Azure. */
  FLEETSCORE_WORKER_IDLE_EXIT: maybeDuration,
  /**
   * Version of a worker for Temporal, to which batches are pinned: letters, digits, dots, hyphens. Default: the version
   * of the code. Set it where workflows change without a new version of the code, to a commit for example.
   */
  FLEETSCORE_BUILD_ID: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'takes letters, digits, dots, underscores and hyphens, at most 64')
    .optional(),
  /**
   * `auto`: a control worker of a new version takes the new batches by itself, and running ones from versions without
   * workers. `manual`: both wait for `fleetscore workers promote` and `move`. `off`: workers without versions.
   */
  FLEETSCORE_VERSIONING: z.enum(['auto', 'manual', 'off'], { error: 'takes auto, manual or off' }).default('auto'),
  /** Time that running activities of a worker get to end once it is told to. */
  FLEETSCORE_WORKER_DRAIN_GRACE: duration('20s'),
  /** A scoring worker above this memory finishes what it has and makes room for a fresh one. 0: never. */
  FLEETSCORE_WORKER_RECYCLE_BYTES: whole(0, 0, 1024 * 1024 * MiB),
  /**
   * Metrics of a worker process for Prometheus: http://127.0.0.1:PORT/metrics. Off unless set. Every process needs
   * a port of its own; `auto` takes a free one and says in the log which.
   */
  FLEETSCORE_METRICS_PORT: optional(port(0)),
  /** A webhook that is told, as JSON, about failed batches; a secret, as such addresses often hold a key. */
  FLEETSCORE_ALERT_URL: z.url({ protocol: /^https?$/, error: 'takes an http or https URL' }).optional(),
  /** It is also told about batches with a larger share of anomalous windows than this, 0 to 1. */
  FLEETSCORE_ALERT_ANOMALY_RATE: share().optional(),
  /** `off`: batches write no pages to the site in Blob (container `site`). */
  FLEETSCORE_SITE: onOff('on'),
  /** Most sensors of a batch that get a chart on the site: all of a small fleet, of a large one those that need attention first. */
  FLEETSCORE_SITE_SENSORS: whole(1_000, 1, 20_000),
  /**
   * Keys that payloads of workflows are encrypted with, a secret: 32 random bytes in base64 each, with a comma in
   * between. The first encrypts, all decrypt; `none` first encrypts nothing any more. Every process that talks to
   * Temporal needs them. Without them payloads go as they are.
   */
  FLEETSCORE_PAYLOAD_KEYS: payloadKeys,
  /** What the Web UI and `temporal` must show to the codec server, a secret: 32 or more letters, digits, `-`, `_`, `.` or `~`. */
  FLEETSCORE_CODEC_TOKEN: z
    .string()
    .regex(/^[\w.~-]{32,512}$/, 'takes 32 to 512 letters, digits, -, _, . or ~ (`openssl rand -hex 32` makes one)')
    .optional(),
  /** What workers write on stdout and stderr goes to Blob too, under `logs/{date}/{worker}.jsonl`: `fleetscore logs` finds it. */
  FLEETSCORE_LOGS_TO_BLOB: onOff('on'),
  /** trace, debug, info, warn, error or silent. */
  FLEETSCORE_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** Ports of the laptop stack, all on loopback. */
  FLEETSCORE_TEMPORAL_PORT: port(7233),
  FLEETSCORE_UI_PORT: port(8233),
  FLEETSCORE_BLOB_PORT: port(10_000),
  FLEETSCORE_EVENT_HUBS_PORT: port(5672),
});

export interface Config {
  /** Absolute. */
  readonly home: string;
  readonly toolsDir: string;
  readonly sqlUrl: string;
  readonly blob: { readonly connectionString: string } | { readonly accountUrl: string } | undefined;
  readonly eventHubs: {
    readonly connection: { readonly connectionString: string } | { readonly namespace: string } | undefined;
    readonly hub: string;
    readonly consumerGroup: string;
  };
  readonly ingest: {
    readonly workerName?: string;
    readonly windowMs: number;
    /** The window's length when windows do not overlap. */
    readonly hopMs: number;
    readonly outOfOrderMs: number;
    readonly clockSkewMs: number;
    /** Absent: no limit. */
    readonly lateLimitMs?: number;
    /** As `FilterSettings` of ingest/filter.ts. */
    readonly filter: {
      readonly devices?: readonly string[];
      readonly exceptDevices?: readonly string[];
      readonly sensors?: readonly string[];
      readonly exceptSensors?: readonly string[];
      readonly minValue?: number;
      readonly maxValue?: number;
      readonly goodQuality?: readonly string[];
    };
    readonly fields: Readonly<Record<'ts' | 'device' | 'sensor' | 'value' | 'quality', readonly string[]>>;
    readonly capture: boolean;
    readonly captureIntervalMs: number;
    readonly captureBytes: number;
  };
  readonly scoring: {
    readonly queue: string;
    readonly threads: number;
    readonly concurrency: number;
    readonly windows: number;
    readonly cacheDir: string;
    readonly cacheBytes: number;
    readonly maxModelBytes: number;
    readonly modelTimeoutMs: number;
    readonly modelMemoryBytes: number;
    readonly executionProvider: string;
    readonly predictionsFormat: PredictionsFormat;
  };
  readonly pool: {
    readonly name: string;
    readonly maxNodes: number | undefined;
    readonly minNodes: number;
    readonly idleMs: number | undefined;
    /** As written. */
    readonly keepWarm: string;
    readonly finishWithinMs: number;
    readonly vmSize: string;
    readonly priority: 'dedicated' | 'low-priority';
    readonly fallbackCluster: string | undefined;
    readonly fallbackAfterMs: number;
    readonly poolsFile: string | undefined;
    readonly pricesFile: string | undefined;
    readonly pricesRegion: string | undefined;
    readonly aml:
      | {
          readonly workspaceId: string;
          readonly location: string;
          readonly cluster: string;
          readonly environmentId: string | undefined;
          readonly command: string;
          readonly subnetId: string | undefined;
          readonly identityId: string | undefined;
        }
      | undefined;
  };
  readonly worker: {
    /** Node of the pool this worker runs on. */
    readonly node: string | undefined;
    /** Absent: the version of the code. */
    readonly buildId?: string;
    readonly versioning: 'auto' | 'manual' | 'off';
    readonly idleExitMs: number | undefined;
    readonly drainGraceMs: number;
    readonly recycleBytes: number;
  };
  /** 0: a free one. Absent: no metrics. */
  readonly metricsPort?: number;
  /** Who is told about batches that need a person. */
  readonly keep: { readonly windowsMs?: number; readonly batchesMs?: number };
  readonly alerts?: { readonly url: string; readonly anomalyRate?: number };
  /** Whether batches write pages to Blob, and most sensors with a chart. */
  readonly site: { readonly publish: boolean; readonly maxSensors: number };
  /** As written; `parsePayloadKeys` of payloads/ reads it. */
  readonly payloadKeys?: string;
  readonly codecToken?: string;
  readonly logsToBlob: boolean;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly ports: { readonly temporal: number; readonly ui: number; readonly blob: number; readonly eventHubs: number };
}

/** @throws FleetscoreError `INVALID_CONFIG` that lists every wrong variable, what it got and what it takes */
export function loadConfig(env: Env = process.env): Config {
  const unknown = Object.keys(env).filter(
    (name) => name.startsWith('FLEETSCORE_') && !(name in variables.shape) && !OTHER.has(name),
  );
  // An empty variable is one that was not set.
  const set = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => name in variables.shape && value !== ''),
  );
  const parsed = variables.safeParse(set);
  const problems = [
    ...unknown.map((name) => `${name} is not a variable of fleetscore`),
    ...(parsed.success ? [] : parsed.error.issues.map((issue) => describe(String(issue.path[0]), set, issue.message))),
  ];
  if (parsed.success) {
    const { FLEETSCORE_FILTER_MIN_VALUE: min, FLEETSCORE_FILTER_MAX_VALUE: max } = parsed.data;
    if (min !== undefined && max !== undefined && min > max)
      problems.push(
        describe('FLEETSCORE_FILTER_MIN_VALUE', set, `takes at most FLEETSCORE_FILTER_MAX_VALUE, which is ${max}`),
      );
    const { FLEETSCORE_WINDOW: windowMs, FLEETSCORE_HOP: hopMs = windowMs } = parsed.data;
    const hopWrong = hopProblem({ windowMs, hopMs });
    if (hopWrong) problems.push(describe('FLEETSCORE_HOP', set, hopWrong));
  }
  if (!parsed.success || problems.length > 0)
    throw new FleetscoreError('INVALID_CONFIG', `wrong configuration:\n${problems.map((p) => `  ${p}`).join('\n')}`);
  const v = parsed.data;
  const home = resolve(v.FLEETSCORE_HOME);
  return {
    home,
    toolsDir: resolve(v.FLEETSCORE_TOOLS_DIR ?? join(home, 'tools')),
    sqlUrl: v.FLEETSCORE_SQL_URL ?? `sqlite:${join(home, 'data', 'fleet.db')}`,
    blob: v.FLEETSCORE_BLOB_CONNECTION_STRING
      ? { connectionString: v.FLEETSCORE_BLOB_CONNECTION_STRING }
      : v.FLEETSCORE_BLOB_URL
        ? { accountUrl: v.FLEETSCORE_BLOB_URL }
        : undefined,
    eventHubs: {
      connection: v.FLEETSCORE_EVENT_HUBS_CONNECTION_STRING
        ? { connectionString: v.FLEETSCORE_EVENT_HUBS_CONNECTION_STRING }
        : v.FLEETSCORE_EVENT_HUBS_NAMESPACE
          ? { namespace: v.FLEETSCORE_EVENT_HUBS_NAMESPACE }
          : undefined,
      hub: v.FLEETSCORE_EVENT_HUB,
      consumerGroup: v.FLEETSCORE_CONSUMER_GROUP,
    },
    ingest: {
      windowMs: v.FLEETSCORE_WINDOW,
      hopMs: v.FLEETSCORE_HOP ?? v.FLEETSCORE_WINDOW,
      outOfOrderMs: v.FLEETSCORE_OUT_OF_ORDER,
      clockSkewMs: v.FLEETSCORE_CLOCK_SKEW,
      ...(v.FLEETSCORE_INGEST_WORKER ? { workerName: v.FLEETSCORE_INGEST_WORKER } : {}),
      ...defined({ lateLimitMs: v.FLEETSCORE_LATE_LIMIT }),
      filter: defined({
        devices: v.FLEETSCORE_FILTER_DEVICES,
        exceptDevices: v.FLEETSCORE_FILTER_EXCEPT_DEVICES,
        sensors: v.FLEETSCORE_FILTER_SENSORS,
        exceptSensors: v.FLEETSCORE_FILTER_EXCEPT_SENSORS,
        minValue: v.FLEETSCORE_FILTER_MIN_VALUE,
        maxValue: v.FLEETSCORE_FILTER_MAX_VALUE,
        goodQuality: v.FLEETSCORE_FILTER_GOOD_QUALITY,
      }),
      fields: {
        ts: v.FLEETSCORE_FIELD_TS,
        device: v.FLEETSCORE_FIELD_DEVICE,
        sensor: v.FLEETSCORE_FIELD_SENSOR,
        value: v.FLEETSCORE_FIELD_VALUE,
        quality: v.FLEETSCORE_FIELD_QUALITY,
      },
      capture: v.FLEETSCORE_CAPTURE,
      captureIntervalMs: v.FLEETSCORE_CAPTURE_INTERVAL,
      captureBytes: v.FLEETSCORE_CAPTURE_BYTES,
    },
    scoring: {
      queue: v.FLEETSCORE_SCORING_QUEUE,
      threads: v.FLEETSCORE_SCORING_THREADS,
      concurrency: v.FLEETSCORE_SCORING_CONCURRENCY,
      windows: v.FLEETSCORE_SCORING_WINDOWS,
      cacheDir: v.FLEETSCORE_MODEL_CACHE_DIR ?? join(home, 'cache', 'models'),
      cacheBytes: v.FLEETSCORE_MODEL_CACHE_BYTES,
      maxModelBytes: v.FLEETSCORE_MAX_MODEL_BYTES,
      modelTimeoutMs: v.FLEETSCORE_MODEL_TIMEOUT,
      modelMemoryBytes: v.FLEETSCORE_MODEL_MEMORY_BYTES,
      executionProvider: v.FLEETSCORE_EXECUTION_PROVIDER,
      predictionsFormat: v.FLEETSCORE_PREDICTIONS_FORMAT,
    },
    pool: {
      name: v.FLEETSCORE_POOL,
      maxNodes: v.FLEETSCORE_POOL_MAX_NODES === undefined ? undefined : Number(v.FLEETSCORE_POOL_MAX_NODES),
      minNodes: v.FLEETSCORE_POOL_MIN_NODES,
      idleMs: v.FLEETSCORE_POOL_IDLE,
      keepWarm: v.FLEETSCORE_POOL_KEEP_WARM,
      finishWithinMs: v.FLEETSCORE_POOL_FINISH_WITHIN,
      vmSize: v.FLEETSCORE_POOL_VM_SIZE,
      priority: v.FLEETSCORE_POOL_PRIORITY,
      fallbackCluster: v.FLEETSCORE_AML_FALLBACK_CLUSTER,
      fallbackAfterMs: v.FLEETSCORE_POOL_FALLBACK_AFTER,
      poolsFile: v.FLEETSCORE_POOLS_FILE,
      pricesFile: v.FLEETSCORE_PRICES_FILE,
      pricesRegion: v.FLEETSCORE_PRICES_REGION,
      aml:
        v.FLEETSCORE_AML_WORKSPACE_ID === undefined
          ? undefined
          : {
              workspaceId: v.FLEETSCORE_AML_WORKSPACE_ID,
              location: v.FLEETSCORE_AML_LOCATION,
              cluster: v.FLEETSCORE_AML_CLUSTER,
              environmentId: v.FLEETSCORE_AML_ENVIRONMENT_ID,
              command: v.FLEETSCORE_AML_COMMAND,
              subnetId: v.FLEETSCORE_AML_SUBNET_ID,
              identityId: v.FLEETSCORE_AML_IDENTITY_ID,
            },
    },
    worker: {
      node: v.FLEETSCORE_NODE,
      ...defined({ buildId: v.FLEETSCORE_BUILD_ID }),
      versioning: v.FLEETSCORE_VERSIONING,
      idleExitMs: v.FLEETSCORE_WORKER_IDLE_EXIT,
      drainGraceMs: v.FLEETSCORE_WORKER_DRAIN_GRACE,
      recycleBytes: v.FLEETSCORE_WORKER_RECYCLE_BYTES,
    },
    keep: defined({ windowsMs: v.FLEETSCORE_KEEP_WINDOWS, batchesMs: v.FLEETSCORE_KEEP_BATCHES }),
    ...defined({
      metricsPort: v.FLEETSCORE_METRICS_PORT,
      payloadKeys: v.FLEETSCORE_PAYLOAD_KEYS,
      codecToken: v.FLEETSCORE_CODEC_TOKEN,
    }),
    ...(v.FLEETSCORE_ALERT_URL === undefined
      ? {}
      : {
          alerts: { url: v.FLEETSCORE_ALERT_URL, ...defined({ anomalyRate: v.FLEETSCORE_ALERT_ANOMALY_RATE }) },
        }),
    site: { publish: v.FLEETSCORE_SITE, maxSensors: v.FLEETSCORE_SITE_SENSORS },
    logsToBlob: v.FLEETSCORE_LOGS_TO_BLOB,
    logLevel: v.FLEETSCORE_LOG_LEVEL,
    ports: {
      temporal: v.FLEETSCORE_TEMPORAL_PORT,
      ui: v.FLEETSCORE_UI_PORT,
      blob: v.FLEETSCORE_BLOB_PORT,
      eventHubs: v.FLEETSCORE_EVENT_HUBS_PORT,
    },
  };
}

/** Without the keys that have no value. */
function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** Read elsewhere: by tests. */
const OTHER: ReadonlySet<string> = new Set(['FLEETSCORE_TEST_SQL_URL']);

/** Connection strings hold keys: their value is never shown. */
const SECRET = /CONNECTION_STRING|SQL_URL|ALERT_URL|PAYLOAD_KEYS|CODEC_TOKEN|API_KEY|CLIENT_KEY|CLIENT_SECRET/;

/** The variables without those that hold secrets: for programs of others that need none of ours. */
export const withoutSecrets = (env: Env): Env =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !SECRET.test(name)));

function describe(name: string, values: Record<string, unknown>, message: string): string {
  return `${name} is ${SECRET.test(name) ? 'set' : JSON.stringify(values[name])}: it ${message.startsWith('takes') ? message : `is wrong (${message})`}`;
}

/** @throws FleetscoreError `NOT_CONFIGURED` that names the variables and the command that start a local one */
export function need<T>(value: T | undefined, what: string, names: string): T {
  if (value !== undefined) return value;
  throw new FleetscoreError(
    'NOT_CONFIGURED',
    `${what} is not configured and no laptop stack runs here. Start one with \`fleetscore up\`, or set ${names}.`,
  );
}

/** @throws FleetscoreError `NOT_CONFIGURED` */
export const blobConfig = (config: Pick<Config, 'blob'>): NonNullable<Config['blob']> =>
  need(config.blob, 'Blob storage', 'FLEETSCORE_BLOB_URL or FLEETSCORE_BLOB_CONNECTION_STRING');
