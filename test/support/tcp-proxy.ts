/**
 * A proxy on loopback for any protocol over TCP: a network that breaks, refuses, or takes everything and answers
 * nothing.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type TcpFault =
  /** Connections break, and new ones too, as soon as they are made. */
  | 'reset'
  /** Connections stand, nothing gets through; new ones are taken. Those of that time never come back to life. */
  | 'black hole'
  /** Nothing listens. */
  | 'refused';

export interface TcpProxy {
  readonly port: number;
  /** From now on; none: connections get through. */
  fault(kind?: TcpFault): Promise<void>;
  stop(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  let kind: TcpFault | undefined;
  const open = new Set<{ readonly client: Socket; readonly upstream: Socket | undefined }>();
  const server = createServer((client) => {
    client.on('error', () => {});
    if (kind === 'reset') return void client.resetAndDestroy();
    const upstream = kind === 'black hole' ? undefined : connect({ host: '127.0.0.1', port: targetPort });
    const pair = { client, upstream };
    open.add(pair);
    client.on('close', () => {
      open.delete(pair);
      upstream?.destroy();
    });
    if (!upstream) return void client.resume();
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.pipe(upstream).pipe(client);
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  const breakAll = (): void => {
    for (const { client, upstream } of open) {
      client.resetAndDestroy();
      upstream?.destroy();
    }
  };
  return {
    port,
    async fault(next) {
      const before = kind;
      kind = next;
      if (next === 'reset' || next === 'refused') breakAll();
      if (next === 'black hole')
        for (const { client, upstream } of open) {
          client.unpipe();
          upstream?.unpipe();
          client.resume();
          upstream?.resume();
        }
      if (next === 'refused') void close();
      else if (before === 'refused') await listen(port);
    },
    stop: () => {
      breakAll();
      return kind === 'refused' ? Promise.resolve() : close();
    },
  };
}
