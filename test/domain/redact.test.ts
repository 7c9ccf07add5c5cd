/**
 * What a secret looks like in every form that reaches a log, and that masking takes no longer than the text is long.
 */
import { loadConfig, secretsOf } from '../../config.ts';
import { messageOf } from '../../domain/errors.ts';
import { createRedactor, holdsSecret, maskSecrets, redact, redactData, redactLine } from '../../domain/redact.ts';

const SECRET = 'S3cr3t-Marker';

test.each([
  `Server=x;User Id=u;Password=${SECRET};Encrypt=true`,
  `Server=x;Password="${SECRET};more";Encrypt=true`,
  `Server=x;Password="a""${SECRET}";Encrypt=true`,
  `Server=x;Pwd='${SECRET}';Encrypt=true`,
  `Server=x;Password = ${SECRET} ;Encrypt=true`,
  `Server=x;Password={${SECRET};b};Encrypt=true`,
  `Server=x;Password="${SECRET}`,
  `mssql://sa:${SECRET}@host:1433/fleet`,
  `mssql://sa:p@${SECRET}@host/fleet`,
  `amqps://:${SECRET}@host/`,
  `https://a.blob.core.windows.net/c?sv=1&sig=${SECRET}%3D&se=2`,
  `DefaultEndpointsProtocol=https;AccountName=a;AccountKey=${SECRET}==;EndpointSuffix=x`,
  `Endpoint=sb://plant.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=${SECRET}=;EntityPath=t`,
  `SharedAccessSignature sr=x&sig=${SECRET}&se=1`,
  `Authorization: Bearer ${SECRET}${SECRET}`,
  `authorization=bearer%20${SECRET}${SECRET}`,
  `{"password":"${SECRET}","user":"u"}`,
  `{"user":"u", "client_secret" : "a\\"${SECRET}"}`,
  `said {\\"apiKey\\":\\"${SECRET}\\"}`,
  `x-functions-key=${SECRET}`,
  `{'token': '${SECRET}'}`,
  `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----`,
  `token eyJ${SECRET}abcdef.eyJ${SECRET}abcdef.${SECRET} was refused`,
])('%s is masked', (text) => {
  expect(maskSecrets(text)).not.toContain(SECRET);
  expect(holdsSecret(text)).toBe(true);
});

test.each([
  'Server=host,1433;Database=fleet;User Id=u;Authentication=Active Directory Default',
  'https://ACCOUNT.blob.core.windows.net',
  'http://127.0.0.1:4318/v1/traces',
  'the sensor "token ring" of device=7, ratio=0.5',
  '2026-11-23T14:15:00.000Z scored 60 of 60 sensors',
  'sqlite:/var/lib/fleet.db',
  'Set one: export FLEETSCORE_APP_TOKEN=$(openssl rand -hex 32)',
  'export FLEETSCORE_ALERT_SECRET=$(openssl rand -base64 32)',
])('%s stays', (text) => {
  expect(maskSecrets(text)).toBe(text);
});

test('the values of secret settings are masked wherever they stand', () => {
  const env = {
    FLEETSCORE_SQL_URL: `Server=h;Database=d;User Id=u;Password="${SECRET};1"`,
    OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20otel-marker-1,api-key=otel-marker-2',
    TEMPORAL_GRPC_META_AUTHORIZATION: 'Bearer temporal-marker',
    AZURE_PASSWORD: 'azure-marker-1',
    GITHUB_TOKEN: 'github-marker-1',
    FLEETSCORE_ALERT_URL: 'https://hooks.example/T0/alert-marker?code=code-marker-1',
    FLEETSCORE_PAYLOAD_KEYS: 'bm90aGluZyBidXQgYSBrZXkgb2YgMzIgYnl0ZXMhISE=',
  };
  const mask = createRedactor(secretsOf(env));
  for (const secret of [
    `${SECRET};1`,
    'otel-marker-1',
    'otel-marker-2',
    'temporal-marker',
    'azure-marker-1',
    'github-marker-1',
    'https://hooks.example/T0/alert-marker?code=code-marker-1',
    'code-marker-1',
    env.FLEETSCORE_PAYLOAD_KEYS,
  ])
    expect(mask(`it said ${secret} and went on`)).toBe('it said *** and went on');
});

test('a file of SQLite is no secret', () => {
  expect(secretsOf({ FLEETSCORE_SQL_URL: 'sqlite:/var/lib/fleet.db' })).toEqual([]);
});

test('loading the configuration is enough: messages of SDKs are masked from then on', () => {
  loadConfig({ FLEETSCORE_CODEC_TOKEN: 'codec-marker-0123456789abcdef0123456789' });
  expect(redact('got codec-marker-0123456789abcdef0123456789')).toBe('got ***');
  expect(messageOf(new Error('refused codec-marker-0123456789abcdef0123456789'))).toBe('refused ***');
});

test('JSON stays JSON', () => {
  const line = JSON.stringify({ msg: 'Password=', next: 'x', list: [`Pwd="${SECRET}"`], password: SECRET, n: 1 });
  const masked = redactLine(line);
  expect(JSON.parse(masked)).toEqual({ msg: 'Password=', next: 'x', list: ['Pwd=***'], password: '***', n: 1 });
  expect(redactData({ at: new Date(0), deep: { token: SECRET } })).toEqual({ at: new Date(0), deep: { token: '***' } });
});

test.each([
  'eyJ',
  'eyJ-',
  'eyJ.',
  'Password={',
  'Password="',
  "Pwd='",
  '"password":"',
  '\\"token\\":\\"',
  '://a:',
  'Bearer ',
  'sig=',
  '-----BEGIN PRIVATE KEY-----',
  ' = = ',
])('a line of nothing but %j takes time that grows with its length alone', (piece) => {
  const took = (repeats: number): number => {
    const text = `= ://x ${piece.repeat(repeats)}`;
    const since = process.cpuUsage();
    maskSecrets(text);
    const { user, system } = process.cpuUsage(since);
    return user + system;
  };
  took(1_000);
  // A hundred times the length: ten thousand times the time, were it quadratic.
  const [short, long] = [Math.max(took(1_000), 500), took(100_000)];
  expect(long / short).toBeLessThan(2_000);
});
