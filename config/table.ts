/**
 * Every variable of fleetscore, once: name, type, default, what it is for, whether it is a secret, whether nodes of a
 * pool on Azure get it. `npm run docs` writes docs/configuration.md from here.
 * Long sections have files of their own.
 */
import { INGEST } from './table-ingest.ts';
import { POOL } from './table-pool.ts';
import { SCORING } from './table-scoring.ts';
import {
  duration,
  durationOrAll,
  matching,
  oneOf,
  onOff,
  payloadKeys,
  port,
  share,
  text,
  timer,
  url,
  whole,
} from './values.ts';
import { variable } from './variable.ts';

const MiB = 1024 * 1024;

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
    onNewHub: variable(
      'FLEETSCORE_ON_NEW_HUB',
      oneOf('stop', 'read'),
      { preset: 'stop', handOn: true },
      'What ingest does when an event hub is not the one that it read before: deleted and made again, or ' +
        'failed over with events lost. `stop`: its partitions stand still until somebody decides. ' +
        '`read`: they are read from their first event on; windows stay, and what is there twice counts once.',
    ),
  },
  ingest: INGEST,
  scoring: SCORING,
  pool: POOL,
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
      'Version of a worker for Temporal, to which batches are pinned. ' +
        'The digest makes every build whose workflows differ another one; ' +
        'set it to tell builds apart by something else, a commit for example.',
    ),
    versioning: variable(
      'FLEETSCORE_VERSIONING',
      oneOf('auto', 'manual', 'off'),
      { preset: 'auto' },
      '`auto`: a control worker of a new version takes the new batches by itself, and running ones from ' +
        'versions without workers. `manual`: both wait for `fleetscore workers promote` and `move`. ' +
        '`off`: workers without versions.',
    ),
    idleExitMs: variable(
      'FLEETSCORE_WORKER_IDLE_EXIT',
      duration,
      { presetText: 'never on a laptop, 1h on a node of Azure' },
      'A scoring worker without work that hears nothing of its pool for this long ends by itself.',
    ),
    drainGraceMs: variable(
      'FLEETSCORE_WORKER_DRAIN_GRACE',
      timer,
      { preset: '20s', handOn: true },
      'Time that running activities of a worker get to end once it is told to.',
    ),
    watchEveryMs: variable(
      'FLEETSCORE_WATCH_EVERY',
      timer,
      { preset: '1m' },
      'How often a control worker looks for batches that lost their workflow, which it closes, for workflows that do ' +
        'not go on, which it tells the webhook, and for loops of pools that were ended, which are started again.',
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
      'The control worker deletes windows older than this from SQL: a year and a month, unless told ' +
        'otherwise. `all` keeps all.',
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
      'What goes from SQL goes from Blob as well: raw events with windows; ' +
        'predictions, pages and logs with batches. Off on Azure, where lifecycle rules do it and the control ' +
        'worker may not write `raw`.',
    ),
  },
  metricsPort: variable(
    'FLEETSCORE_METRICS_PORT',
    port,
    { presetText: 'no metrics' },
    'Metrics of a worker process for Prometheus: http://127.0.0.1:PORT/metrics. ' +
      'Every process needs a port of its own; `auto` takes a free one and says in the log which.',
  ),
  alerts: {
    url: variable(
      'FLEETSCORE_ALERT_URL',
      url(['http:', 'https:'], 'an http or https URL'),
      { secret: true },
      'A webhook that is told, as JSON, about failed batches. A secret, as such addresses often hold a key.',
    ),
    secret: variable(
      'FLEETSCORE_ALERT_SECRET',
      matching(
        /^(whsec_)?(?=.{32,88}$)[A-Za-z0-9+/]+={0,2}$/,
        '24 to 64 random bytes in base64, with or without whsec_ before them (`openssl rand -base64 32` makes one)',
      ),
      { secret: true },
      'Alerts are signed with it, as Standard Webhooks describes it, so that a receiver knows who sent them ' +
        'and when: 24 to 64 random bytes in base64.',
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
      'The webhook is also told about batches that skipped a larger share of their sensors than this, 0 to ' +
        '1: no readings, or no model.',
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
      'Most sensors of a batch that get a chart on the site: all of a small fleet, of a large one those that ' +
        'need attention first.',
    ),
  },
  payloadKeys: variable(
    'FLEETSCORE_PAYLOAD_KEYS',
    payloadKeys,
    { presetText: 'payloads go as they are', secret: true },
    'Keys that payloads of workflows are encrypted with: 32 random bytes in base64 each, with a comma in ' +
      'between. The first encrypts, all decrypt; `none` first encrypts nothing any more. ' +
      'Every process that talks to Temporal needs them.',
  ),
  codecToken: variable(
    'FLEETSCORE_CODEC_TOKEN',
    matching(/^[\w.~-]{32,512}$/, '32 to 512 letters, digits, -, _, . or ~ (`openssl rand -hex 32` makes one)'),
    { secret: true },
    'What the Web UI and `temporal` must show to the codec server: 32 or more letters, digits, `-`, `_`, `.` or `~`.',
  ),
  appToken: variable(
    'FLEETSCORE_APP_TOKEN',
    matching(/^[\w.~-]{32,512}$/, '32 to 512 letters, digits, -, _, . or ~ (`openssl rand -hex 32` makes one)'),
    { secret: true },
    'What people must show to the web application where it listens beyond loopback: 32 or more letters, ' +
      'digits, `-`, `_`, `.` or `~`.',
  ),
  mail: {
    url: variable(
      'FLEETSCORE_SMTP_URL',
      url(['smtp:', 'smtps:'], 'smtps://USER:PASSWORD@HOST:465 or smtp://USER:PASSWORD@HOST:587'),
      { secret: true },
      'The mail server that tells of alarms: `smtps://USER:PASSWORD@HOST:465` or ' +
        '`smtp://USER:PASSWORD@HOST:587`, which takes STARTTLS. A secret.',
    ),
    from: variable(
      'FLEETSCORE_MAIL_FROM',
      matching(/^[^\r\n]{0,200}[^\s@<>]+@[^\s@<>]+>?$/, 'an address such as fleetscore@plant.example'),
      {},
      'The sender of mails about alarms. With FLEETSCORE_SMTP_URL it must be set.',
    ),
  },
  alarmsHub: variable(
    'FLEETSCORE_ALARMS_HUB',
    text,
    { preset: 'alarms' },
    'The event hub that gets alarms where the rules of alarms ask for it, in the namespace of the readings.',
  ),
  appUrl: variable(
    'FLEETSCORE_APP_URL',
    url(['http:', 'https:'], 'an http or https URL'),
    {},
    'Where people open the web application: `https://plant.example`. Notices of alarms and the pages of batches in ' +
      "Temporal's Web UI link there; behind a proxy it is also what `fleetscore ui` takes actions from.",
  ),
  logsToBlob: variable(
    'FLEETSCORE_LOGS_TO_BLOB',
    onOff,
    { preset: 'on', handOn: true },
    'What workers write on stdout and stderr goes to Blob too, under `logs/{date}/{worker}.jsonl`: ' +
      '`fleetscore logs` finds it.',
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
    app: variable('FLEETSCORE_APP_PORT', port, { preset: '8240' }, 'Port of the web application (`fleetscore ui`).'),
    blob: variable('FLEETSCORE_BLOB_PORT', port, { preset: '10000' }, 'Port of the laptop stack: Blob storage.'),
    eventHubs: variable(
      'FLEETSCORE_EVENT_HUBS_PORT',
      port,
      { preset: '5672' },
      'Port of the laptop stack: Event Hubs.',
    ),
  },
};
