/** What is wrong with a model, as data that can cross threads, and as an error. */
import { FleetscoreError } from '../domain/errors.ts';
import { cutMessage } from '../domain/limits.ts';
import { MODEL_FAILURES } from '../domain/outcome.ts';

/** Failure classes that tell of a model, and not of the machinery around it; one that runs for too long among them. */
const MODEL_CLASSES = [...MODEL_FAILURES, 'timeout'] as const;
export type ModelFailureClass = (typeof MODEL_CLASSES)[number];

/** What is wrong with one model: data, so that it can cross threads. */
export interface ModelProblem {
  readonly class: ModelFailureClass;
  readonly message: string;
}

/** A problem as an error: its code is the class in capitals, `MODEL_CORRUPT` for `model_corrupt`. */
export function modelError(failure: ModelFailureClass, message: string): FleetscoreError {
  return new FleetscoreError(failure.toUpperCase() as Uppercase<ModelFailureClass>, cutMessage(message));
}

/** The problem behind an error made by {@link modelError}; undefined for any other error. */
export function modelProblem(error: unknown): ModelProblem | undefined {
  if (!(error instanceof FleetscoreError)) return undefined;
  const found = MODEL_CLASSES.find((name) => name === error.code.toLowerCase());
  return found && { class: found, message: error.message };
}

/** As {@link modelProblem}; any other error is thrown on. */
export function orProblem(error: unknown): ModelProblem {
  const problem = modelProblem(error);
  if (!problem) throw error;
  return problem;
}
