/**
 * A laptop stack to break: its scoring workers talk to Blob through a proxy that can misbehave, every process
 * can be found, killed, frozen and started again. Free of jest: benchmarks use it too.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openContext, type Context } from '../../cli/frame/context.ts';
import { loadConfig, type Env } from '../../config.ts';
import { guarded, startChild, untilReady, type StackChild } from '../../local/child.ts';
import { startStack } from '../../local/stack.ts';
import { codeFile } from '../../paths.ts';
import { publishModels } from '../../scoring/publish.ts';
import { svmBytes } from '../scoring/models.ts';
import { startBlobProxy, type BlobProxy } from './blob-proxy.ts';
import { cleanEnv, runCli, TOOLS, type CliResult } from './cli.ts';
import { commandOf, PARTS, pidsOf, type Part } from './stack-pids.ts';

export interface FaultStack {
  readonly home: string;
  readonly context: Context;
  readonly proxy: BlobProxy;
  cli(...args: string[]): Promise<CliResult>;
  /** Process ids of a part; guards are not it. */
  pids(part: Part): number[];
  signal(part: Part, signal: NodeJS.Signals): void;
  /** Another scoring worker; resolves when it is ready. */
  addScoring(): Promise<void>;
  /** A control worker of another version beside those there are; resolves when it is ready. */
  addControl(buildId: string): Promise<void>;
  /** Ends the control worker of that version for good. */
  endControl(buildId: string): Promise<void>;
  /**
   * Kills a server, starts it again on its data after `pauseMs`, waits until it listens.
   */
  restartServer(part: 'temporal' | 'blob' | 'event hubs', pauseMs: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startFaultStack(
  home: string,
  options: { readonly env?: Env; readonly log?: (line: string) => void } = {},
): Promise<FaultStack> {
  const log = options.log ?? (() => {});
  const ports = Object.fromEntries(
    ['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS'].map((part) => [`FLEETSCORE_${part}_PORT`, 'auto']),
  );
  const env: Env = { ...cleanEnv(), FLEETSCORE_HOME: home, FLEETSCORE_TOOLS_DIR: TOOLS, ...ports, ...options.env };
  const stack = await startStack({ config: loadConfig(env), env, log, scoringWorkers: 0 });
  const context = openContext({ home }, cleanEnv());
  const connection = stack.env.FLEETSCORE_BLOB_CONNECTION_STRING!;
  const port = /127\.0\.0\.1:(\d+)/.exec(connection)![1]!;
  const proxy = await startBlobProxy(Number(port));
  // A stack one of whose servers died is stopping, and commands do not find it; here the server comes back.
  const ofStack = Object.fromEntries(
    Object.entries(stack.env).filter(([name]) => /^(FLEETSCORE|TEMPORAL)_/.test(name)),
  );
  const started: StackChild[] = [];
  let stopping = false;

  const pids = (part: Part): number[] => pidsOf(home, part);

  const versions = new Map<string, StackChild>();

  /** A worker that dies is started again, as every supervisor does; also one that dies while it starts. */
  const supervise = async (
    role: 'scoring' | 'control',
    variables: Env,
    wanted: () => boolean,
    began: (child: StackChild) => void,
  ): Promise<void> => {
    const child = startChild({
      name: `${role} worker`,
      file: codeFile(`workers/${role}`),
      logFile: join(home, 'logs', `${role}.log`),
      env: { ...stack.env, ...variables },
    });
    started.push(child);
    began(child);
    void child.ended.then(async () => {
      await sleep(500);
      if (wanted())
        await supervise(role, variables, wanted, began).catch((error: unknown) =>
          log(`a ${role} worker did not start: ${String(error)}`),
        );
    });
    await untilReady(child, 60_000);
  };
  const behindProxy = {
    FLEETSCORE_BLOB_CONNECTION_STRING: connection.replace(`127.0.0.1:${port}`, `127.0.0.1:${proxy.port}`),
  };
  const addScoring = (): Promise<void> =>
    supervise(
      'scoring',
      behindProxy,
      () => !stopping,
      () => {},
    );

  return {
    home,
    context,
    proxy,
    pids,
    addScoring,
    addControl: (buildId) =>
      supervise(
        'control',
        { FLEETSCORE_BUILD_ID: buildId },
        () => !stopping && versions.has(buildId),
        (child) => versions.set(buildId, child),
      ),
    async endControl(buildId) {
      const child = versions.get(buildId);
      versions.delete(buildId);
      await child?.stop();
    },
    cli: (...args) => runCli(home, args, ofStack),
    signal(part, signal) {
      const found = pids(part);
      if (found.length === 0) throw new Error(`no process of ${part} runs`);
      for (const pid of found) process.kill(pid, signal);
    },
    async restartServer(part, pauseMs) {
      const [pid] = pids(part);
      if (pid === undefined) throw new Error(`no process of ${part} runs`);
      const [command, ...args] = commandOf(pid, home)!;
      process.kill(pid, 'SIGKILL');
      await gone(pid);
      await sleep(pauseMs);
      started.push(
        startChild(
          guarded({ name: part, command: command!, args, env: stack.env, logFile: join(home, 'logs', `${part}.log`) }),
        ),
      );
      await untilListening(Number(args[args.indexOf('--port') + 1]));
    },
    async stop() {
      stopping = true;
      for (const part of Object.keys(PARTS) as Part[]) for (const pid of pids(part)) process.kill(pid, 'SIGCONT');
      proxy.plan();
      await context.close();
      const workers = started.filter((child) => child.name.endsWith(' worker'));
      await Promise.all(workers.map((child) => child.stop()));
      await stack.stop();
      await Promise.all(started.map((child) => child.stop()));
      await proxy.stop();
    },
  };
}

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await sleep(20);
  }
}

async function untilListening(port: number): Promise<void> {
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port }, () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open) return;
    await sleep(50);
  }
}

/** A fleet with a model each, and one window every 5 s of the period. */
export async function loadFleet(
  context: Context,
  sensors: number,
  period: { readonly fromMs: number; readonly toMs: number },
): Promise<void> {
  const store = await context.store();
  const names = Array.from({ length: sensors }, (_, i) => ({
    device: `device-${1 + (i % 5)}`,
    sensor: `sensor-${i + 1}`,
  }));
  const [first] = await store.registerSensors(names);
  const windowsPerSensor = (period.toMs - period.fromMs) / 5_000;
  const values = Float64Array.from({ length: sensors * windowsPerSensor }, (_, i) => 10 + (i % 7 === 3 ? 40 : 0.1));
  await store.loadWindows({ sensorIdFrom: first!, startMs: period.fromMs, stepMs: 5_000, windowsPerSensor, values });
  const dir = join(context.config.home, 'fleet-models');
  mkdirSync(dir, { recursive: true });
  for (const [i, { device, sensor }] of names.entries())
    writeFileSync(join(dir, `model_${device}_${sensor}.onnx`), svmBytes(10 + i / 1_000));
  await publishModels(dir, { store, blobs: context.blobs(), nowMs: Date.now() });
}
