/** `fleetscore ui`: the web application for the people in the plant, on loopback unless told otherwise. */
import { FleetscoreError } from '../../domain/errors.ts';
import { isLoopbackHost } from '../../domain/loopback.ts';
import { namesServer } from '../../connect/temporal.ts';
import { openDeps } from '../../ui/deps.ts';
import { startUi } from '../../ui/server.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { untilInterrupted } from '../frame/interrupt.ts';
import { say, sayJsonLine, tell } from '../frame/terminal.ts';
import { facts } from '../frame/text.ts';
import { readTls } from '../frame/tls.ts';
import { whoami } from '../frame/whoami.ts';
import { defined } from '../../domain/defined.ts';

interface UiCommand {
  readonly port?: number;
  readonly host: string;
  readonly name?: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly plainHttp?: boolean;
}

/** Origin that people open it by through a proxy; undefined where they come without one. */
function publicOrigin(appUrl: string | undefined): string | undefined {
  const url = appUrl === undefined ? undefined : new URL(appUrl);
  return url && !isLoopbackHost(url.hostname) ? url.origin : undefined;
}

export async function serve(context: Context, options: UiCommand): Promise<Output | undefined> {
  const { config, env } = context;
  const { host } = options;
  const tls = readTls(options);
  const origin = publicOrigin(config.appUrl);
  const local = isLoopbackHost(host) && origin === undefined;
  const open =
    origin === undefined ? `--host ${host} is not loopback` : `FLEETSCORE_APP_URL says that others come as ${origin}`;
  if (!local && config.appToken === undefined)
    throw new FleetscoreError(
      'NOT_CONFIGURED',
      `${open}: ` +
        'without a token everybody who reaches it could see and steer the plant. ' +
        'Set one: export FLEETSCORE_APP_TOKEN=$(openssl rand -hex 32)',
    );
  if (!isLoopbackHost(host) && !tls && !options.plainHttp)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `--host ${host} is not loopback: the token would go over the network in the clear. ` +
        'Give --tls-cert and --tls-key, or --plain-http behind a proxy that speaks https.',
    );
  const interrupted = untilInterrupted();
  const deps = openDeps(config, env, context.uiLink, namesServer(env));
  try {
    const server = await startUi({
      deps,
      host,
      port: options.port ?? config.ports.app,
      user: whoami(),
      onError: (problem) => tell(problem),
      ...(local || config.appToken === undefined ? {} : { token: config.appToken }),
      ...(tls ? { tls } : {}),
      ...defined({ names: options.name, publicOrigin: origin }),
    });
    try {
      if (context.json) sayJsonLine({ url: server.url, port: server.port });
      else say(`${facts([['Application', server.url]])}\n\nCtrl-C stops it.`);
      if (['0.0.0.0', '::'].includes(host) && options.name === undefined && origin === undefined)
        tell(`${host} is no name to open it by: from elsewhere it answers under the names given by --name NAME alone.`);
      // Started by the stack: it waits for this.
      if (process.connected) process.send?.({ ready: true });
      await Promise.race([interrupted, stackGone()]);
    } finally {
      await server.close();
    }
  } finally {
    await deps.close();
  }
  return undefined;
}

/** Ends when the stack that started this process is gone, however it ended; never when people started it. */
function stackGone(): Promise<void> {
  if (process.send === undefined) return new Promise(() => undefined);
  return process.connected ? new Promise((resolve) => process.once('disconnect', () => resolve())) : Promise.resolve();
}
