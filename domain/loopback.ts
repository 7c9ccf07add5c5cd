/**
 * Whether a request that came in on loopback was meant for it. A page of the web can let its own name resolve to
 * 127.0.0.1 and have the browser ask a server of this machine; the browser then sends that name as `Host`.
 */

/** The address that servers of a laptop stack listen on. */
export const LOOPBACK = '127.0.0.1';

/** @param host the `Host` header: a name or address, with or without a port */
export function isLoopbackHost(host: string | undefined): boolean {
  if (host === undefined) return false;
  const name = host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}
