/** The servers of a laptop stack, without workers: always those of this build, also where a trial tries another one. */
import { loadConfig, type Env } from '../../config.ts';
import { startStack, type Stack } from '../../local/stack.ts';

export const startServers = (env: Env): Promise<Stack> =>
  startStack({ config: loadConfig(env), env, log: () => {}, workers: false });
