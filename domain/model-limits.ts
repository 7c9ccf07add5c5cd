/**
 * What one model may take where nothing else is configured: the presets of FLEETSCORE_MAX_MODEL_BYTES,
 * FLEETSCORE_MODEL_MEMORY_BYTES and FLEETSCORE_MODEL_TIMEOUT, and the defaults of whoever loads models without them.
 */
const MiB = 1024 * 1024;

export const MODEL_LIMITS = {
  /** Of its file. */
  bytes: 64 * MiB,
  /** That it takes beyond the process that runs it. */
  memoryBytes: 512 * MiB,
  /** For one sensor, milliseconds. */
  timeoutMs: 60_000,
} as const;
