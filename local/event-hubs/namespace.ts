/**
 * The hubs of the emulated namespace and what an address means in it. Names are matched without regard to case,
 * as the service does. One data folder belongs to one process at a time: two writers would ruin the logs.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isAlive, refOf, type ProcessRef } from '../../connect/processes.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { invalidPartition, notFound, type AmqpError } from './amqp.ts';
import type { HubConfig } from './config.ts';
import { partitionForKey } from './partition-hash.ts';
import { PartitionLog, type LogLimits } from './partition-log.ts';

export interface Hub {
  readonly name: string;
  readonly createdAtMs: number;
  readonly partitions: readonly PartitionLog[];
  /** In lower case. */
  readonly consumerGroups: ReadonlySet<string>;
  /** The partition for a batch without a partition of its own: by its key, else the next one in turn. */
  choosePartition(partitionKey: string | undefined): PartitionLog;
}

export interface ProducerTarget {
  readonly hub: Hub;
  /** Absent for a link to the hub, where the broker chooses. */
  readonly partition?: PartitionLog;
}

export interface ConsumerSource {
  readonly hub: Hub;
  /** In lower case. */
  readonly consumerGroup: string;
  readonly partition: PartitionLog;
}

export interface Namespace {
  readonly hubs: readonly Hub[];
  hub(name: string): Hub | undefined;
  /** `hub` or `hub/Partitions/3`. */
  producerTarget(address: string): ProducerTarget | AmqpError;
  /** `hub/ConsumerGroups/group/Partitions/3`. */
  consumerSource(address: string): ConsumerSource | AmqpError;
  /** Drops what retention no longer allows. */
  trim(): void;
  close(): void;
}

/** Opens the logs of all hubs under a data folder. */
export function openNamespace(
  configs: readonly HubConfig[],
  dataDir: string,
  limits: LogLimits,
  log: (line: string) => void,
): Namespace {
  const release = lockFolder(dataDir);
  const hubs: Hub[] = [];
  const close = (): void => {
    for (const hub of hubs) for (const partition of hub.partitions) partition.close();
    release();
  };
  try {
    for (const config of configs) hubs.push(openHub(config, join(dataDir, config.name.toLowerCase()), limits, log));
  } catch (error) {
    close();
    throw error;
  }
  const byName = new Map(hubs.map((hub) => [hub.name.toLowerCase(), hub]));
  const find = (name: string | undefined): Hub | undefined => byName.get((name ?? '').toLowerCase());
  return {
    hubs,
    hub: find,
    producerTarget: (address) => {
      const [, name, id] = /^([^/]+)(?:\/Partitions\/([^/]+))?$/i.exec(pathOf(address)) ?? [];
      const hub = find(name);
      if (hub === undefined) return notFound(address);
      if (id === undefined) return { hub };
      const partition = hub.partitions.find((candidate) => candidate.id === id);
      return partition === undefined ? invalidPartition(id) : { hub, partition };
    },
    consumerSource: (address) => {
      const [, name, group = '', id = ''] =
        /^([^/]+)\/ConsumerGroups\/([^/]+)\/Partitions\/([^/]+)$/i.exec(pathOf(address)) ?? [];
      const hub = find(name);
      if (hub === undefined) return notFound(address);
      const consumerGroup = group.toLowerCase();
      if (!hub.consumerGroups.has(consumerGroup)) return notFound(`${hub.name}~${group}`);
      const partition = hub.partitions.find((candidate) => candidate.id === id);
      return partition === undefined ? invalidPartition(id) : { hub, consumerGroup, partition };
    },
    trim: () => {
      const now = Date.now();
      for (const hub of hubs) for (const partition of hub.partitions) partition.trim(now);
    },
    close,
  };
}

/** The path of an entity, without scheme, host and outer slashes. */
export function pathOf(address: string): string {
  return address.replace(/^[a-z]+:\/\/[^/]*/i, '').replace(/^\/+|\/+$/g, '');
}

function openHub(config: HubConfig, dir: string, limits: LogLimits, log: (line: string) => void): Hub {
  mkdirSync(dir, { recursive: true });
  const present = readdirSync(dir).filter((name) => /^\d+$/.test(name)).length;
  if (present > config.partitions) {
    throw new FleetscoreError(
      'PARTITIONS_REMOVED',
      `Event hub ${config.name} has ${present} partitions in ${dir} but ${config.partitions} are configured. ` +
        `Partitions cannot be taken away: configure at least ${present}, or remove the folder and the events in it.`,
    );
  }
  const ids = Array.from({ length: config.partitions }, (_, i) => String(i));
  const partitions = ids.map((id) => new PartitionLog(join(dir, id), id, limits, log));
  let turn = 0;
  return {
    name: config.name,
    createdAtMs: createdAt(dir),
    partitions,
    consumerGroups: new Set(['$default', ...(config.consumerGroups ?? []).map((name) => name.toLowerCase())]),
    choosePartition: (key) => {
      const index = key === undefined ? turn++ % partitions.length : partitionForKey(key, partitions.length);
      const partition = partitions[index];
      if (partition === undefined) throw new Error(`partition ${index} of ${config.name} does not exist`);
      return partition;
    },
  };
}

/** Kept beside the logs: a hub whose folder is copied, or restored, is the same hub. */
function createdAt(dir: string): number {
  const path = join(dir, 'created');
  if (!existsSync(path)) writeFileSync(path, String(Math.floor(statSync(dir).birthtimeMs || Date.now())));
  return Number(readFileSync(path, 'utf8'));
}

const heldHere = new Set<string>();

/** Marks a folder as taken; returns the way to give it back. */
function lockFolder(dataDir: string): () => void {
  const dir = resolve(dataDir);
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'lock');
  const owner = ownerOf(path);
  if (owner && (owner.pid === process.pid ? heldHere.has(dir) : isAlive(owner)))
    throw new FleetscoreError(
      'DATA_DIR_IN_USE',
      `The Event Hubs data folder ${dir} is in use by process ${owner.pid}. Stop that process or choose another ` +
        `folder; if the process is not an emulator, remove ${path}.`,
    );
  writeFileSync(path, JSON.stringify(refOf(process.pid)));
  heldHere.add(dir);
  return () => {
    heldHere.delete(dir);
    rmSync(path, { force: true });
  };
}

/** Undefined where nobody holds it, or a process that has ended, whose id may be another's by now. */
function ownerOf(path: string): ProcessRef | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const owner: unknown = JSON.parse(readFileSync(path, 'utf8'));
    // Versions up to 0.3.0 wrote the id alone.
    return typeof owner === 'number' ? refOf(owner) : (owner as ProcessRef);
  } catch {
    return undefined;
  }
}
