/**
 * Takes secrets out of lines on their way to Blob: the values of secret variables of this process wherever they
 * stand, and whatever looks like a key, a password, a signature or a token.
 */
import type { Env } from '../config.ts';

/** Variables whose value is a secret as a whole. */
const SECRET_NAME = /CONNECTION_STRING|ALERT_URL|API_KEY|KEY_DATA|PASSWORD|SECRET|TOKEN|_HEADERS|_KEYS?$/i;
/** Shorter ones would take harmless words along. */
const SHORTEST = 8;

const MASK = '***';

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [
    /\b(AccountKey|SharedAccessKey|SharedAccessSignature|Password|Pwd|client_secret|sig)(\s*=\s*)[^;&"'\s\\]+/gi,
    `$1$2${MASK}`,
  ],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/-]{8,}=*/g, `$1 ${MASK}`],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, MASK],
  [/(:\/\/[^/\s:@"']+:)[^/\s@"']+@/g, `$1${MASK}@`],
];

/** @param env whose secret variables must not appear; lines of a PEM file each count as one */
export function createRedactor(env: Env): (line: string) => string {
  const secrets = Object.entries(env)
    .filter((entry): entry is [string, string] => entry[1] !== undefined && SECRET_NAME.test(entry[0]))
    .flatMap(([, value]) => [value, JSON.stringify(value).slice(1, -1), ...value.split(/[\n,]/)])
    .filter((value) => value.trim().length >= SHORTEST && !/^-----(BEGIN|END) /.test(value));
  const known = [...new Set(secrets)].sort((a, b) => b.length - a.length);
  return (line) => {
    let text = line;
    for (const secret of known) if (text.includes(secret)) text = text.replaceAll(secret, MASK);
    for (const [pattern, mask] of PATTERNS) text = text.replace(pattern, mask);
    return text;
  };
}
