/**
 * The check of one model file before it is published: read it, load it, run it. What passes here can be
 * scored with; what does not is refused with the reason, before anything is stored. Runs in a thread.
 */
import { readFile, stat } from 'node:fs/promises';
import { defined } from '../domain/defined.ts';
import { messageOf } from '../domain/errors.ts';
import { cutMessage } from '../domain/limits.ts';
import { type DeclaredModel, declaredModel } from './declare.ts';
import { checkModelSize } from './model-contract.ts';
import { LABEL_KEY, type LabelMeaning, namesOneOf } from './model-metadata.ts';
import { modelError, modelProblem } from './model-problem.ts';
import { fusable, PLAIN_KIND } from './packs/kinds.ts';
import { loadInspected, type ScoreSink } from './session.ts';
import type { CandidateFile, CheckedModel, CheckResult, ThreadSettings } from './thread-protocol.ts';
import { sha256Of } from '../domain/sha256.ts';

/** Values each feature takes in turn; a model must bear them all, and give a number for one at least. */
const PROBES = [0, 1, -1, 20, 1e6, -1e6, Number.NaN, Number.POSITIVE_INFINITY];
const FINITE_PROBES = 6;

/** The producer that scoring/python/graph.py and onnx_model.py write. */
const CONVERTER = 'fleetscore';

/** Probes that are tried alone, too. */
const ALONE = [0, 20] as const;

export async function checkModelFile(file: CandidateFile, settings: ThreadSettings): Promise<CheckResult> {
  try {
    return await check(file, settings);
  } catch (error) {
    return {
      path: file.path,
      problem: modelProblem(error) ?? { class: 'model_corrupt', message: cutMessage(messageOf(error)) },
    };
  }
}

async function check(
  { path, declared }: CandidateFile,
  { maxModelBytes, executionProvider }: ThreadSettings,
): Promise<CheckedModel> {
  let file: DeclaredModel;
  try {
    // Before reading: a huge file must not fill the memory.
    checkModelSize((await stat(path)).size, maxModelBytes);
    file = declaredModel(await readFile(path), declared, maxModelBytes);
  } catch (error) {
    if (modelProblem(error)) throw error;
    throw modelError('model_missing', `the file cannot be read: ${messageOf(error)}`);
  }
  const { bytes, model, features, metadata } = file;
  const loaded = await loadInspected(file, executionProvider);
  try {
    const width = features.length;
    const run = async (values: Float64Array): Promise<Required<ScoreSink>> => {
      const rows = values.length / width;
      const sink = {
        anomaly: new Uint8Array(rows),
        score: new Float64Array(rows),
        labels: [] as unknown[],
      };
      await loaded.run(values, rows, sink);
      return sink;
    };
    // Rows alone, then several blocks of rows: a graph with a fixed number of rows fails on one of them.
    const alone: number[] = [];
    for (const value of ALONE) alone.push((await run(new Float64Array(width).fill(value))).score[0]!);
    const finite = Float64Array.from({ length: FINITE_PROBES * width }, (_, i) => PROBES[Math.floor(i / width)]!);
    requireRowsAlone(alone, (await run(finite)).score);
    const { score, labels } = await run(
      Float64Array.from(
        { length: PROBES.length * 5 * width },
        (_, i) => PROBES[Math.floor(i / width) % PROBES.length]!,
      ),
    );
    if (!score.subarray(0, FINITE_PROBES).some(Number.isFinite))
      throw modelError(
        'not_finite',
        `its score is not a number for any of the inputs ${PROBES.slice(0, FINITE_PROBES).join(', ')}; ` +
          'retrain or export it again',
      );
    // What `models convert` writes says 1 and -1, also where far away is normal, as behind a scaler that clips.
    if (loaded.labels && model.producerName !== CONVERTER)
      requireKnownLabels(labels.slice(0, FINITE_PROBES), metadata.label);
    const found = fusable(model);
    const probes = found?.fuser.probes(found.parameters);
    return {
      path,
      sha256: sha256Of(bytes),
      bytes: bytes.byteLength,
      kind: found?.fuser.kind ?? PLAIN_KIND,
      features: features.map((feature) => feature.name),
      labels: loaded.labels,
      ...defined({ windowMs: metadata.windowMs }),
      ...(probes ? { probed: await probed(probes, run) } : {}),
    };
  } finally {
    await loaded.release();
  }
}

/**
 * A score is one of its row alone, or batches of other sizes would give others. Dynamic quantization is not of that
 * kind (its scale is that of all rows of a call), nor is a network that scales its rows by their own mean.
 */
function requireRowsAlone(alone: readonly number[], together: Float64Array): void {
  // Single precision, of scores of the size that these inputs give.
  const noise = 1e-6 * Math.max(...together.subarray(0, 4).filter(Number.isFinite).map(Math.abs), 0);
  for (const [at, value] of ALONE.entries()) {
    const [own, beside] = [alone[at]!, together[PROBES.indexOf(value)]!];
    const most = noise + 1e-3 * Math.max(Math.abs(own), Math.abs(beside));
    if (Object.is(own, beside) || Math.abs(own - beside) <= most) continue;
    throw modelError(
      'model_wrong_shape',
      `its score of a row depends on the rows beside it: the input ${value} gives ${own} alone and ${beside} beside ` +
        `${PROBES.slice(0, FINITE_PROBES).join(', ')}; export it without dynamic quantization (quantize_static has ` +
        'fixed scales), and with means and deviations of its training in place of those of the rows at hand',
    );
  }
}

async function probed(
  values: Float64Array,
  run: (values: Float64Array) => Promise<ScoreSink>,
): Promise<NonNullable<CheckedModel['probed']>> {
  const { anomaly, score } = await run(values);
  return { values, anomaly, score };
}

/**
 * A label of -1 is scikit-learn's: 1 is normal. Labels of 0 and 1 alone are written both ways (PyOD and ML.NET say 1
 * for an anomaly), and so may be 1 alone, far away as the probes are; of texts nothing is known.
 */
function requireKnownLabels(labels: readonly unknown[], meaning: LabelMeaning | undefined): void {
  const seen = [...new Set(labels.map(String))].map((label) => label.slice(0, 40));
  const inputs = PROBES.slice(0, FINITE_PROBES).join(', ');
  const found = `its label is ${seen.join(' and ')} for the inputs ${inputs} and never`;
  if (meaning !== undefined) {
    if (namesOneOf(meaning, labels)) return;
    const { verdict, label } = meaning;
    throw modelError(
      'model_wrong_shape',
      `${found} ${label}, of which ${LABEL_KEY} = ${verdict}=${label} speaks; name one of them, letter by letter`,
    );
  }
  if (labels.some((label) => typeof label !== 'string' && Number(label) === -1)) return;
  const anomaly = anomalyAmong(seen);
  const isText = typeof labels[0] === 'string';
  const example = isText ? `anomaly=${anomaly ?? seen[0]}` : 'anomaly=1';
  const other = isText ? `normal=${seen.find((label) => label !== anomaly) ?? seen[0]}` : 'normal=1';
  throw modelError(
    'model_wrong_shape',
    `${found} -1, so nobody can tell which means normal and which anomaly; ` +
      `say it: ${LABEL_KEY} = ${example} or ${other} in its metadata, or with ` +
      '--label or the column Label of manifest.csv. ' +
      'In Python: m = onnx.load(f); p = m.metadata_props.add(); ' +
      `p.key, p.value = "${LABEL_KEY}", "${example}"; onnx.save(m, f)`,
  );
}

/** The label that looks like that of anomalies, so that the example is none that turns verdicts round. */
const anomalyAmong = (labels: readonly string[]): string | undefined =>
  labels.find((label) => /anom|outl|abnorm|fault|fail|alarm|bad|defect/i.test(label)) ??
  labels.find((label) => !/norm|inl|ok|good|healthy/i.test(label));
