/**
 * Gathers models of one kind, size and feature list into packs. Memory holds the open tables only: a pack
 * is handed over as soon as it is full. Order of adding decides the rows, so the same models in the same
 * order give the same packs.
 */
import { encodeModel } from '../onnx-proto.ts';
import type { Fusable, Fuser } from './fuser.ts';
import { packMetadata } from './pack-format.ts';
import { sha256Of } from '../../domain/sha256.ts';

export interface Pack {
  readonly sha256: string;
  readonly bytes: Uint8Array;
  readonly kind: string;
  /** SHA-256 of the models by row. */
  readonly models: readonly string[];
}

export interface PackLimits {
  /** Models of one pack. */
  readonly maxRows: number;
  /** Bytes of one pack's table. */
  readonly maxBytes: number;
  /** A group of fewer models is not worth a pack. */
  readonly minRows: number;
}

export const PACK_LIMITS: PackLimits = { maxRows: 50_000, maxBytes: 32 * 1024 * 1024, minRows: 2 };

export interface PackBuilder {
  /** Adds a model, each once. Resolves when a pack that became full was taken. */
  add(sha256: string, fusable: Fusable, features: readonly string[]): Promise<void>;
  /** Hands over what is left. */
  finish(): Promise<void>;
}

interface Group {
  readonly fuser: Fuser<unknown>;
  readonly features: readonly string[];
  readonly width: number;
  readonly size: number;
  readonly rowWidth: number;
  readonly maxRows: number;
  table: Float64Array;
  models: string[];
}

export function createPackBuilder(take: (pack: Pack) => Promise<void>, limits: PackLimits = PACK_LIMITS): PackBuilder {
  const groups = new Map<string, Group>();

  const open = ({ fuser, parameters }: Fusable, features: readonly string[]): Group => {
    const width = fuser.width(parameters);
    const size = fuser.size(parameters);
    const key = JSON.stringify([fuser.kind, size, features]);
    let group = groups.get(key);
    if (!group) {
      const rowWidth = fuser.rowWidth(width, size);
      const maxRows = Math.max(1, Math.min(limits.maxRows, Math.floor(limits.maxBytes / 8 / rowWidth)));
      group = {
        fuser,
        features,
        width,
        size,
        rowWidth,
        maxRows,
        table: new Float64Array(rowWidth * Math.min(16, maxRows)),
        models: [],
      };
      groups.set(key, group);
    }
    return group;
  };

  const close = async (group: Group): Promise<void> => {
    const { models } = group;
    if (models.length < limits.minRows) return;
    const table = group.table.subarray(0, models.length * group.rowWidth);
    const bytes = encodeModel({
      irVersion: 8,
      producerName: 'fleetscore',
      opsetImport: [{ version: 17 }],
      metadataProps: packMetadata(group.fuser.kind, group.features, group.rowWidth, models),
      graph: group.fuser.graph(table, models.length, group.width, group.size),
    });
    group.models = [];
    group.table.fill(0);
    await take({ sha256: sha256Of(bytes), bytes, kind: group.fuser.kind, models });
  };

  return {
    async add(sha256, fusable, features) {
      const group = open(fusable, features);
      const at = group.models.length * group.rowWidth;
      if (at + group.rowWidth > group.table.length) {
        const larger = new Float64Array(Math.min(group.table.length * 2, group.maxRows * group.rowWidth));
        larger.set(group.table);
        group.table = larger;
      }
      fusable.fuser.writeRow(fusable.parameters, group.size, group.table.subarray(at, at + group.rowWidth));
      group.models.push(sha256);
      if (group.models.length === group.maxRows) await close(group);
    },
    async finish() {
      for (const group of groups.values()) await close(group);
      groups.clear();
    },
  };
}
