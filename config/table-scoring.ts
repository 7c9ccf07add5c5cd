/** Variables of scoring workers: cache, limits of models, threads. See table.ts. */
import { availableParallelism } from 'node:os';
import { PREDICTIONS_FORMATS } from '../domain/prediction.ts';
import { duration, matching, oneOf, onOff, text, whole } from './values.ts';
import { variable } from './variable.ts';
import { MODEL_LIMITS } from '../domain/model-limits.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const CORES = availableParallelism();

export const SCORING = {
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
    { preset: String(MODEL_LIMITS.bytes), handOn: true },
    'Larger models are refused, in bytes.',
  ),
  modelTimeoutMs: variable(
    'FLEETSCORE_MODEL_TIMEOUT',
    duration,
    { preset: `${MODEL_LIMITS.timeoutMs / 1000}s`, handOn: true },
    'A model that takes longer for one sensor is given up.',
  ),
  modelMemoryBytes: variable(
    'FLEETSCORE_MODEL_MEMORY_BYTES',
    whole(16 * MiB, 1024 * 1024 * MiB),
    { preset: String(MODEL_LIMITS.memoryBytes), handOn: true },
    'A model that is not packed and takes more memory while it loads or runs is given up, in bytes.',
  ),
  executionProvider: variable(
    'FLEETSCORE_EXECUTION_PROVIDER',
    matching(/^[a-z][a-z0-9]{1,19}$/, 'the name of an execution provider such as cpu or cuda'),
    { preset: 'cpu', handOn: true },
    'Execution provider of onnxruntime for scoring and publishing: cpu, or another that this machine has, such as cuda, dml, coreml.',
  ),
  filePerSensor: variable(
    'FLEETSCORE_PREDICTIONS_PER_SENSOR',
    onOff,
    { preset: 'off' },
    'Whether sensors that have a child workflow of their own keep a predictions file of their own. Off: the control worker puts small ones together when the batch ends, so that a reader opens one file and not hundreds.',
  ),
  predictionsFormat: variable(
    'FLEETSCORE_PREDICTIONS_FORMAT',
    oneOf(...PREDICTIONS_FORMATS),
    { preset: 'csv', handOn: true },
    'Format of predictions files: csv (text, for any tool) or parquet (typed columns, a fifth of the size). Readers take both, so it can be changed at any time. Set it alike for all scoring workers.',
  ),
};
