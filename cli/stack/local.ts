/** `fleetscore local ...`: parts of the laptop stack alone. */
import { spawn, type ChildProcess } from 'node:child_process';
import { FleetscoreError } from '../../domain/errors.ts';
import { checkHubs, readConfigFile, type HubConfig } from '../../local/event-hubs/config.ts';
import { DEFAULT_HUB } from '../../local/event-hubs/default-hub.ts';
import { LOOPBACK } from '../../domain/loopback.ts';
import { codeFile } from '../../paths.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { untilInterrupted } from '../frame/interrupt.ts';
import { facts } from '../frame/text.ts';
import { passOn, sayWithKeys } from '../frame/terminal.ts';

interface EventHubsOptions {
  readonly port?: number;
  readonly data?: string;
  readonly config?: string;
  readonly hub?: string;
  readonly partitions?: number;
  readonly healthPort?: number;
  readonly retentionHours?: number;
}

interface Ready {
  readonly port: number;
  readonly connectionString: string;
}

export async function eventHubs(context: Context, options: EventHubsOptions): Promise<Output | undefined> {
  const hubs = hubsOf(options);
  const interrupted = untilInterrupted();
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', codeFile('local/event-hubs/main'), ...flags(context, options)],
    {
      env: context.env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  );
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  try {
    const ready = await untilReady(child, ended);
    const addresses = {
      port: ready.port,
      connectionString: ready.connectionString,
      hubs: hubs.map(({ name, partitions }) => ({ name, partitions })),
      data: options.data ?? null,
      health: options.healthPort === undefined ? null : `http://${LOOPBACK}:${options.healthPort}/health`,
    };
    sayWithKeys(context.json ? JSON.stringify(addresses) : `${describe(addresses)}\n\nCtrl-C stops it.`);
    const how = await Promise.race([interrupted, ended]);
    if (how !== undefined && !(await isInterrupted(interrupted)))
      throw new FleetscoreError(
        'SERVER_DIED',
        `the Event Hubs emulator ended (${how}). Start it again; events in --data are kept.`,
      );
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  }
  return undefined;
}

/**
 * The same checks as those of the emulator, so that what is wrong is a usage error. @throws FleetscoreError
 * `INVALID_CONFIG`
 */
function hubsOf(options: EventHubsOptions): readonly HubConfig[] {
  if (options.config !== undefined) return readConfigFile(options.config);
  const hubs = [
    { ...DEFAULT_HUB, name: options.hub ?? DEFAULT_HUB.name, partitions: options.partitions ?? DEFAULT_HUB.partitions },
  ];
  checkHubs(hubs, '--hub');
  return hubs;
}

function flags(context: Context, options: EventHubsOptions): string[] {
  const values: Record<string, string | number | undefined> = {
    port: options.port ?? context.config.ports.eventHubs,
    data: options.data,
    config: options.config,
    hub: options.hub,
    partitions: options.partitions,
    'health-port': options.healthPort,
    'retention-hours': options.retentionHours,
  };
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]));
}

/** Its one line on stdout. What it says on stderr goes on; before that line it is the reason why it did not start. */
async function untilReady(child: ChildProcess, ended: Promise<string>): Promise<Ready> {
  let said = '';
  let started = false;
  child.stderr?.on('data', (data: Buffer) => {
    if (started) passOn(data.toString());
    else said += data.toString();
  });
  const line = new Promise<string>((resolve) => {
    let text = '';
    child.stdout?.on('data', (data: Buffer) => {
      text += data.toString();
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
  });
  const first = await Promise.race([line, ended.then(() => undefined)]);
  if (first === undefined)
    throw new FleetscoreError(
      'START_FAILED',
      said.trim().replaceAll(/^event-hubs: /gm, '') || 'the Event Hubs emulator ended at once.',
    );
  started = true;
  passOn(said);
  return JSON.parse(first) as Ready;
}

/** A Ctrl-C of the terminal reaches the emulator, too: it may have ended before we look. */
async function isInterrupted(interrupted: Promise<void>): Promise<boolean> {
  return Promise.race([
    interrupted.then(() => true),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 100)),
  ]);
}

function describe(addresses: {
  connectionString: string;
  hubs: readonly { name: string; partitions: number }[];
  data: string | null;
  health: string | null;
}): string {
  return facts([
    ['Event Hubs', addresses.connectionString],
    ['Hubs', addresses.hubs.map(({ name, partitions }) => `${name} (${partitions})`).join(', ')],
    ['Data', addresses.data ?? 'in a temporary folder, gone at the end'],
    ['Health', addresses.health ?? undefined],
  ]);
}
