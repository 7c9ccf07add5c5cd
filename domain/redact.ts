/**
 * The one place that takes secrets out of text. Everything that reaches a terminal, a log, a Temporal failure, a dead
 * letter or telemetry goes through `redact`: it masks what looks like a key, a password, a signature or a token, and
 * the values of this process's secret settings wherever they stand. Every pattern is bounded, so time grows with the
 * text.
 */

const MASK = '***';

/** Shorter values of settings would take harmless words along; they are still masked where a key names them. */
const SHORTEST = 8;

/** Keys whose value is a secret, in connection strings, URLs, JSON and headers. */
const KEYS =
  'AccountKey|SharedAccessKey|SharedAccessSignature|Password|Pwd|(?:client|user|msi)[-_ ]?secret|secret|' +
  '(?:access|refresh|id|auth|session|sas)?[-_]?token|(?:x-)?(?:api|functions|subscription)[-_ ' +
  ']?key|sig|signature|passphrase';

/** A value in double, single or curly quotes, or bare; an end that is missing ends it at the next separator. */
const VALUE =
  '(?:\\\\?"(?:[^"\\\\\\r\\n]|""|\\\\.){0,2048}\\\\?"|\'(?:[^\'\\r\\n]|\'\'){0,2048}\'|\\{[^}\\r\\n]{0,2048}\\}|["\'{]?[^;&"\'\\s\\\\,}<>]{1,4096})';

/** The advice to make a secret, `NAME=$(openssl rand -hex 32)`, holds none. */
const ADVICE = '(?!\\$\\(openssl rand -)';
const ASSIGNED = new RegExp(`(?<![A-Za-z0-9])(${KEYS})(\\s{0,8}=\\s{0,8})${ADVICE}(${VALUE})`, 'gi');
/** In JSON, and in JSON within a text of JSON, where quotes have a backslash before them. */
const IN_JSON = new RegExp(
  `(\\\\{0,3}["'](?:[A-Za-z]{0,24}[-_ ]?)(?:${KEYS})\\\\{0,3}["']\\s{0,8}:\\s{0,8})` +
    `(?:"(?:[^"\\\\\\r\\n]|\\\\.){0,4096}"?|\\\\{1,3}"[^"\\\\\\r\\n]{0,4096}(?:\\\\{1,3}")?|'[^'\\r\\n]{0,4096}'?)`,
  'gi',
);

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [ASSIGNED, `$1$2${MASK}`],
  [IN_JSON, `$1"${MASK}"`],
  [/\b(Bearer|Basic|SharedKey)(\s{1,8}|%20)[A-Za-z0-9._~+/:-]{8,8192}=*/gi, `$1$2${MASK}`],
  [/(:\/\/[^/\s:@"'<>]{0,256}:)[^/\s"'<>]{1,1024}@/g, `$1${MASK}@`],
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,65536}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g, MASK],
];

/** Runs of the letters that a JSON web token is made of. */
const TOKEN_RUN = /[A-Za-z0-9_.-]{20,}/g;

function maskToken(run: string): string {
  if (!run.includes('eyJ')) return run;
  const parts = run.split('.');
  const from = parts.findIndex(
    (part, i) => part.includes('eyJ') && (parts[i + 1]?.length ?? 0) >= 8 && i + 2 < parts.length,
  );
  return from < 0 ? run : [...parts.slice(0, from), MASK, ...parts.slice(from + 3)].join('.');
}

/** Without one of these no pattern can match; names, numbers and times have none. */
const SUSPECT = /=|["']\s*:|:\/\/|eyJ|-----B|bearer|basic|sharedkey/i;

/** What looks like a secret, masked. */
export function maskSecrets(text: string): string {
  if (text.length < 8 || !SUSPECT.test(text)) return text;
  let masked = text;
  for (const [pattern, mask] of PATTERNS) masked = masked.replace(pattern, mask);
  return masked.replace(TOKEN_RUN, maskToken);
}

/** Whether a value holds something that looks like a secret: then it is not written where others can read it. */
export const holdsSecret = (value: string): boolean => maskSecrets(value) !== value;

/** Masks these values, longest first, and what looks like a secret. */
export function createRedactor(secrets: readonly string[]): (text: string) => string {
  const known = [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  return (text) => {
    let masked = text;
    for (const secret of known) if (masked.includes(secret)) masked = masked.replaceAll(secret, MASK);
    return maskSecrets(masked);
  };
}

let current = createRedactor([]);
let kept: readonly string[] = [];

/** From now on these values are masked in all that this process says. */
export function keepSecrets(secrets: readonly string[]): void {
  kept = [...new Set([...kept, ...secrets])];
  current = createRedactor(kept);
}

/** The redaction of this process: what was given to `keepSecrets`, and what looks like a secret. */
export const redact = (text: string): string => current(text);

/** Data with every text in it masked, and the values of keys that name a secret. */
export function redactData(value: unknown, mask: (text: string) => string = redact): unknown {
  if (typeof value === 'string') return mask(value);
  if (Array.isArray(value)) return value.map((item) => redactData(item, mask));
  if (typeof value !== 'object' || value === null || typeof (value as { toJSON?: unknown }).toJSON === 'function')
    return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      typeof inner === 'string' && SECRET_KEY.test(key) ? MASK : redactData(inner, mask),
    ]),
  );
}

/** A line that may be JSON: masked by its values, as patterns over JSON text could take its quotes along. */
export function redactLine(line: string, mask: (text: string) => string = redact): string {
  if (!line.startsWith('{')) return mask(line);
  try {
    return JSON.stringify(redactData(JSON.parse(line), mask));
  } catch {
    return mask(line);
  }
}

const CONNECTION_STRING = /(?:^|;)\s*[A-Za-z][A-Za-z ]*=/;
const PAIR = new RegExp(
  `(?:^|;)\\s*([A-Za-z][A-Za-z ]*?)\\s*=\\s*("(?:[^"]|"")*"|'(?:[^']|'')*'|\\{[^}]*\\}|[^;]*)`,
  'g',
);
const SECRET_KEY = new RegExp(`^(?:${KEYS})$`, 'i');

/** The parts of a setting's value that nobody may see. */
export function secretPartsOf(value: string): string[] {
  if (/^sqlite:/i.test(value)) return [];
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return urlParts(value);
  if (CONNECTION_STRING.test(value) && /;/.test(value))
    return [...value.matchAll(PAIR)]
      .filter(([, key]) => SECRET_KEY.test(key!.trim()))
      .map(([, , quoted]) => quoted!.trim().replace(/^["'{]|["'}]$/g, ''));
  // A list of keys, headers `name=value,name=value`, a header `Bearer ...`, the lines of a PEM file.
  const pieces = value.split(/[\n,]/).flatMap((piece) => [piece, ...piece.split('=').slice(1)]);
  return [value, ...pieces, ...pieces.flatMap((piece) => piece.split(/\s+|%20/).slice(1))].filter(
    (piece) => !/^-----(BEGIN|END) /.test(piece),
  );
}

function urlParts(value: string): string[] {
  try {
    const url = new URL(value);
    return [
      value,
      url.href,
      decodeURIComponent(url.password),
      url.password,
      ...url.searchParams.values(),
      url.search.slice(1),
    ];
  } catch {
    return [value];
  }
}

/** As a secret may stand in text: plain, in JSON, in a URL. */
function formsOf(secret: string): string[] {
  const plain = secret.trim();
  if (plain.length < SHORTEST) return [];
  return [plain, JSON.stringify(plain).slice(1, -1), encodeURIComponent(plain)];
}
