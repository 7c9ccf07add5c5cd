/** From the label of a network, whatever it means, to what is true of an anomaly: the rule of `normalLabels`. */
import type { LabelMeaning } from '../model-metadata.ts';
import { DATA_TYPE, node, tensorOf } from '../onnx-proto.ts';
import { append, type Reading, type Row, share } from './network-reading.ts';

/** @param type of the label as onnxruntime names it. Undefined: a label of texts */
export function labelNodes(
  reading: Reading,
  label: Row,
  type: string,
  meaning: LabelMeaning | undefined,
): Row | undefined {
  if (type === 'string') return undefined;
  const then = (opType: string, ...input: readonly string[]): string =>
    append(reading, node(opType, [], []), input, label).row.name;
  const { row: number } = append(reading, node('Cast', [], [], { to: DATA_TYPE.double }), [label.name], label);
  const is = (value: number): string =>
    then('Equal', number.name, share(reading, tensorOf('', [], Float64Array.of(value))));
  const { verdict, label: text } = meaning ?? { verdict: 'normal', label: '1' };
  const value = { true: 1, false: 0 }[text] ?? Number(text);
  const anomaly = (): string => {
    if (verdict === 'normal') return then('Not', is(value));
    // Of an anomaly that is 1 (or true) 0 alone is the opposite, and what is no number is never normal.
    return value === 1 ? then('Not', is(0)) : then('Or', is(value), then('IsNaN', number.name));
  };
  return { ...label, name: anomaly() };
}
