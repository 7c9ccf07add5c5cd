/** Pickles that are no models: what is refused, and that nothing of them runs or takes memory. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { errorOf, pickle, useConverter } from './converting.ts';

const { scratch, folder, convert } = useConverter();

test('code in a pickle never runs, and the good models beside it are converted', async () => {
  const trace = join(scratch, 'trace');
  const run = `(S'touch ${trace}'\ntR.`;
  const { models } = await convert(
    folder({
      model_a_system: `cos\nsystem\n${run}`,
      model_a_posix: `cposix\nsystem\n${run}`,
      model_a_eval: `c__builtin__\neval\n(S'open("${trace}","w")'\ntR.`,
      model_a_dotted: Buffer.concat([
        Buffer.from([0x80, 4, 0x8c, 5]),
        Buffer.from('numpy'),
        Buffer.from([0x8c, 17]),
        Buffer.from('ndarray.__class__'),
        Buffer.from('\x93.', 'latin1'),
      ]),
      // Changes an allowed function instead of calling it.
      model_a_build: `cnumpy.core.multiarray\nscalar\n(dS'__defaults__'\n(tsb.`,
      model_a_memory: Buffer.from([0x80, 2, 0x4e, 0x72, 0xff, 0xff, 0xff, 0xff, 0x2e]), // LONG_BINPUT 4294967295
      model_a_good: pickle('model_old_form'),
    }),
  );
  expect(existsSync(trace)).toBe(false);
  expect(models.filter((m) => m.ok).map((m) => m.file)).toEqual(['model_a_good']);
  expect(errorOf(models, 'model_a_system')).toContain('found os.system');
  expect(errorOf(models, 'model_a_eval')).toContain('found __builtin__.eval');
  expect(errorOf(models, 'model_a_dotted')).toContain('found numpy.ndarray.__class__');
  expect(errorOf(models, 'model_a_build')).toContain('found a state for a function');
});

test.each([
  [
    'a function whose code is in the file',
    'ccloudpickle.cloudpickle\n_make_function\n.',
    /never run: save the fitted model/,
  ],
  ['a class of the script that saved it', 'c__main__\nMyDetector\n)\x81.', /save the fitted model of scikit-learn/],
  ['a library that cannot be ONNX', 'criver.anomaly.hst\nHalfSpaceTrees\n)\x81.', /readings of a sensor of its own/],
  [
    'a step that is not converted, before its features are asked for',
    // A Pipeline whose state is {'steps': [('u', SparsePCA()), ('m', OneClassSVM())]}.
    'csklearn.pipeline\nPipeline\n)\x81}X\x05\x00\x00\x00steps](X\x01\x00\x00\x00u' +
      'csklearn.decomposition\nSparsePCA\n)\x81\x86X\x01\x00\x00\x00m' +
      'csklearn.svm._classes\nOneClassSVM\n)\x81\x86esb.',
    /SparsePCA, which is not converted/,
  ],
  [
    'models in a list',
    '](csklearn.svm._classes\nOneClassSVM\n)\x81csklearn.svm._classes\nOneClassSVM\n)\x81e.',
    /a list of a OneClassSVM/,
  ],
  ['a function of NumPy', 'cnumpy\nclip\n.', /log1p, log, log10, log2, sqrt, square, absolute, .* and clip/],
  ['a class', 'csklearn.svm._classes\nOneClassSVM\n.', /the class sklearn.svm._classes.OneClassSVM, and no fitted/],
  [
    'a search that kept no model',
    'csklearn.model_selection\nGridSearchCV\n)\x81.',
    /GridSearchCV without best_estimator_/,
  ],
  ['a function with arguments', 'cfunctools\npartial\n.', /never run: use a step of scikit-learn's/],
  ['another library', 'clightgbm.sklearn\nLGBMRegressor\n)\x81.', /convert it with onnxmltools/],
  ['a network', 'ctorch.nn.modules.container\nSequential\n)\x81.', /torch\.onnx\.export/],
  ['a detector of PyOD', 'cpyod.models.cblof\nCBLOF\n)\x81.', /CBLOF, which is not converted \(of PyOD COPOD, ECOD/],
  ['a model of scikit-learn', 'csklearn.cluster._kmeans\nKMeans\n)\x81.', /where skl2onnx has a converter: to_onnx/],
])('what is not converted is told with the way that works: %s', async (_, text, way) => {
  const { models } = await convert(folder({ model_way_1: Buffer.from(`\x80\x02${text}`, 'latin1') }));
  expect(errorOf(models, 'model_way_1')).toMatch(way);
});

test('broken, foreign and ambiguous files are refused one by one', async () => {
  const good = pickle('model_old_form');
  const foreign = `ccatboost.core\nCatBoost\n(tR.`;
  const { models, ignored, out } = await convert(
    folder({
      model_b_empty: '',
      model_b_text: 'TS,Device,Sensor\n',
      model_b_pointer: 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n',
      model_b_cut: good.subarray(0, good.length - 200),
      model_b_onnx: Buffer.from('08081208', 'hex'),
      model_b_trees: 'tree\nversion=v4\n',
      model_b_zip: gzipSync(good),
      'model_b_lib.joblib': good,
      model_b_foreign: foreign,
      'ocsvm_pump1.pkl': good,
      'model_b_three_parts.pkl': good,
      model_b: good,
      model_b_twice: good,
      'model_b_twice.pkl': good,
      'model_b_ready.onnx': '',
      'model_b_good.pickle': good,
      'notes.txt': '',
      '.hidden': '',
    }),
  );
  expect(readdirSync(out).sort()).toEqual(['model_b_good.onnx', 'model_b_lib.onnx', 'model_b_zip.onnx']);
  expect(ignored).toEqual(['model_b_ready.onnx', 'notes.txt']);
  expect(errorOf(models, 'model_b_empty')).toContain('not a pickle, or a damaged one: the file is empty');
  expect(errorOf(models, 'model_b_onnx')).toContain('an ONNX file already; publish it as it is');
  expect(errorOf(models, 'model_b_trees')).toContain('a model of LightGBM in its text form');
  expect(errorOf(models, 'model_b_pointer')).toContain('a pointer of Git LFS, not the model itself');
  expect(errorOf(models, 'model_b_text')).toContain('not a pickle, or a damaged one');
  expect(errorOf(models, 'model_b_cut')).toContain('not a pickle, or a damaged one');
  expect(errorOf(models, 'model_b_foreign')).toContain('found catboost.core.CatBoost');
  for (const name of ['ocsvm_pump1.pkl', 'model_b_three_parts.pkl'])
    expect(errorOf(models, name)).toContain('list it in a manifest.csv with the columns Device,Sensor,Model');
  expect(errorOf(models, 'model_b')).toContain('expected model_<device>_<sensor>');
  expect(errorOf(models, 'model_b_twice')).toContain('model_b_twice.pkl would become the same model_b_twice.onnx');
});

test('every cut and every changed byte of a pickle is refused or gives a model, and nothing else', async () => {
  const good = pickle('model_old_form');
  const files: Record<string, Uint8Array> = {};
  for (let at = 0; at < good.length; at += 9) {
    files[`model_cut_${at}`] = good.subarray(0, at);
    const changed = Uint8Array.from(good);
    changed[at] = (changed[at]! * 7 + at) % 256;
    files[`model_changed_${at}`] = changed;
  }
  const { models } = await convert(folder(files));
  expect(models).toHaveLength(Object.keys(files).length);
  expect(models.filter((m) => m.file.startsWith('model_cut_') && m.ok)).toEqual([]);
});

test('a pickle that asks for memory by a number, or goes on for ever, is refused before it takes either', async () => {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(1n << 40n);
  const { models } = await convert(
    folder({
      model_a_1: Buffer.concat([Buffer.of(0x80, 5, 0x96), size, Buffer.from('x.')]),
      model_a_2: Buffer.concat([Buffer.of(0x80, 4), Buffer.alloc(1_000_000, '}'), Buffer.from('.')]),
      model_a_3: pickle('model_protocol_4'),
    }),
  );
  expect(errorOf(models, 'model_a_1')).toMatch(/a bytearray of 1099511627776 bytes, of which/);
  expect(errorOf(models, 'model_a_2')).toMatch(/more than 200000 instructions/);
  expect(models.find(({ file }) => file === 'model_a_3')).toMatchObject({ ok: true });
});
