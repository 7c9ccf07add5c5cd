/**
 * Every variable of fleetscore, once: name, type, default, what it is for, whether it is a secret, whether nodes of a
 * pool on Azure get it. `npm run docs` writes docs/configuration.md from here.
 */
import { availableParallelism } from 'node:os';
import { PREDICTIONS_FORMATS } from '../domain/prediction.ts';
import { TIME_UNITS } from '../domain/time.ts';
import {
  decimal,
  duration,
  durationOrAll,
  list,
  matching,
  oneOf,
  onOff,
  payloadKeys,
  port,
  share,
  text,
  url,
  whole,
} from './values.ts';
import { variable } from './variable.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const CORES = availableParallelism();

export const TABLE = {
  home: variable(
    'FLEETSCORE_HOME',
    text,
    { preset: '.fleetscore' },
    'Folder of the laptop stack: its state, data, logs, tools.',
  ),
  toolsDir: variable(
    'FLEETSCORE_TOOLS_DIR',
    text,
    { presetText: '`{home}/tools`' },
    'Where tools are installed: the Temporal CLI, the Python environment of `models convert`.',
  ),
  sqlUrl: variable(
    'FLEETSCORE_SQL_URL',
    text,
    { presetText: '`sqlite:{home}/data/fleet.db`', secret: true },
    'The SQL store: `sqlite:PATH`, or a connection string of SQL Server or Azure SQL.',
  ),
  blob: {
    connectionString: variable(
      'FLEETSCORE_BLOB_CONNECTION_STRING',
      text,
      { secret: true },
      'Blob storage by connection string, for local use. It goes before `FLEETSCORE_BLOB_URL`.',
    ),
    accountUrl: variable(
      'FLEETSCORE_BLOB_URL',
      url(['https:'], 'an https URL such as https://ACCOUNT.blob.core.windows.net'),
      { handOn: true },
      'Blob storage by the URL of its account, with a managed identity.',
    ),
  },
  eventHubs: {
    connectionString: variable(
      'FLEETSCORE_EVENT_HUBS_CONNECTION_STRING',
      text,
      { secret: true },
      'Event Hubs by connection string, for local use. It goes before `FLEETSCORE_EVENT_HUBS_NAMESPACE`.',
    ),
    namespace: variable(
      'FLEETSCORE_EVENT_HUBS_NAMESPACE',
      text,
      {},
      'Event Hubs by the host name of its namespace, with a managed identity.',
    ),
    hub: variable(
      'FLEETSCORE_EVENT_HUB',
      text,
      { presetText: '`readings`, or the EntityPath of the connection string' },
      'Name of the event hub with the readings.',
    ),
    consumerGroup: variable(
      'FLEETSCORE_CONSUMER_GROUP',
      text,
      { preset: '$Default' },
      'Consumer group of the ingest workers.',
    ),
  },
  ingest: {
    workerName: variable(
      'FLEETSCORE_INGEST_WORKER',
      text,
      {},
      'Name of this ingest worker, the same after a restart: then it has its partitions back at once.',
    ),
    windowMs: variable(
      'FLEETSCORE_WINDOW',
      duration,
      { preset: '5s', handOn: true },
      'Length of the windows that readings are aggregated over. Fixed once readings are stored.',
    ),
    hopMs: variable(
      'FLEETSCORE_HOP',
      duration,
      { presetText: 'the window: windows follow each other (tumbling)', handOn: true },
      'From the start of one window to the start of the next. Shorter than the window, windows overlap (hopping). It goes into the window a whole number of times, and every reading is written to that many windows. Fixed once readings are stored.',
    ),
    outOfOrderMs: variable(
      'FLEETSCORE_OUT_OF_ORDER',
      duration,
      { preset: '30s' },
      'How far behind the newest reading the watermark of a partition stays. A clock that runs ahead counts as the time at which its event came.',
    ),
    clockSkewMs: variable(
      'FLEETSCORE_CLOCK_SKEW',
      duration,
      { preset: '1h' },
      'Readings from further in the future are refused.',
    ),
    lateLimitMs: variable(
      'FLEETSCORE_LATE_LIMIT',
      duration,
      { presetText: 'no limit' },
      'Readings stay out of windows that ended longer than this before the watermark; they are counted, and remain in raw capture.',
    ),
    filter: {
      devices: variable(
        'FLEETSCORE_FILTER_DEVICES',
        list,
        {},
        'Devices whose readings become windows: patterns with a comma in between, `*` for any text, `?` for one character. All filters that are set must hold; what is left out remains in raw capture.',
      ),
      exceptDevices: variable('FLEETSCORE_FILTER_EXCEPT_DEVICES', list, {}, 'Devices that are left out, as patterns.'),
      sensors: variable('FLEETSCORE_FILTER_SENSORS', list, {}, 'Sensors whose readings become windows, as patterns.'),
      exceptSensors: variable('FLEETSCORE_FILTER_EXCEPT_SENSORS', list, {}, 'Sensors that are left out, as patterns.'),
      minValue: variable('FLEETSCORE_FILTER_MIN_VALUE', decimal, {}, 'Smallest value that is taken.'),
      maxValue: variable('FLEETSCORE_FILTER_MAX_VALUE', decimal, {}, 'Largest value that is taken.'),
      goodQuality: variable(
        'FLEETSCORE_FILTER_GOOD_QUALITY',
        list,
        {},
        'Quality flags that are good, with a comma in between, in any case. Readings without a flag are good.',
      ),
    },
    fields: {
      ts: variable(
        'FLEETSCORE_FIELD_TS',
        list,
        { preset: 'ts,TS,Ts,timestamp,Timestamp' },
        'JSON fields with the time of a reading, with a comma in between; the first one that is there is taken.',
      ),
      device: variable(
        'FLEETSCORE_FIELD_DEVICE',
        list,
        { preset: 'device,Device' },
        'JSON fields with the name of the device.',
      ),
      sensor: variable(
        'FLEETSCORE_FIELD_SENSOR',
        list,
        { preset: 'sensor,Sensor' },
        'JSON fields with the name of the sensor.',
      ),
      value: variable('FLEETSCORE_FIELD_VALUE', list, { preset: 'value,Value' }, 'JSON fields with the value.'),
      quality: variable(
        'FLEETSCORE_FIELD_QUALITY',
        list,
        { preset: 'quality,Quality' },
        'JSON fields with the quality flag.',
      ),
    },
    timeUnit: variable(
      'FLEETSCORE_FIELD_TS_UNIT',
      oneOf(...TIME_UNITS),
      { presetText: 'milliseconds, where that is beyond doubt' },
      'What numbers in the field of the time count since 1970: s, ms, us or ns. Where it is not set, numbers that would lie before September 2001 are refused. Times as ISO 8601 text need no unit.',
    ),
    quota: {
      perDevice: variable(
        'FLEETSCORE_MAX_SENSORS_PER_DEVICE',
        whole(1, 1_000_000_000),
        { preset: '1000' },
        'Sensors that the readings of a device may register. Readings of further ones become dead letters; those that are registered stay.',
      ),
      fleet: variable(
        'FLEETSCORE_MAX_SENSORS',
        whole(1, 1_000_000_000),
        { preset: '2000000' },
        'Sensors that readings may register in all.',
      ),
    },
    capture: variable(
      'FLEETSCORE_CAPTURE',
      onOff,
      { preset: 'on' },
      '`off` where Azure Event Hubs Capture itself writes the raw events: the ingest workers write none then.',
    ),
    captureIntervalMs: variable(
      'FLEETSCORE_CAPTURE_INTERVAL',
      duration,
      { preset: '60s' },
      'A raw capture file is closed after this time, or at its size, whichever comes first.',
    ),
    captureBytes: variable(
      'FLEETSCORE_CAPTURE_BYTES',
      whole(64 * KiB, 500 * MiB),
      { preset: String(10 * MiB) },
      'A raw capture file is closed at this size, in bytes.',
    ),
  },
  scoring: {
    queue: variable(
      'FLEETSCORE_SCORING_QUEUE',
      text,
      { preset: 'scoring' },
      'Task queue of the pool that this scoring worker belongs to.',
    ),
    threads: variable(
      'FLEETSCORE_SCORING_THREADS',
      whole(1, 256),
      { preset: String(CORES), presetText: 'one per core', handOn: true },
      'Threads of a scoring worker.',
    ),
    concurrency: variable(
      'FLEETSCORE_SCORING_CONCURRENCY',
      whole(1, 1024),
      { preset: String(CORES + 2), presetText: 'cores + 2', handOn: true },
      'Chunks that a scoring worker holds at once, so that reading, scoring and writing overlap.',
    ),
    windows: variable(
      'FLEETSCORE_SCORING_WINDOWS',
      whole(1, 1_000_000_000),
      { preset: '1000000', handOn: true },
      'Windows that a scoring worker holds in memory at once, some 400 bytes each: chunks of long periods wait for each other. A chunk with more than that runs alone.',
    ),
    cacheDir: variable(
      'FLEETSCORE_MODEL_CACHE_DIR',
      text,
      { presetText: '`{home}/cache/models`' },
      'Models and packs on the disk of a scoring worker.',
    ),
    cacheBytes: variable(
      'FLEETSCORE_MODEL_CACHE_BYTES',
      whole(1 * MiB, 64 * 1024 * MiB),
      { preset: String(256 * MiB), handOn: true },
      'Memory for sessions of models that are not in packs, per scoring worker, in bytes.',
    ),
    maxModelBytes: variable(
      'FLEETSCORE_MAX_MODEL_BYTES',
      whole(1 * KiB, 1024 * MiB),
      { preset: String(64 * MiB), handOn: true },
      'Larger models are refused, in bytes.',
    ),
    modelTimeoutMs: variable(
      'FLEETSCORE_MODEL_TIMEOUT',
      duration,
      { preset: '60s', handOn: true },
      'A model that takes longer for one sensor is given up.',
    ),
    modelMemoryBytes: variable(
      'FLEETSCORE_MODEL_MEMORY_BYTES',
      whole(16 * MiB, 1024 * 1024 * MiB),
      { preset: String(512 * MiB), handOn: true },
      'A model that is not packed and takes more memory while it loads or runs is given up, in bytes.',
    ),
    executionProvider: variable(
      'FLEETSCORE_EXECUTION_PROVIDER',
      matching(/^[a-z][a-z0-9]{1,19}$/, 'the name of an execution provider such as cpu or cuda'),
      { preset: 'cpu', handOn: true },
      'Execution provider of onnxruntime for scoring and publishing: cpu, or another that this machine has, such as cuda, dml, coreml.',
    ),
    predictionsFormat: variable(
      'FLEETSCORE_PREDICTIONS_FORMAT',
      oneOf(...PREDICTIONS_FORMATS),
      { preset: 'csv', handOn: true },
      'Format of predictions files: csv (text, for any tool) or parquet (typed columns, a fifth of the size). Readers take both, so it can be changed at any time. Set it alike for all scoring workers.',
    ),
  },
  pool: {
    name: variable(
      'FLEETSCORE_POOL',
      matching(/^[A-Za-z0-9-]{1,40}$/, 'letters, digits and hyphens, at most 40'),
      { preset: 'scoring' },
      'Name of the pool. The pool sets it on the workers that it starts.',
    ),
    maxNodes: variable(
      'FLEETSCORE_POOL_MAX_NODES',
      whole(0, 1000),
      { presetText: '2; 4 on Azure' },
      'Most nodes of the worker pool. On a laptop a node is a process.',
    ),
    minNodes: variable('FLEETSCORE_POOL_MIN_NODES', whole(0, 1000), { preset: '0' }, 'Fewest nodes of the pool.'),
    idleMs: variable(
      'FLEETSCORE_POOL_IDLE',
      duration,
      { presetText: '30s; 2m on Azure' },
      'A node without work is let go after this time.',
    ),
    keepWarm: variable(
      'FLEETSCORE_POOL_KEEP_WARM',
      text,
      { preset: 'break-even' },
      'Whether idle nodes stay for the next batch: break-even, never, always, or while it is due within a time such as 20m.',
    ),
    finishWithinMs: variable(
      'FLEETSCORE_POOL_FINISH_WITHIN',
      duration,
      { preset: '5m' },
      'A batch is to be scored within this time: it decides how many nodes a batch gets.',
    ),
    vmSize: variable(
      'FLEETSCORE_POOL_VM_SIZE',
      text,
      { preset: 'Standard_D2s_v5' },
      'Machine size of the nodes. On a laptop it only decides whose price is shown.',
    ),
    priority: variable(
      'FLEETSCORE_POOL_PRIORITY',
      oneOf('dedicated', 'low-priority'),
      { preset: 'dedicated' },
      'Whether nodes are dedicated machines, or cheaper ones that Azure may take back.',
    ),
    fallbackCluster: variable(
      'FLEETSCORE_AML_FALLBACK_CLUSTER',
      text,
      {},
      'Dedicated cluster that a low-priority pool asks when it had no machine for so long. Azure only.',
    ),
    fallbackAfterMs: variable(
      'FLEETSCORE_POOL_FALLBACK_AFTER',
      duration,
      { preset: '10m' },
      'How long a node of a low-priority pool waits for a machine before the fallback cluster is asked.',
    ),
    poolsFile: variable(
      'FLEETSCORE_POOLS_FILE',
      text,
      {},
      'JSON file with several pools: a list of objects with name, taskQueue, cluster, vmSize, limits and fallback. One has the queue `scoring`; models name the others.',
    ),
    pricesFile: variable(
      'FLEETSCORE_PRICES_FILE',
      text,
      {},
      "Price file in the shape of Azure's retail price API; deploy/prices.sample.json is one.",
    ),
    pricesRegion: variable('FLEETSCORE_PRICES_REGION', text, {}, 'Region to take from the price file.'),
    aml: {
      workspaceId: variable(
        'FLEETSCORE_AML_WORKSPACE_ID',
        matching(
          /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.MachineLearningServices\/workspaces\/[^/]+$/i,
          'the resource id of a workspace: /subscriptions/.../workspaces/NAME',
        ),
        {},
        'Azure Machine Learning workspace whose cluster runs the pool: its resource id. Without it nothing is scaled on Azure.',
      ),
      location: variable('FLEETSCORE_AML_LOCATION', text, { preset: 'westeurope' }, 'Azure region of the cluster.'),
      cluster: variable('FLEETSCORE_AML_CLUSTER', text, { preset: 'fleetscore' }, 'Name of the compute cluster.'),
      environmentId: variable(
        'FLEETSCORE_AML_ENVIRONMENT_ID',
        text,
        {},
        "Environment of the workspace that holds the worker's image.",
      ),
      command: variable(
        'FLEETSCORE_AML_COMMAND',
        text,
        { preset: 'node /app/dist/workers/scoring.js' },
        'Command that starts a worker in that environment.',
      ),
      subnetId: variable(
        'FLEETSCORE_AML_SUBNET_ID',
        text,
        {},
        'Resource id of the subnet of the nodes, which then have no public addresses.',
      ),
      identityId: variable(
        'FLEETSCORE_AML_IDENTITY_ID',
        text,
        {},
        'Resource id of the user-assigned identity of the nodes.',
      ),
    },
  },
  worker: {
    node: variable(
      'FLEETSCORE_NODE',
      text,
      {},
      'Node of the pool that this worker runs on. The pool sets it on the workers that it starts.',
    ),
    buildId: variable(
      'FLEETSCORE_BUILD_ID',
      matching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'letters, digits, dots, underscores and hyphens, at most 64'),
      { presetText: 'the version of the code and a digest of its workflows' },
      'Version of a worker for Temporal, to which batches are pinned. The digest makes every build whose workflows differ another one; set it to tell builds apart by something else, a commit for example.',
    ),
    versioning: variable(
      'FLEETSCORE_VERSIONING',
      oneOf('auto', 'manual', 'off'),
      { preset: 'auto' },
      '`auto`: a control worker of a new version takes the new batches by itself, and running ones from versions without workers. `manual`: both wait for `fleetscore workers promote` and `move`. `off`: workers without versions.',
    ),
    idleExitMs: variable(
      'FLEETSCORE_WORKER_IDLE_EXIT',
      duration,
      { presetText: 'never on a laptop, 1h on a node of Azure' },
      'A scoring worker without work that hears nothing of its pool for this long ends by itself.',
    ),
    drainGraceMs: variable(
      'FLEETSCORE_WORKER_DRAIN_GRACE',
      duration,
      { preset: '20s', handOn: true },
      'Time that running activities of a worker get to end once it is told to.',
    ),
    recycleBytes: variable(
      'FLEETSCORE_WORKER_RECYCLE_BYTES',
      whole(0, 1024 * 1024 * MiB),
      { preset: '0', handOn: true },
      'A scoring worker above this memory, in bytes, finishes what it has and makes room for a fresh one. 0: never.',
    ),
  },
  keep: {
    windowsMs: variable(
      'FLEETSCORE_KEEP_WINDOWS',
      durationOrAll,
      { preset: '400d' },
      'The control worker deletes windows older than this from SQL: a year and a month, unless told otherwise. `all` keeps all.',
    ),
    batchesMs: variable(
      'FLEETSCORE_KEEP_BATCHES',
      durationOrAll,
      { preset: 'all' },
      'The control worker deletes batches that ended longer ago from SQL. `all` keeps all.',
    ),
    blobs: variable(
      'FLEETSCORE_PRUNE_BLOBS',
      onOff,
      { preset: 'off', presetText: 'off; on in the laptop stack' },
      'What goes from SQL goes from Blob as well: raw events with windows; predictions, pages and logs with batches. Off on Azure, where lifecycle rules do it and the control worker may not write `raw`.',
    ),
  },
  metricsPort: variable(
    'FLEETSCORE_METRICS_PORT',
    port,
    { presetText: 'no metrics' },
    'Metrics of a worker process for Prometheus: http://127.0.0.1:PORT/metrics. Every process needs a port of its own; `auto` takes a free one and says in the log which.',
  ),
  alerts: {
    url: variable(
      'FLEETSCORE_ALERT_URL',
      url(['http:', 'https:'], 'an http or https URL'),
      { secret: true },
      'A webhook that is told, as JSON, about failed batches. A secret, as such addresses often hold a key.',
    ),
    anomalyRate: variable(
      'FLEETSCORE_ALERT_ANOMALY_RATE',
      share,
      {},
      'The webhook is also told about batches with a larger share of anomalous windows than this, 0 to 1.',
    ),
    skippedRate: variable(
      'FLEETSCORE_ALERT_SKIPPED_RATE',
      share,
      {},
      'The webhook is also told about batches that skipped a larger share of their sensors than this, 0 to 1: no readings, or no model.',
    ),
  },
  site: {
    publish: variable(
      'FLEETSCORE_SITE',
      onOff,
      { preset: 'on' },
      '`off`: batches write no pages to the site in Blob (container `site`).',
    ),
    maxSensors: variable(
      'FLEETSCORE_SITE_SENSORS',
      whole(1, 20_000),
      { preset: '1000' },
      'Most sensors of a batch that get a chart on the site: all of a small fleet, of a large one those that need attention first.',
    ),
  },
  payloadKeys: variable(
    'FLEETSCORE_PAYLOAD_KEYS',
    payloadKeys,
    { presetText: 'payloads go as they are', secret: true },
    'Keys that payloads of workflows are encrypted with: 32 random bytes in base64 each, with a comma in between. The first encrypts, all decrypt; `none` first encrypts nothing any more. Every process that talks to Temporal needs them.',
  ),
  codecToken: variable(
    'FLEETSCORE_CODEC_TOKEN',
    matching(/^[\w.~-]{32,512}$/, '32 to 512 letters, digits, -, _, . or ~ (`openssl rand -hex 32` makes one)'),
    { secret: true },
    'What the Web UI and `temporal` must show to the codec server: 32 or more letters, digits, `-`, `_`, `.` or `~`.',
  ),
  logsToBlob: variable(
    'FLEETSCORE_LOGS_TO_BLOB',
    onOff,
    { preset: 'on', handOn: true },
    'What workers write on stdout and stderr goes to Blob too, under `logs/{date}/{worker}.jsonl`: `fleetscore logs` finds it.',
  ),
  logLevel: variable(
    'FLEETSCORE_LOG_LEVEL',
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent'),
    { preset: 'info', handOn: true },
    'The lowest level of the lines that workers log: trace, debug, info, warn, error or silent.',
  ),
  ports: {
    temporal: variable('FLEETSCORE_TEMPORAL_PORT', port, { preset: '7233' }, 'Port of the laptop stack: Temporal.'),
    ui: variable('FLEETSCORE_UI_PORT', port, { preset: '8233' }, "Port of the laptop stack: Temporal's Web UI."),
    blob: variable('FLEETSCORE_BLOB_PORT', port, { preset: '10000' }, 'Port of the laptop stack: Blob storage.'),
    eventHubs: variable(
      'FLEETSCORE_EVENT_HUBS_PORT',
      port,
      { preset: '5672' },
      'Port of the laptop stack: Event Hubs.',
    ),
  },
};
