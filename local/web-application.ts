/**
 * The web application beside a stack, in a process of its own: it reads and steers, and nothing waits for it. One that
 * does not start is told, and the stack goes on; one that dies is started again.
 */
import { join } from 'node:path';
import type { Config, Env } from '../config.ts';
import { messageOf } from '../domain/errors.ts';
import { codeFile } from '../paths.ts';
import { LEAN, startChild } from './child.ts';
import { superviseWorker, type Parts } from './parts.ts';
import { claimPort, freePort } from './ports.ts';
import { LOOPBACK } from '../domain/loopback.ts';

/** Its address once it answers; undefined when it did not start. */
export async function startWebApplication(
  config: Config,
  env: Env,
  parts: Parts,
  log: (line: string) => void,
  port: number,
  timeoutMs: number,
): Promise<string | undefined> {
  try {
    const start = (): ReturnType<typeof startChild> =>
      startChild({
        name: 'web application',
        file: codeFile('cli/main'),
        args: ['ui', '--port', String(port), '--home', config.home],
        env,
        logFile: join(config.home, 'logs', 'ui.log'),
        nodeArgs: LEAN,
      });
    await superviseWorker(start, 0, parts, log, timeoutMs);
    return appAddress(port);
  } catch (error) {
    if (!parts.ending.aborted) log(messageOf(error));
    return undefined;
  }
}

export const appAddress = (port: number): string => `http://${LOOPBACK}:${port}`;

/** A second stack of this machine is no reason to do without: it gets another port, and says which. */
export async function claimAppPort({ ports }: Config, log: (line: string) => void): Promise<number> {
  try {
    return await claimPort(ports.app, 'the web application', 'FLEETSCORE_APP_PORT');
  } catch {
    const port = await freePort();
    log(`Port ${ports.app} is taken: the web application listens on ${port}. FLEETSCORE_APP_PORT names another.`);
    return port;
  }
}
