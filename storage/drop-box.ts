/**
 * The container `drop` as whoever reads files from it sees it: what lies there in which version, and one version on the
 * local disk, whole or not at all. Bytes of two versions of a file never mix.
 */
import { blobService, type BlobTarget } from './blob-service.ts';
import { open } from 'node:fs/promises';
import { CONTAINERS } from '../domain/blob-names.ts';
import { isReplaced, pieces } from './blob-download.ts';
import { blobError, statusOf } from './blob-errors.ts';

export interface DropEntry {
  /** With its folders. */
  readonly name: string;
  readonly bytes: number;
  readonly etag: string;
  /** When this version was written, epoch ms by the clock of the service. */
  readonly modifiedMs: number;
  /** What was said of its format when it was put there; JSON, see ingest/drop/format.ts. */
  readonly format?: string;
}

export interface DropBox {
  /** Files, without folders; nothing where there is no container. @throws FleetscoreError `BLOB_UNAVAILABLE`, ... */
  list(prefix?: string): AsyncIterable<DropEntry>;
  /** @returns false, and nothing of it is to be used, when that version is there no more */
  download(entry: Pick<DropEntry, 'name' | 'etag'>, file: string): Promise<boolean>;
  /** Writes a file, over what was there. @returns its version */
  put(name: string, file: string, format?: string): Promise<{ readonly etag: string }>;
}

/** Name of the blob's metadata; its value is in base64, as headers are ASCII. */
const FORMAT = 'fleetscoreformat';

/** Connects on first use. @throws FleetscoreError `BLOB_CONFIG_INVALID` */
export function openDropBox(target: BlobTarget): DropBox {
  const service = blobService(target);
  const container = service.getContainerClient(CONTAINERS.drop);
  const told = (error: unknown, doing: string, blob: string): Error =>
    blobError(error, { account: service.accountName, doing, container: CONTAINERS.drop, blob });
  return {
    async *list(prefix = '') {
      try {
        for await (const { name, properties, metadata } of container.listBlobsFlat({ prefix, includeMetadata: true })) {
          // Accounts with a hierarchical namespace list their folders too, as blobs without bytes.
          if (metadata?.['hdi_isfolder'] === 'true') continue;
          const format = metadata?.[FORMAT];
          yield {
            name,
            bytes: properties.contentLength ?? 0,
            etag: properties.etag,
            modifiedMs: properties.lastModified.getTime(),
            ...(format === undefined ? undefined : { format: Buffer.from(format, 'base64').toString() }),
          };
        }
      } catch (error) {
        if (statusOf(error).code === 'ContainerNotFound') return;
        throw told(error, 'list', `${prefix}*`);
      }
    },
    async download({ name, etag }, file) {
      const handle = await open(file, 'w');
      try {
        let found: string | undefined;
        const parts = pieces(container.getBlobClient(name), 0, {}, (version) => (found = version.etag));
        for await (const { bytes } of parts) {
          if (!sameTag(found, etag)) return false;
          await handle.write(bytes);
        }
        return sameTag(found, etag);
      } catch (error) {
        if (isReplaced(error) || statusOf(error).status === 404) return false;
        // Of the local disk.
        if (error instanceof Error && 'syscall' in error) throw error;
        throw told(error, 'read', name);
      } finally {
        await handle.close();
      }
    },
    async put(name, file, format) {
      const said = format === undefined ? {} : { metadata: { [FORMAT]: Buffer.from(format).toString('base64') } };
      const upload = async (): Promise<{ readonly etag: string }> => {
        const { etag = '' } = await container.getBlockBlobClient(name).uploadFile(file, said);
        return { etag };
      };
      try {
        return await upload().catch(async (error: unknown) => {
          // Made only where it is missing: on Azure who puts files there may not make containers.
          if (statusOf(error).code !== 'ContainerNotFound') throw error;
          await container.createIfNotExists();
          return upload();
        });
      } catch (error) {
        throw told(error, 'write', name);
      }
    },
  };
}

/** A listing gives the tag without the quotes that it has in a header. */
export const sameTag = (a: string | undefined, b: string): boolean => bare(a) === bare(b);
const bare = (tag: string | undefined): string | undefined => tag?.replaceAll('"', '');
