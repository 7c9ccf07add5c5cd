/**
 * What the main thread and the scoring threads say to each other. Features and results lie in shared memory:
 * nothing is copied, and what a thread finished is not lost when the thread is given up (a process gets and gives
 * copies). The thread writes only the rows of the model it runs, and says which one that is before it starts.
 */
import type { PredictionsFormat } from '../domain/prediction.ts';
import type { Declared } from './model-metadata.ts';
import type { ModelProblem } from './model-problem.ts';
import type { EncodedPredictions, PredictedSeries, Scored } from './predictions-content.ts';
import type { SentNames } from './sent-names.ts';

/** Set for all threads of an engine. No credentials: threads see bytes and paths only. */
export interface ThreadSettings {
  readonly maxModelBytes: number;
  /** Bytes of loaded models and packs that one thread keeps. */
  readonly maxCacheBytes: number;
  readonly executionProvider: string;
  /** In a process of its own: where the position of each model is written before it starts, as int32. */
  readonly progressFd?: number;
}

/** An ONNX file by content, on disk or at hand. */
export interface ModelFile {
  readonly sha256: string;
  /** The thread checks the SHA-256 of what it reads there. */
  readonly path?: string;
  /** Whoever hands them over has checked them. */
  readonly bytes?: Uint8Array;
}

/** Numbers in shared memory, changed with Atomics. */
export const MARK = {
  /** Changes whenever the thread gets on: at the start of every model, after every run of a pack. */
  ticks: 0,
  /** Position of the model that runs, from 1; 0 before the first. */
  current: 1,
  /** Set by the main thread: stop at the next model or run of a pack, nobody waits for the rest. */
  stop: 2,
} as const;

/** Memory that threads share: nothing of it is copied on the way. */
export const sharedDoubles = (length: number): Float64Array => new Float64Array(new SharedArrayBuffer(length * 8));
export const sharedBytes = (length: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(length));
export const sharedInts = (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(length * 4));

/** Marks of a new job. */
export function newMarks(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
}

/** State of a model of a {@link ModelsJob} in shared memory. */
export const STATE = { waiting: 0, done: 1, failed: 2 } as const;

export interface JobBuffers {
  /** By MARK. */
  readonly marks: Int32Array;
  /** Rows of features, float64, model by model. */
  readonly values: Float64Array;
  readonly anomaly: Uint8Array;
  readonly score: Float64Array;
}

/** Models with sessions of their own, one after the other. */
export interface ModelsJob extends JobBuffers {
  readonly type: 'models';
  readonly models: readonly ModelSlice[];
  /** Int32, a STATE for each model. */
  readonly states: Int32Array;
}

export interface ModelSlice {
  readonly file: ModelFile;
  readonly features: number;
  /** First row and number of rows in `anomaly` and `score`; first element in `values`. */
  readonly row: number;
  readonly rows: number;
  readonly value: number;
  /** A threshold decides, so that the model needs no label. */
  readonly hasThreshold?: boolean;
  /** Already done in an earlier attempt, or given up. */
  readonly skip?: boolean;
}

/** One pack. */
export interface PackJob extends JobBuffers {
  readonly type: 'pack';
  readonly file: ModelFile;
  /** Row of the pack for each row of features. */
  readonly index: Int32Array;
}

/** Checks model files against the contract by loading and running them. */
export interface CheckJob {
  readonly type: 'check';
  readonly marks: Int32Array;
  readonly files: readonly CandidateFile[];
}

/** A model file with what is declared of it. */
export interface CandidateFile {
  readonly path: string;
  readonly declared: Declared;
}

/** Tries the execution provider of the settings. */
export interface ProviderJob {
  readonly type: 'provider';
  readonly marks: Int32Array;
}

/**
 * Writes the predictions file of a chunk: it costs more than scoring it, and the main thread has other things to do.
 */
export interface EncodeJob {
  readonly type: 'encode';
  readonly marks: Int32Array;
  readonly format: PredictionsFormat;
  readonly sensors: SentNames;
  readonly series: PredictedSeries;
  readonly result: Scored;
}

export type ThreadJob = ModelsJob | PackJob | CheckJob | ProviderJob | EncodeJob;

/** What a thread answers to a job of this type. */
export type ReplyOf<Job extends ThreadJob> = Extract<ThreadReply, { readonly type: Job['type'] }>;

/** Why a job, or a model of it, came to nothing. `stale`: the file on disk was missing or not what its name says. */
export interface ThreadProblem extends ModelProblem {
  readonly stale?: boolean;
}

export interface CheckedModel {
  readonly path: string;
  /** Of the file as it is published: with the metadata that was declared (declare.ts). */
  readonly sha256: string;
  readonly bytes: number;
  readonly kind: string;
  /** Whether it says what an anomaly is; where not, its sensors need a threshold. */
  readonly labels: boolean;
  readonly features: readonly string[];
  /** Length of the windows that it says to look at, ms. */
  readonly windowMs?: number;
  /** The probes of its kind and its answers, when it can be packed. */
  readonly probed?: { readonly values: Float64Array; readonly anomaly: Uint8Array; readonly score: Float64Array };
}

export type CheckResult = CheckedModel | { readonly path: string; readonly problem: ModelProblem };

export type ThreadReply =
  /** Problems by position; none for a model that was scored. */
  | { readonly type: 'models'; readonly problems: Readonly<Record<number, ThreadProblem>> }
  | { readonly type: 'pack'; readonly problem?: ThreadProblem }
  | { readonly type: 'check'; readonly results: readonly CheckResult[] }
  | ({ readonly type: 'encode' } & EncodedPredictions)
  /** Providers that this build of onnxruntime knows, and why the wanted one does not run. */
  | { readonly type: 'provider'; readonly offered: readonly string[]; readonly problem?: string };
