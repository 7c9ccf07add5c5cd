/**
 * Which hubs there are: simple options, or the Config.json of Microsoft's Event Hubs emulator ("Configure the Event
 * Hubs emulator"), with that emulator's limits. The consumer group `$Default` always exists.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';

export interface HubConfig {
  readonly name: string;
  /** 1 to 32. */
  readonly partitions: number;
  /** Besides `$Default`. */
  readonly consumerGroups?: readonly string[];
}

const MAX_HUBS = 10;
const MAX_PARTITIONS = 32;
const MAX_GROUPS = 20;
/** Letters, digits, periods, hyphens and underscores, with a letter or a digit at both ends. */
const ENTITY_NAME = /^[a-z0-9]([a-z0-9._-]{0,254}[a-z0-9])?$/i;

const configFile = z.object({
  UserConfig: z.object({
    NamespaceConfig: z
      .array(
        z.object({
          Type: z.literal('EventHub').optional(),
          Name: z.string().optional(),
          Entities: z
            .array(
              z.object({
                Name: z.string(),
                PartitionCount: z.union([
                  z.int(),
                  z.string().regex(/^\d+$/, 'must be a whole number').transform(Number),
                ]),
                ConsumerGroups: z.array(z.object({ Name: z.string() })).optional(),
              }),
            )
            .min(1),
        }),
      )
      .length(1, 'must hold exactly one namespace'),
  }),
});

/**
 * The hubs of a Config.json of the official emulator.
 *
 * @param source - what to call the file in messages.
 * @throws {FleetscoreError} `INVALID_CONFIG` with the place of every mistake.
 */
export function hubsFromConfig(json: unknown, source = 'Config.json'): readonly HubConfig[] {
  const parsed = configFile.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`);
    throw invalid(`${source} is not a configuration of the Event Hubs emulator. ${problems.join('; ')}`);
  }
  const entities = parsed.data.UserConfig.NamespaceConfig.flatMap((namespace) => namespace.Entities);
  const hubs = entities.map((entity): HubConfig => ({
    name: entity.Name,
    partitions: entity.PartitionCount,
    consumerGroups: (entity.ConsumerGroups ?? []).map((group) => group.Name),
  }));
  checkHubs(hubs, source);
  return hubs;
}

/** Reads the Config.json of the official emulator. */
export function readConfigFile(path: string): readonly HubConfig[] {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw invalid(`The Event Hubs configuration ${path} cannot be read: ${messageOf(error)}`, error);
  }
  return hubsFromConfig(json, path);
}

/** @throws {FleetscoreError} `INVALID_CONFIG` when a name, a count or a limit is wrong. */
export function checkHubs(hubs: readonly HubConfig[], source = 'The hubs'): void {
  const fail = (problem: string): never => {
    throw invalid(`${source}: ${problem}`);
  };
  if (hubs.length < 1 || hubs.length > MAX_HUBS)
    fail(`there are ${hubs.length} event hubs; configure 1 to ${MAX_HUBS}.`);
  const seen = new Set<string>();
  for (const { name, partitions, consumerGroups = [] } of hubs) {
    const named = (what: string): void => {
      fail(
        `${what} is not a valid name. Use letters, digits, periods, hyphens and underscores, a letter or ` +
          'digit first and last.',
      );
    };
    if (!ENTITY_NAME.test(name)) named(`event hub ${JSON.stringify(name)}`);
    if (seen.has(name.toLowerCase())) fail(`event hub ${name} is there twice; names differ by more than case.`);
    seen.add(name.toLowerCase());
    if (!Number.isInteger(partitions) || partitions < 1 || partitions > MAX_PARTITIONS) {
      fail(`event hub ${name} has ${partitions} partitions; use 1 to ${MAX_PARTITIONS}.`);
    }
    if (consumerGroups.length > MAX_GROUPS)
      fail(`event hub ${name} has ${consumerGroups.length} consumer groups; use at most ${MAX_GROUPS}.`);
    for (const group of consumerGroups) {
      if (group.toLowerCase() !== '$default' && !ENTITY_NAME.test(group))
        named(`consumer group ${JSON.stringify(group)} of event hub ${name}`);
    }
  }
}

function invalid(message: string, cause?: unknown): FleetscoreError {
  return new FleetscoreError('INVALID_CONFIG', message, { cause });
}
