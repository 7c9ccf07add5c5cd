/** `models convert` on pickles of every form: what it makes of good ones, and what it says of all others. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'csv-parse/sync';
import { EXIT_FAILED } from '../../cli/frame/command.ts';
import type { Context } from '../../cli/frame/context.ts';
import { convert as convertCommand } from '../../cli/models/models.ts';
import { convertModels } from '../../scoring/convert.ts';
import { readModelList } from '../../scoring/model-list.ts';
import { decodeModel } from '../../scoring/onnx-proto.ts';
import { fusable } from '../../scoring/packs/kinds.ts';
import { openScorer } from '../samples/scored.ts';
import { CONVERTER_TOOLS } from '../support/python-packages.ts';
import { errorOf, PICKLES, pickle, useConverter } from './converting.ts';
import type { ConvertSummary } from '../../scoring/convert.ts';

const { scratch, fresh, folder, convert } = useConverter();
const scorer = openScorer();

let all: ConvertSummary & { readonly out: string };

beforeAll(async () => {
  // On a new machine this installs the converter's Python packages.
  all = await convert(PICKLES);
}, 300_000);
afterAll(() => scorer.close());

test('every form of pickle gives the labels and scores of scikit-learn', async () => {
  const rows = parse<Record<string, string>>(readFileSync(join(PICKLES, 'expected.csv')), { columns: true });
  let worst = 0;
  for (const [file, group] of Map.groupBy(rows, (row) => row['File']!)) {
    const model = all.models.find((m) => m.file === file);
    if (!model?.ok) throw new Error(`${file}: ${model?.error}`);
    const values = group.flatMap((row) => row['Values']!.split(' ').map(Number));
    const { labels, scores } = await scorer.score(
      pathToFileURL(join(all.out, model.output)),
      values,
      model.features.length,
    );
    expect({ file, labels }).toEqual({ file, labels: group.map((row) => Number(row['Label'])) });
    group.forEach((row, at) => (worst = Math.max(worst, Math.abs(scores[at]! - Number(row['Score'])))));
  }
  expect(worst).toBeLessThan(1e-12);
});

test('columns are the same, however a ColumnTransformer names them', () => {
  const [named, ...others] = ['names', 'remainder', 'index', 'selector'].map((way) =>
    all.models.find((m) => m.file === `model_column_${way}`),
  );
  expect(named).toMatchObject({ ok: true, features: ['mean', 'min', 'max'] });
  const same = expect.objectContaining({ ok: true, sha256: named?.ok && named.sha256 }) as unknown;
  expect(others).toEqual([same, same, same]);
});

test('the summary describes the files that were written, and the ignored ones', () => {
  expect(all.models.map((m) => m.file)).toEqual(
    readdirSync(PICKLES)
      .filter((name) => name.startsWith('model_'))
      .sort(),
  );
  expect(all.ignored).toEqual(['expected.csv', 'make.py']);
  const converted = all.models.filter((m) => m.ok);
  expect(readdirSync(all.out).sort()).toEqual(converted.map((m) => m.output).sort());
  for (const model of converted) {
    const bytes = readFileSync(join(all.out, model.output));
    expect(model).toMatchObject({ bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  }
  expect(converted.find((m) => m.file === 'model_two_features')).toMatchObject({ features: ['mean', 'max[-1]'] });
  // A StandardScaler and a OneClassSVM with RBF kernel are what packs are made of.
  for (const { output } of converted.filter(({ kind }) => /^(StandardScaler, )?OneClassSVM\(rbf\)$/.test(kind)))
    expect([output, fusable(decodeModel(readFileSync(join(all.out, output))))?.fuser.kind]).toEqual([
      output,
      'scaler+ocsvm-rbf',
    ]);
  expect(converted.find((m) => m.file === 'model_bare_svm.pkl')).toMatchObject({
    output: 'model_bare_svm.onnx',
    features: ['mean'],
  });
});

test('the same model gives the same bytes, whatever the protocol of its pickle and the run', async () => {
  const hashes = all.models.flatMap((m) => (m.ok && m.file.startsWith('model_protocol_') ? [m.sha256] : []));
  expect(hashes).toHaveLength(6);
  expect(new Set(hashes).size).toBe(1);
  const again = await convert(PICKLES, all.out);
  expect(again.models).toEqual(
    all.models.map((m) => (m.ok ? m : { ...m, error: expect.stringContaining(m.error) as string })),
  );
});

test.each([
  ['model_bad_unfitted', 'never fitted'],
  ['model_bad_unnamed', 'a model of 2 features that does not say which (give --features'],
  ['model_bad_columns', 'does not say which; its columns are called temperature, pressure (give --features'],
  ['model_bad_nan', 'intercept_ is not finite'],
  ['model_bad_positive', 'intercept_=0.5'],
  ['model_bad_scaler', 'found a StandardScaler alone, without a detector'],
])('%s is refused, with what was found', (file, error) => {
  expect(errorOf(all.models, file)).toContain(error);
});

test('one file may hold parts, or the models of several sensors, and a manifest names any file', async () => {
  // Pickles within pickles: a dict by text keys, and tuples of what is in the files.
  const inner = (name: string): Buffer => Buffer.from(pickle(name).subarray(0, -1));
  const dict = (...entries: readonly (readonly [string, Buffer])[]): Buffer =>
    Buffer.concat([
      Buffer.from('(d'),
      ...entries.map(([key, value]) => Buffer.concat([Buffer.from(`S'${key}'\n`), value, Buffer.from('s')])),
      Buffer.from('.'),
    ]);
  const part = (...ops: Buffer[]): Buffer => dict(...ops.map((op, i) => [`pump-${i}/temp`, op] as const));
  const fleet = part(inner('model_old_form'), inner('model_protocol_2'));
  const named = await convert(
    folder({
      'fleet.pkl': fleet,
      model_c_dict: dict(['model', inner('model_old_form')], ['threshold', Buffer.from('N')]),
      model_c_dated: dict(['model', inner('model_old_form')], ['made', Buffer.from('cpandas._libs\nat\n)R')]),
      model_c_tuple: Buffer.concat([Buffer.from('('), inner('model_old_form'), Buffer.from('F0.5\nt.')]),
      model_c_limit: dict(['model', inner('model_old_form')], ['threshold', Buffer.from('F0.5\n')]),
      'model_c_mixed.pkl': dict(['a_b', inner('model_old_form')], ['note', Buffer.from("S'text'\n")]),
    }),
  );
  expect(named.models.flatMap((m) => (m.ok ? [`${m.file} ${m.device}/${m.sensor} ${m.kind}`] : []))).toEqual([
    'fleet.pkl pump-0/temp StandardScaler, OneClassSVM(rbf)',
    'fleet.pkl pump-1/temp StandardScaler, OneClassSVM(rbf)',
    'model_c_dated c/dated StandardScaler, OneClassSVM(rbf)',
    'model_c_dict c/dict StandardScaler, OneClassSVM(rbf)',
    'model_c_tuple c/tuple StandardScaler, OneClassSVM(rbf)',
  ]);
  // What the file means to decide with is used, or said.
  expect(named.models.find(({ file }) => file === 'model_c_tuple')).toMatchObject({
    note: 'the number 0.5 beside it is not used',
  });
  expect(errorOf(named.models, 'model_c_limit')).toContain(
    'a threshold beside a OneClassSVM(rbf), which decides by itself',
  );
  expect(errorOf(named.models, 'model_c_mixed.pkl')).toContain("a dict whose entry 'note' is a str");

  const listed = await convert(
    folder({
      'any name.bin': pickle('model_old_form'),
      'two.dat': pickle('model_bad_unnamed'),
      'unlisted.pkl': pickle('model_old_form'),
      'fleet.pkl': fleet,
      'manifest.csv': [
        'Device,Sensor,Model,Pool,Features,Threshold',
        'Mühle 1,T_in,any name.bin,gpu,,<-0.25',
        'b,c,two.dat,,"mean,max[-1]",',
        'x,y,gone.pkl,,,',
        ',,fleet.pkl,,,',
      ].join('\n'),
    }),
  );
  expect(listed.ignored).toEqual(['unlisted.pkl']);
  expect(errorOf(listed.models, 'gone.pkl')).toContain("line 4 of manifest.csv: there is no file 'gone.pkl'");
  expect(listed.models.find(({ file }) => file === 'two.dat')).toMatchObject({
    ok: true,
    features: ['mean', 'max[-1]'],
  });
  const entries = await readModelList(listed.out, new Set(['gpu']));
  expect(entries.map(({ device, sensor, pool, threshold }) => [device, sensor, pool, threshold])).toEqual([
    ['Mühle 1', 'T_in', 'gpu', { side: 'below', value: -0.25 }],
    ['b', 'c', undefined, undefined],
    ['pump-0', 'temp', undefined, undefined],
    ['pump-1', 'temp', undefined, undefined],
  ]);
});

test('what may change the rows or the verdict of a model is applied or refused, never passed over', async () => {
  const inner = (name: string): Buffer => Buffer.from(pickle(name).subarray(0, -1));
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
  // A pickle of protocol 4 may come last only: the places that it looks things up in are counted from its start.
  const [svm, old] = [inner('model_bare_svm.pkl'), inner('model_old_form')];
  const scaler = bytes(
    "csklearn.preprocessing.data\nMaxAbsScaler\n)\x81(dS'scale_'\ncnumpy.core.multiarray\n_reconstruct\n" +
      "(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n" +
      "(I1\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n" +
      "S'\\x00\\x00\\x00\\x00\\x00\\x00\\x00@'\ntbsb",
  );
  const entries = (parts: readonly (readonly [string, Buffer])[]): Buffer[] =>
    parts.flatMap(([key, value]) => [bytes(`S'${key}'\n`), value, bytes('s')]);
  const dict = (...parts: readonly (readonly [string, Buffer])[]): Buffer =>
    Buffer.concat([bytes('(d'), ...entries(parts), bytes('.')]);
  const { models } = await convert(
    folder({
      // Two dumps into one file are a scaler and a model, and a file may end with a line feed.
      model_s_dumps: Buffer.concat([scaler, bytes('.'), svm, bytes('.\n')]),
      model_s_tuple: Buffer.concat([bytes("((S'mean'\nlN"), scaler, svm, bytes('t.')]),
      model_s_bunch: Buffer.concat([
        bytes('csklearn.utils._bunch\nBunch\n)\x81'),
        ...entries([
          ['scaler', scaler],
          ['model', svm],
        ]),
        bytes('.'),
      ]),
      model_s_nested: dict([
        'model',
        Buffer.concat([bytes("(dS'scaler'\n"), scaler, bytes("sS'svm'\n"), svm, bytes('s')]),
      ]),
      model_s_odd: dict(['my_model', svm]),
      model_s_search: Buffer.concat([
        bytes("csklearn.model_selection._search\nGridSearchCV\n)\x81(dS'scorer_'\ncnumpy.ma.core\n_mareconstruct\ns"),
        bytes("S'best_estimator_'\n"),
        svm,
        bytes('sb.'),
      ]),
      model_r_junk: Buffer.concat([svm, bytes('.junk')]),
      model_r_scaled: dict(['train_mean', bytes('F20.1\n')], ['train_std', bytes('F3.2\n')], ['model', svm]),
      model_r_limit: dict(['score_threshold', bytes('F-0.1\n')], ['model', svm]),
      model_r_limits: dict(['threshold', bytes('F-0.1\n')], ['cutoff', bytes('F-0.2\n')], ['model', svm]),
      model_r_two: dict(['svm', old], ['other', old]),
      model_r_other: dict(['a/b', svm]),
      model_r_order: dict(['model', old], ['first', scaler], ['second', scaler]),
    }),
  );
  const hash = (file: string): unknown => models.flatMap((m) => (m.file === file && m.ok ? [m.sha256] : []))[0];
  const both = hash('model_s_dumps');
  expect(both).toEqual(expect.any(String));
  expect(['model_s_tuple', 'model_s_bunch', 'model_s_nested'].map(hash)).toEqual([both, both, both]);
  const alone = all.models.flatMap((m) => (m.file === 'model_bare_svm.pkl' && m.ok ? [m.sha256] : []))[0];
  expect(['model_s_odd', 'model_s_search'].map(hash)).toEqual([alone, alone]);
  expect(errorOf(models, 'model_r_junk')).toContain('a pickle with something behind it that is no pickle');
  expect(errorOf(models, 'model_r_scaled')).toContain(
    "'train_mean' and 'train_std' beside a OneClassSVM(rbf): whether rows",
  );
  expect(errorOf(models, 'model_r_limit')).toContain('a threshold beside a OneClassSVM(rbf), which decides by itself');
  expect(errorOf(models, 'model_r_limits')).toContain("a dict with 2 thresholds ('threshold', 'cutoff')");
  expect(errorOf(models, 'model_r_two')).toContain(
    "a dict of 2 models ('svm', 'other'), where one for r / two is expected",
  );
  expect(errorOf(models, 'model_r_other')).toContain(
    "a dict with a model for 'a/b', where one for r / other is expected",
  );
  expect(errorOf(models, 'model_r_order')).toContain('2 transformers (MaxAbsScaler, MaxAbsScaler) and a model');
});

test('rows of a manifest.csv that do not say what they seem to say are refused by their line', async () => {
  const good = pickle('model_old_form');
  const { models } = await convert(
    folder({
      ...Object.fromEntries('abcdef'.split('').map((name) => [`${name}.pkl`, good])),
      'manifest.csv': [
        'device,SENSOR,Model,Features',
        'd,1,a.pkl,Mean',
        ' , ,,',
        'd,1,b.pkl,',
        'd,2,c.pkl,mean,min,max',
        'd,3,d.pkl,median',
      ].join('\n'),
    }),
  );
  expect(models.find(({ file }) => file === 'a.pkl')).toMatchObject({ ok: true, features: ['mean'] });
  expect(errorOf(models, 'b.pkl')).toBe('line 4 of manifest.csv: sensor d / 1 is already in line 2 of manifest.csv');
  expect(errorOf(models, 'c.pkl')).toMatch(/^line 5 of manifest.csv has 6 fields, and the header 4; .* "mean,min"$/);
  expect(errorOf(models, 'd.pkl')).toMatch(/^line 6 of manifest.csv: 'median' is not a feature of a window; expected/);
  expect(models).toHaveLength(4);
});

test('a manifest.csv that a spreadsheet wrote in Latin-1 is refused by its byte', async () => {
  const list = Buffer.from('Device,Sensor,Model\nKühler,s,a.pkl\n', 'latin1');
  const { models } = await convert(folder({ 'a.pkl': pickle('model_old_form'), 'manifest.csv': list }));
  expect(errorOf(models, 'manifest.csv')).toBe('it is not UTF-8: byte 0xfc at position 21; save it as CSV UTF-8');
});

test('features that a model does not name are given for all, and must be features of a window', async () => {
  const dir = folder({ 'model_b_1.pkl': pickle('model_bad_unnamed') });
  const options = { toolsDir: CONVERTER_TOOLS, features: ['mean', 'last'] };
  const { models } = await convertModels(dir, fresh('out'), options);
  expect(models).toMatchObject([{ ok: true, features: ['mean', 'last'] }]);
  await expect(convertModels(dir, scratch, { toolsDir: CONVERTER_TOOLS, features: ['median'] })).rejects.toMatchObject({
    code: 'CONVERT_INVALID_FEATURES',
    message: expect.stringContaining('"median" is not a feature of a window'),
  });
});

test('an old model in the output folder is pointed out when its pickle is refused', async () => {
  const dir = folder({ model_c_1: pickle('model_old_form') });
  const { out } = await convert(dir);
  writeFileSync(join(dir, 'model_c_1'), 'damaged');
  const { models } = await convert(dir, out);
  expect(errorOf(models, 'model_c_1')).toContain('model_c_1.onnx in the output folder is from an earlier run');
});

test('the command says each reason once, and what comes next', async () => {
  const context = { config: { toolsDir: CONVERTER_TOOLS } } as unknown as Context;
  const good = pickle('model_old_form');
  const named = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`pump${i}.pkl`, good]));
  const out = fresh('out');
  const { text, exitCode } = await convertCommand(context, {}, folder({ ...named, model_p_1: good }), out);
  expect(exitCode).toBe(EXIT_FAILED);
  expect(text.split('\n')).toEqual([
    `1 model converted to ${out}.`,
    expect.stringMatching(/^pump0\.pkl, pump1\.pkl, pump10\.pkl, .*, and 2 more: the name does not say which sensor/),
    `Next, for those that are: fleetscore models publish ${out}`,
  ]);
});

test('a missing folder and a folder without models are errors that say so', async () => {
  await expect(convert(join(scratch, 'nowhere'))).rejects.toMatchObject({
    code: 'CONVERT_NO_FOLDER',
    message: expect.stringContaining('nowhere'),
  });
  await expect(convert(folder({ 'notes.txt': '' }))).rejects.toMatchObject({ code: 'CONVERT_NO_MODELS' });
  const machines = folder({ 'notes.txt': '' });
  for (const machine of ['pump 2', 'press', 'empty']) mkdirSync(join(machines, machine));
  for (const file of ['pump 2/a.joblib', 'press/model_b', 'empty/notes.txt']) writeFileSync(join(machines, file), '');
  await expect(convert(machines)).rejects.toMatchObject({
    message: expect.stringContaining('Its folders "press", "pump 2" have some: give one of them, or list theirs'),
  });
  writeFileSync(join(machines, 'press', 'a.onnx'), '');
  await expect(readModelList(machines, new Set())).rejects.toMatchObject({
    message: expect.stringContaining('Its folders "press" have some'),
  });
});
