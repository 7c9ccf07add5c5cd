/** The table of variables: what is a secret is never shown or handed on, and every value says where it comes from. */
import { HANDED_ON, loadConfig, SECRET_VARIABLES, VARIABLES } from '../../config.ts';
import { installerEnv, programEnv } from '../../domain/program-env.ts';
import { settingOf } from '../../cli/stack/config.ts';

test('no variable stands in the table twice', () => {
  const names = VARIABLES.map((variable) => variable.name);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

test('no secret is handed on to nodes, whose definitions can be read', () => {
  expect(HANDED_ON.filter((name) => SECRET_VARIABLES.has(name))).toEqual([]);
});

test('every default is a value that its variable takes', () => {
  for (const { name, preset, parse } of VARIABLES)
    if (preset !== undefined) expect([name, problemOf(() => parse(preset))]).toEqual([name, undefined]);
});

test.each([...SECRET_VARIABLES])('%s is not passed to programs of others', (name) => {
  expect(programEnv({ [name]: 'x', PATH: '/bin' })).toEqual({ PATH: '/bin' });
  expect(installerEnv({ [name]: 'x', PATH: '/bin' })).toEqual({ PATH: '/bin' });
});

test('a wrong secret is refused without being shown', () => {
  expect(() => loadConfig({ FLEETSCORE_ALERT_URL: 'marker-1234' })).toThrow(
    'FLEETSCORE_ALERT_URL is set: it takes an http or https URL',
  );
  expect(() => loadConfig({ FLEETSCORE_CODEC_TOKEN: 'marker-1234' })).toThrow(
    'FLEETSCORE_CODEC_TOKEN is set: it takes 32 to 512 letters',
  );
});

test.each([
  ['FLEETSCORE_ALERT_URL', 'https://ann:marker-1234@chat.example/hook', 'without user and password in it'],
  ['FLEETSCORE_SMTP_URL', 'smtps://ann:marker-1234%zz@mail.example', 'and %25 for a % in user or password'],
])('%s with a password that cannot be used is refused as it starts', (name, value, remedy) => {
  const load = (): unknown => loadConfig({ FLEETSCORE_MAIL_FROM: 'a@b.example', [name]: value });
  expect(load).toThrow(remedy);
  expect(load).not.toThrow('marker-1234');
});

test('several wrong variables are told at once, with the ones that do not exist', () => {
  const load = (): unknown =>
    loadConfig({
      FLEETSCORE_WINDOW: '5',
      FLEETSCORE_SITE: 'yes',
      FLEETSCORE_METRICS_PORT: '0',
      FLEETSCORE_WINDOWS: '5s',
      FLEETSCORE_DROP_EVERY: '30d',
    });
  expect(load).toThrow('FLEETSCORE_WINDOWS is not a variable of fleetscore');
  expect(load).toThrow('FLEETSCORE_WINDOW is "5": it takes a duration such as 500ms, 5s, 15m, 2h, 1d');
  expect(load).toThrow('FLEETSCORE_DROP_EVERY is "30d": it takes a duration up to 24d, such as 5s, 15m, 2h');
  expect(load).toThrow('FLEETSCORE_SITE is "yes": it takes on or off');
  expect(load).toThrow('FLEETSCORE_METRICS_PORT is "0": it takes a port from 1 to 65535, or auto for a free one');
});

test('an empty variable is one that is not set', () => {
  expect(loadConfig({ FLEETSCORE_WINDOW: '', FLEETSCORE_ALERT_URL: '' })).toEqual(loadConfig({}));
});

test('a setting says where it comes from, and a secret only that it is set', () => {
  const named = (name: string) => VARIABLES.find((variable) => variable.name === name)!;
  const stack = { FLEETSCORE_SQL_URL: 'sqlite:/fleet.db', FLEETSCORE_EVENT_HUB: 'plant' };
  expect(settingOf(named('FLEETSCORE_SQL_URL'), {}, stack)).toEqual({
    name: 'FLEETSCORE_SQL_URL',
    value: '(set)',
    source: 'laptop stack',
  });
  expect(settingOf(named('FLEETSCORE_EVENT_HUB'), { FLEETSCORE_EVENT_HUB: 'mine' }, stack)).toMatchObject({
    value: 'mine',
    source: 'environment',
  });
  expect(settingOf(named('FLEETSCORE_WINDOW'), {}, stack)).toMatchObject({ value: '5s', source: 'default' });
  expect(settingOf(named('FLEETSCORE_ALERT_URL'), {}, stack)).toEqual({
    name: 'FLEETSCORE_ALERT_URL',
    source: 'not set',
  });
});

function problemOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
