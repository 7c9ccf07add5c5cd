/** Ports on loopback: which are free, and a clear word about those that are not. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { FleetscoreError } from '../domain/errors.ts';
import { LOOPBACK } from '../domain/loopback.ts';

/** Below the range from which systems hand out ports by themselves: what starts meanwhile does not take one of ours. */
const FROM = 15_000;
const TO = 32_000;

/** A port nobody listens on right now. @throws FleetscoreError `NO_PORT` */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = await tryListen(randomInt(FROM, TO));
    if (port !== undefined) return port;
  }
  throw new FleetscoreError('NO_PORT', `no free port from ${FROM} to ${TO} on ${LOOPBACK}.`);
}

/**
 * The port asked for, or a free one for 0.
 * @throws FleetscoreError `PORT_BUSY` that names the variable to change
 */
export async function claimPort(wanted: number, what: string, variable: string): Promise<number> {
  if (wanted === 0) return freePort();
  if ((await tryListen(wanted)) !== undefined) return wanted;
  throw new FleetscoreError(
    'PORT_BUSY',
    `port ${wanted}, wanted for ${what}, is taken on ${LOOPBACK}. ` +
      `Stop what listens there, or choose another: ${variable}=PORT (or ${variable}=auto), or ` +
      '--ports auto for all.',
  );
}

function tryListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : undefined));
    });
  });
}
