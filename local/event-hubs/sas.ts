/**
 * Shared access signatures as put-token carries them ("Authenticate access to Event Hubs resources using shared
 * access signatures"): HMAC-SHA256 over the encoded resource and the expiry, made with the key that is named.
 */
import { Buffer } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { pathOf } from './namespace.ts';

/** Names of shared access policies and their keys. */
export type SasKeys = Readonly<Record<string, string>>;

/** The key of the official emulator. */
export const DEVELOPMENT_KEYS: SasKeys = { RootManageSharedAccessKey: 'SAS_KEY_VALUE' };

/** Why a token does not give access to an entity (a path such as `readings/Partitions/0`); `undefined` when it does. */
export function tokenProblem(token: string, entity: string, keys: SasKeys, nowMs: number): string | undefined {
  const prefix = 'SharedAccessSignature ';
  if (!token.startsWith(prefix)) return 'InvalidToken: the token is not a shared access signature.';
  const fields = new Map(
    token
      .slice(prefix.length)
      .split('&')
      .map((pair): readonly [string, string] => {
        const split = pair.indexOf('=');
        return [pair.slice(0, split), pair.slice(split + 1)];
      }),
  );
  const [resource, signature, expiry, policy] = ['sr', 'sig', 'se', 'skn'].map((name) => fields.get(name));
  if (resource === undefined || signature === undefined || expiry === undefined || policy === undefined) {
    return 'InvalidToken: the token lacks one of sr, sig, se and skn.';
  }
  const key = Object.hasOwn(keys, decodeURIComponent(policy)) ? keys[decodeURIComponent(policy)] : undefined;
  if (key === undefined)
    return `InvalidSignature: there is no shared access key named '${decodeURIComponent(policy)}'.`;
  const expected = createHmac('sha256', key).update(`${resource}\n${expiry}`).digest();
  const given = Buffer.from(decodeURIComponent(signature), 'base64');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    return 'InvalidSignature: The token has an invalid signature.';
  }
  if (!(Number(expiry) * 1000 > nowMs)) return `ExpiredToken: The token is expired since ${expiry}.`;
  const scope = pathOf(decodeURIComponent(resource)).toLowerCase();
  if (scope !== '' && `${entity.toLowerCase()}/`.startsWith(`${scope}/`)) return undefined;
  return scope === '' ? undefined : `InvalidAudience: the token is for '${scope}', not for '${entity}'.`;
}
