/**
 * Gathers models of one kind, size and feature list into packs. Memory holds the open tables only: a pack
 * is handed over as soon as it is full. Order of adding decides the rows, so the same models in the same
 * order give the same packs.
 */
import { encodeModel } from '../onnx-proto.ts';
import { type Fusable, type Fuser, PACK_OPSET, type PackLimits, type PackTable } from './fuser.ts';
import { packMetadata } from './pack-format.ts';
import { withTrees } from './packed-trees.ts';
import { sha256Of } from '../../domain/sha256.ts';

export interface Pack {
  readonly sha256: string;
  readonly bytes: Uint8Array;
  readonly kind: string;
  /** SHA-256 of the models by row. */
  readonly models: readonly string[];
}

export const PACK_LIMITS: PackLimits = { maxRows: 50_000, maxBytes: 32 * 1024 * 1024, minRows: 2 };

export interface PackBuilder {
  /** Adds a model, each once. Where it does not fit any more, the pack before it is handed over first. */
  add(sha256: string, fusable: Fusable, features: readonly string[]): Promise<void>;
  /** Hands over what is left. */
  finish(): Promise<void>;
}

interface Group {
  readonly fuser: Fuser<unknown>;
  readonly features: readonly string[];
  table: PackTable<unknown>;
  models: string[];
}

export function createPackBuilder(take: (pack: Pack) => Promise<void>, limits: PackLimits = PACK_LIMITS): PackBuilder {
  const groups = new Map<string, Group>();

  const open = ({ fuser, parameters }: Fusable, features: readonly string[]): Group => {
    const key = JSON.stringify([fuser.kind, fuser.shape(parameters), features]);
    let group = groups.get(key);
    if (!group) {
      group = { fuser, features, table: fuser.table(parameters, limits), models: [] };
      groups.set(key, group);
    }
    return group;
  };

  const close = async ({ fuser, features, table, models }: Group): Promise<void> => {
    if (models.length < limits.minRows) return;
    const trees = table.trees?.();
    const graph = encodeModel({
      irVersion: 8,
      producerName: 'fleetscore',
      opsetImport: [{ version: table.opset ?? PACK_OPSET }],
      metadataProps: packMetadata(fuser.kind, features, table.rowWidth, models, trees?.header),
      graph: table.graph(),
    });
    const bytes = trees ? withTrees(graph, trees.bytes) : graph;
    await take({ sha256: sha256Of(bytes), bytes, kind: fuser.kind, models });
  };

  return {
    async add(sha256, fusable, features) {
      const group = open(fusable, features);
      if (!group.table.add(fusable.parameters)) {
        await close(group);
        group.table = fusable.fuser.table(fusable.parameters, limits);
        group.models = [];
        group.table.add(fusable.parameters);
      }
      group.models.push(sha256);
    },
    async finish() {
      for (const group of groups.values()) await close(group);
      groups.clear();
    },
  };
}
