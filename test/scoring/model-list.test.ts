/** What a folder of models, or its manifest.csv, may say: what cannot be read is refused with its line or file. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readModelList } from '../../scoring/model-list.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('model-list');
let folders = 0;

/** A folder with these files. */
function folder(files: Readonly<Record<string, Uint8Array | string>>): string {
  const path = join(dir, `models-${++folders}`);
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

// The list is read without looking into the models.
const model = 'not looked at';
test.each<[string, Record<string, Uint8Array | string>, RegExp]>([
  ['no folder', {}, /there are no models/],
  ['an underscore too many', { 'model_a_b_1.onnx': model }, /model_a_b_1\.onnx: .*manifest\.csv/],
  ['another name', { 'foo.onnx': model }, /foo\.onnx: the name is not model_<device>_<sensor>\.onnx/],
  ['an empty device', { 'model__1.onnx': model }, /the device name is empty/],
  ['no header', { 'manifest.csv': 'a,1,m.onnx\n', 'm.onnx': model }, /line 1: the header must be Device,Sensor,Model/],
  ['an empty manifest', { 'manifest.csv': '' }, /line 1: the header/],
  [
    'a field too few',
    { 'manifest.csv': 'Device,Sensor,Model\na,1,m.onnx\na,2\n', 'm.onnx': model },
    /line 3: has 2 fields, expected 3/,
  ],
  [
    'a sensor twice',
    { 'manifest.csv': 'Device,Sensor,Model\na,1,m.onnx\n\na,1,m.onnx\n', 'm.onnx': model },
    /line 4: sensor a \/ 1 is already in line 2/,
  ],
  [
    'a path outside',
    { 'manifest.csv': 'Device,Sensor,Model\na,1,../m.onnx\n' },
    /line 2: the model "\.\.\/m\.onnx" must be the path of a file inside/,
  ],
  ['an absolute path', { 'manifest.csv': 'Device,Sensor,Model\na,1,/etc/hostname\n' }, /line 2: the model/],
  [
    'a name that breaks terminals',
    { 'manifest.csv': 'Device,Sensor,Model\n"a\u0007",1,m.onnx\n', 'm.onnx': model },
    /line 2: the device name .*control character/,
  ],
  ['a quote left open', { 'manifest.csv': 'Device,Sensor,Model\n"a,1,m.onnx\n' }, /manifest\.csv: .*quote.*line 2/i],
])('a list that cannot be read is refused with its line or file: %s', async (_, files, message) => {
  await expect(readModelList(folder(files))).rejects.toMatchObject({
    code: 'INVALID_MODEL_LIST',
    message: expect.stringMatching(message) as unknown,
  });
});

test('a link that leads out of the folder is refused, one within it is followed', async () => {
  const path = folder({ 'model_l_1.onnx': model });
  symlinkSync('model_l_1.onnx', join(path, 'model_l_2.onnx'));
  expect(await readModelList(path)).toHaveLength(2);
  const outside = folder({ 'model_l_1.onnx': model });
  symlinkSync(join(path, 'model_l_1.onnx'), join(outside, 'model_l_2.onnx'));
  await expect(readModelList(outside)).rejects.toMatchObject({
    code: 'INVALID_MODEL_LIST',
    message: expect.stringContaining('model_l_2.onnx: it is a link to a file outside of the folder') as unknown,
  });
});
