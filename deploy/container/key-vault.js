/**
 * Secrets from Azure Key Vault by managed identity, over its REST interface. A token is only ever sent to a
 * vault's own host over https; neither values nor tokens appear in errors.
 */
const API_VERSION = '7.4';
const HOST = /^[a-z0-9-]{3,24}\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)$/;

/** Checks the address of a secret. @throws Error that names it */
export function secretUrl(text) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    !url ||
    url.protocol !== 'https:' ||
    url.port !== '' ||
    url.username !== '' ||
    !HOST.test(url.hostname) ||
    !/^\/secrets\/[A-Za-z0-9-]+(\/[0-9a-f]+)?$/.test(url.pathname)
  )
    throw new Error(
      `${JSON.stringify(text)} is not the address of a secret: https://VAULT.vault.azure.net/secrets/NAME`,
    );
  url.search = `?api-version=${API_VERSION}`;
  return url;
}

/**
 * @param secrets list of { name: variable, url: address of the secret }
 * @param how `getToken(scope)` and `fetch`, for tests; by default the managed identity of this machine
 * @returns variables with the secrets' values
 */
export async function fetchSecrets(secrets, how = {}) {
  const urls = secrets.map(({ url }) => secretUrl(url));
  const getToken = how.getToken ?? (await identityToken());
  const ask = how.fetch ?? fetch;
  const values = {};
  for (const [index, url] of urls.entries()) {
    const scope = `https://${url.hostname.slice(url.hostname.indexOf('.') + 1)}/.default`;
    const token = await getToken(scope);
    const answer = await ask(url, {
      headers: { authorization: `Bearer ${token}` },
      redirect: 'error',
      signal: AbortSignal.timeout(30_000),
    });
    if (!answer.ok)
      throw new Error(
        `the key vault answered ${answer.status} for ${url.hostname}${url.pathname}: check that the secret ` +
          'exists and that this identity has the role Key Vault Secrets User',
      );
    const { value } = await answer.json();
    if (typeof value !== 'string' || value === '')
      throw new Error(`the secret ${url.hostname}${url.pathname} is empty`);
    values[secrets[index].name] = value;
  }
  return values;
}

async function identityToken() {
  const { DefaultAzureCredential } = await import('@azure/identity');
  const credential = new DefaultAzureCredential();
  return async (scope) => (await credential.getToken(scope, { abortSignal: AbortSignal.timeout(30_000) })).token;
}
