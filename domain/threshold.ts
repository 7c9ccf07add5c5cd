/**
 * A threshold on the score of a model: where it is given for a sensor, it decides what an anomaly is, and the label of
 * the model does not. The side is always said: scikit-learn's scores fall for anomalies, PyOD's and ML.NET's rise.
 */

export interface Threshold {
  /** Scores on this side of the value are anomalies; the value itself is normal. */
  readonly side: 'above' | 'below';
  /** In the unit of the model's score. */
  readonly value: number;
}

/** How a threshold is written, for messages. */
export const THRESHOLD_FORM = '>0.5 (scores above 0.5 are anomalies) or <-4.2 (scores below -4.2 are)';

/** From its written form, `>0.5` or `<-4.2`; undefined when the text is something else. */
export function parseThreshold(text: string): Threshold | undefined {
  const match = /^\s*([<>])\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*$/.exec(text);
  const value = Number(match?.[2]);
  if (!match || !Number.isFinite(value)) return undefined;
  return { side: match[1] === '>' ? 'above' : 'below', value };
}

/** The written form, which {@link parseThreshold} reads back to the same threshold. */
export const formatThreshold = ({ side, value }: Threshold): string => `${side === 'above' ? '>' : '<'}${value}`;

/** Whether this score is an anomaly. One that is not a number is. */
export const isBeyond = ({ side, value }: Threshold, score: number): boolean =>
  side === 'above' ? !(score <= value) : !(score >= value);

/** How far a score is inside of the threshold; below 0 it is an anomaly. */
export const marginOf = ({ side, value }: Threshold, score: number): number =>
  side === 'above' ? value - score : score - value;
