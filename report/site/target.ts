/** Where a site is written to: the container `site`, or a folder that opens from the disk. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { fileProblem, makeFolder } from '../../storage/folders.ts';
import { writeWhole } from '../../storage/whole-file.ts';

export interface SiteTarget {
  /** Writes a page, whole or not at all, over what was there. */
  put(path: string, body: string, contentType: string): Promise<void>;
  /** Undefined when there is none. */
  get(path: string): Promise<string | undefined>;
}

export function blobTarget(blobs: Pick<BlobStore, 'get' | 'put'>): SiteTarget {
  return {
    put: (path, body, contentType) => blobs.put(CONTAINERS.site, path, Buffer.from(body), contentType),
    async get(path) {
      try {
        return new TextDecoder().decode(await blobs.get(CONTAINERS.site, path));
      } catch (error) {
        if (error instanceof FleetscoreError && error.code === 'BLOB_MISSING') return undefined;
        throw error;
      }
    },
  };
}

/** Paths of a site are safe on a disk: see paths.ts. @throws FleetscoreError `FOLDER`, `FILE_UNWRITABLE` */
export function folderTarget(folder: string): SiteTarget {
  makeFolder(folder);
  return {
    async put(path, body) {
      const file = join(folder, path);
      try {
        await mkdir(dirname(file), { recursive: true });
        await writeWhole(file, body);
      } catch (error) {
        throw fileProblem(
          file,
          error,
          (why) => `the site cannot be written to ${file}: ${why}. Choose another folder with --site.`,
        );
      }
    },
    async get(path) {
      try {
        return await readFile(join(folder, path), 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw new FleetscoreError(
          'FILE_UNREADABLE',
          `${join(folder, path)} cannot be read: ${messageOf(error)}. Choose another folder with --site.`,
          { cause: error },
        );
      }
    },
  };
}
