/**
 * The identity of this machine in Azure: a managed identity there, the developer's own login elsewhere. The
 * library behind it is loaded with the first token: most runs on a laptop never need one.
 */
import type { TokenCredential } from '@azure/identity';

export function machineIdentity(): TokenCredential {
  let credential: Promise<TokenCredential> | undefined;
  return {
    async getToken(scopes, options) {
      credential ??= import('@azure/identity').then(({ DefaultAzureCredential }) => new DefaultAzureCredential());
      return (await credential).getToken(scopes, options);
    },
  };
}
