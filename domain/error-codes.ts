/**
 * Every code of a {@link FleetscoreError}, once, with what it says. Codes are stable: people and programs compare them, so
 * codes are added, never renamed. `npm run docs` writes docs/errors.md from here.
 */
export const ERROR_CODES = {
  'Requests and arguments': {
    INVALID_ARGUMENT: 'An argument or option of a command is wrong.',
    INVALID_CONFIG: 'Variables of the configuration are wrong; the message lists all of them.',
    INVALID_DURATION: 'A text is not a duration such as `15m`.',
    INVALID_FLAG: 'Options of the Event Hubs emulator do not go together.',
    INVALID_LIMITS: 'Limits of a pool are unknown or contradict each other.',
    INVALID_NAME: 'A device or a sensor has a name that cannot be taken.',
    INVALID_PAYLOAD_KEYS: 'FLEETSCORE_PAYLOAD_KEYS is not a list of keys.',
    INVALID_POOLS: 'The file of pools cannot be used.',
    INVALID_RELEASE: 'A release cannot have this name.',
    INVALID_REQUEST: 'The request of a batch has an unknown, wrong or contradictory field.',
    INVALID_SIZES: 'A batch of this size cannot be cut into these parts.',
    INVALID_TIME: 'A text is not a time in ISO 8601.',
    INVALID_ZONE: 'There is no such time zone.',
    NOT_CONFIGURED: 'What the command needs is not configured.',
    NOT_SUPPORTED: 'This engine or server cannot do it; the message says who can.',
    INTERRUPTED: 'It was stopped from outside before its end.',
    TEXT_TOO_LONG: 'A text is longer than its column.',
  },
  'Files and folders': {
    DISK_FULL: 'The disk of a folder is full.',
    FILE: 'A file that a command names cannot be read or is another kind of thing.',
    FILE_EXISTS: 'A file that is to be made is there already.',
    FILE_UNREADABLE: 'A file cannot be read.',
    FILE_UNWRITABLE: 'A file cannot be written.',
    FOLDER: 'A folder cannot be made or used.',
    FORMAT_TOO_NEW: 'A file was made by a newer fleetscore.',
    FORMAT_UNKNOWN: 'A file says a format that is none.',
    HOME_FOREIGN: 'The folder `.fleetscore` here was made by somebody else, and nobody named it.',
    TOOLS_DIR_UNUSABLE: 'The folder of tools cannot be written.',
  },
  Alarms: {
    ALARM_REFUSED: 'The state of an alarm does not allow what was asked; nothing was changed.',
    ALARM_RULES_INVALID: 'Rules of alarms cannot be used; the message lists all that is wrong.',
    ALARM_UNKNOWN: 'There is no such alarm.',
  },
  Batches: {
    BATCH_CLOSED: 'New outcomes came for a batch that has ended.',
    BATCH_CONFLICT: 'Another run has this batch id.',
    BATCH_ENDED: 'The batch has ended already.',
    BATCH_FAILED: 'The batch did not start, or failed while it was waited for.',
    BATCH_RUNNING: 'The batch still runs, and what was asked needs its end.',
    BATCH_STALLED: 'Batches have not moved for long.',
    BATCH_UNKNOWN: 'There is no such batch.',
    OUTCOMES_INCOMPLETE: 'A batch is to be closed and sensors have no outcome yet; it is tried again.',
    PREDICTIONS_CORRUPT: 'A predictions file cannot be read.',
    LINEAGE_BROKEN: 'A prediction has no outcome or no model on record.',
    SCORING_CLOSED: 'A scoring worker ends and takes no more work.',
    SCORING_THREAD_FAILED: 'A thread could not write a predictions file; it is tried again.',
    SITE_TOO_SLOW: 'Pages of a batch were not written in time.',
    WORKER_ENDS: 'A call was given up since its worker ends.',
  },
  'Models and releases': {
    BAD_MODELS: 'Models cannot be published; the message names each.',
    CHALLENGER_IS_CURRENT: 'A challenger cannot be the current release.',
    CONVERT_FAILED: 'The converter of models ended early.',
    CONVERT_INVALID_FEATURES: 'A name given for a feature is none of a window.',
    CONVERT_NO_FOLDER: 'The folder of models to convert is not there.',
    CONVERT_NO_MODELS: 'A folder holds no model file.',
    EXECUTION_PROVIDER_UNAVAILABLE: 'onnxruntime cannot compute with this provider here.',
    INVALID_MODEL_LIST: 'The models of a folder cannot be told apart, or its manifest is wrong.',
    MODELS_LOST: 'A new release would leave sensors without a model.',
    MODEL_CHANGED: 'A model file changed while it was published.',
    MODEL_CORRUPT: 'A model is not ONNX, or its content does not fit its hash.',
    MODEL_FAILED: 'A model runs and gives no usable output.',
    MODEL_MISSING: 'Blob does not hold a model that a release names.',
    MODEL_TOO_LARGE: 'A model is larger than the limit.',
    MODEL_WRONG_SHAPE: 'A model breaks the model contract.',
    NOT_FINITE: 'A model gives a score that is not a number.',
    TIMEOUT: 'A model took too long.',
    NOTHING_BEFORE: 'No release is known to have been current before.',
    NO_RELEASE: 'No release is published yet.',
    NO_MODEL: 'The release has no model for the sensor.',
    NOTHING_TO_TUNE: 'The sensor cannot be scored over the period.',
    SIDE_UNKNOWN: 'The labels of the model do not say on which side of a threshold anomalies lie.',
    NO_PYTHON: 'python3 with pip is missing.',
    PYTHON_MISSING: 'There is no Python for the converter.',
    PYTHON_PACKAGES_FAILED: 'pip cannot install the packages of the converter.',
    PYTHON_PACKAGES_UNREACHABLE: 'pip cannot reach its package index.',
    PYTHON_PIP_MISSING: 'Python can neither make an environment nor run pip.',
    PYTHON_TOO_OLD: 'Python is older than the converter takes.',
    RELEASE_EXISTS: 'There is a release of this name, of other models.',
    RELEASE_INVALID: 'A release names a sensor twice, or what is unknown.',
    RELEASE_UNKNOWN: 'There is no such release.',
  },
  'Sensors and readings': {
    CAPTURE_UNREADABLE: 'A file of raw capture cannot be read.',
    CSV_ENCODING: 'A CSV file is encoded in another way than it was read.',
    CSV_FILE: 'A file is not CSV.',
    CSV_HEADER: 'The first line of a CSV file does not name its columns.',
    DEVICE_UNKNOWN: 'There is no sensor of such a device.',
    EVENT_HUB_UNAVAILABLE: 'The event hub does not answer.',
    EVENT_TOO_LARGE: 'Readings do not fit into one event.',
    HUB_RECREATED: 'An event hub was made anew: its sequence numbers began again.',
    INGEST_STALLED: 'A partition stands still although all that it needs answers.',
    INGEST_STOPPED: 'Work of ingest was stopped; it can go on.',
    INTERVAL_CHANGED: 'Windows are configured otherwise than the store holds them.',
    NOT_INGESTED: 'Readings that were sent are not in the windows yet.',
    NO_RAW_CAPTURE: 'There is no raw capture of this hub.',
    PROGRESS_CONFLICT: 'Another worker moved a partition; this one takes over its place.',
    PROGRESS_WENT_BACK: 'The store stands before what a worker had applied: it was replaced or restored.',
    SEND_FAILED: 'A dead letter could not be sent again.',
    SENSOR_UNKNOWN: 'There is no such sensor.',
  },
  Schedules: {
    SCHEDULE_EXISTS: 'There is a schedule of this name.',
    SCHEDULE_UNKNOWN: 'There is no schedule of this name.',
    SCHEDULE_UNREAD: 'A schedule was made and cannot be shown.',
  },
  Store: {
    DISK_RESERVE: 'Readings wait: too little room is left on the disk of the store.',
    MIGRATION_FAILED: 'A migration cannot be applied; nothing was changed.',
    SCHEMA_CHANGED: 'The database has another text of a migration.',
    SCHEMA_MISSING: 'The database lacks tables of this version.',
    SCHEMA_OLD: 'The database is older than the code.',
    SCHEMA_TOO_NEW: 'The database was changed by a newer fleetscore.',
    STORE_ERROR: 'The SQL store refuses, and another try does not help.',
    STORE_MISSING: 'There is no SQLite store at this place.',
    STORE_UNAVAILABLE: 'The SQL store does not answer; it is tried again.',
    STORE_URL_INVALID: 'The connection of the SQL store cannot be used.',
  },
  'Blob storage': {
    BLOB_ARCHIVED: 'A blob is in the archive tier.',
    BLOB_CONFIG_INVALID: 'The connection of Blob storage cannot be used.',
    BLOB_CONTAINER_MISSING: 'A container is not there, or is being deleted; it is tried again.',
    BLOB_ERROR: 'Blob storage refuses, and another try does not help.',
    BLOB_FORBIDDEN: 'The identity may not do this in Blob storage; it is tried again, as new roles take a while.',
    BLOB_IMMUTABLE: 'A policy keeps a blob as it is.',
    BLOB_IMPORT: 'Blobs of an azurite cannot be taken over.',
    BLOB_MISSING: 'There is no such blob.',
    BLOB_OF_ANOTHER_STORE: 'The Blob account belongs to another SQL store.',
    BLOB_UNAVAILABLE: 'Blob storage does not answer; it is tried again.',
    BLOB_WRONG_TYPE: 'Another kind of blob has this name.',
    LOGS_UNAVAILABLE: 'Logs in Blob cannot be read now.',
  },
  Temporal: {
    NAMESPACE_MISSING: 'The Temporal server has no such namespace.',
    PAYLOAD_DAMAGED: 'An encrypted payload was changed on its way.',
    PAYLOAD_KEY_UNKNOWN: 'A process lacks the key of an encrypted payload.',
    CODEC_SERVER_PORT: 'The codec server cannot listen on its port.',
    CODEC_TOKEN_WEAK: 'The token of the codec server is too short.',
    UI_PORT: 'The web application cannot listen on its port.',
    NO_VERSIONS: 'No versioned control worker has run yet.',
    NO_WORKERS: 'No control worker runs.',
    SEARCH_ATTRIBUTES: 'The search attributes cannot be registered.',
    TEMPORAL: 'The Temporal server answers with an error.',
    TEMPORAL_INSTALL: 'The Temporal CLI cannot be installed.',
    TEMPORAL_BUSY: 'The Temporal server takes no more requests for now.',
    TEMPORAL_REFUSED: 'The Temporal server refuses this client.',
    TEMPORAL_TLS: 'TLS with the Temporal server does not come about.',
    TEMPORAL_UNAVAILABLE: 'The Temporal server does not answer.',
    VERSION_NOT_PROMOTED: 'A version cannot be made the current one.',
    VERSION_UNKNOWN: 'There is no such version.',
  },
  Pools: {
    NO_RECORD: 'A pool has no record of this time.',
    POOL_REFUSED: 'Azure Machine Learning refuses.',
    POOL_SILENT: 'The loop of a pool does not answer.',
    POOL_START: 'The loop of a pool did not take its settings.',
    POOL_THROTTLED: 'Azure asks to wait.',
    POOL_UNAVAILABLE: 'Azure Machine Learning does not answer as it should.',
    POOL_UNKNOWN: 'There is no such pool.',
    PRICES_UNREADABLE: 'The file of prices cannot be used.',
    PRICE_UNKNOWN: 'The file of prices has no price of this machine.',
  },
  'Laptop stack': {
    DATA_DIR_IN_USE: 'Another process uses a data folder.',
    FLEET_EXISTS: 'The store holds real sensors, and a simulation would disturb them.',
    METRICS_PORT_BUSY: 'The port of the metrics is taken.',
    NO_PORT: 'No port is free.',
    NO_STACK: 'No laptop stack runs in this home.',
    PARTITIONS_REMOVED: 'A hub is configured with fewer partitions than it has.',
    PORT_BUSY: 'A port of the stack is taken.',
    PORT_IN_USE: 'The port of the Event Hubs emulator is taken.',
    SERVER_DIED: 'A server of the stack ended.',
    STACK_ENDING: 'The stack ends and starts nothing more.',
    STACK_KEYS: 'The file of keys of the stack cannot be used.',
    STACK_RUNNING: 'A stack runs in this home already.',
    START_FAILED: 'A server or the stack ended while it started.',
    STOP_FAILED: 'The stack does not end.',
    UNKNOWN_SAMPLE_SENSOR: 'The sample fleet has no such sensor.',
  },
} as const;

type Groups = typeof ERROR_CODES;
type CodeIn<Group> = Group extends unknown ? keyof Group : never;

export type ErrorCode = CodeIn<Groups[keyof Groups]>;

/** docs/errors.md. */
export function errorReference(): string {
  const table = (codes: Readonly<Record<string, string>>): string =>
    Object.entries(codes)
      .map(([code, meaning]) => `| \`${code}\` | ${meaning} |`)
      .join('\n');
  return `# Errors

Every error that you can mend has a code, which never changes, beside a message that names the thing, the value and the
remedy. Commands print both with \`--json\` (\`error.code\`); workers log the code with the line.

This page is generated from \`domain/error-codes.ts\` by \`npm run docs\`.

${Object.entries(ERROR_CODES)
  .map(([title, codes]) => `## ${title}\n\n| code | meaning |\n| --- | --- |\n${table(codes)}`)
  .join('\n\n')}
`;
}
