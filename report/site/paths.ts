/**
 * Where the pages of the site lie. Every name is of lower-case letters, digits, `-` and `_`: the same in a
 * link, in Blob, and on any disk. Names derive from the work, so a batch told again lands on the same pages.
 */
import { batchFolder } from '../../domain/blob-names.ts';
import type { ReportBatch } from '../collect/batch-data.ts';
import { PAGE_SCRIPT } from '../page/script.ts';
import { PAGE_STYLE } from '../page/style.ts';
import { SITE_STYLE } from './site-style.ts';
import { sha256Of } from '../../domain/sha256.ts';

const PLAIN = /^[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?$/;
/** Names that Windows keeps for devices of its own. */
const RESERVED = /^(?:con|prn|aux|nul|com\d|lpt\d)$/;

const digest = (text: string, digits: number): string => sha256Of(text).slice(0, digits);

/**
 * File of a device's page: its name where that is plain; otherwise what is readable of it, `_` and a hash, so
 * that names that differ in case, accents or signs have different files.
 */
export function deviceFile(device: string): string {
  if (PLAIN.test(device) && !RESERVED.test(device)) return `${device}.html`;
  const readable = device
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '');
  return `${readable}_${digest(device, 20)}.html`;
}

/** Folder of a batch's pages, with a slash at its end: `batches/20261123T140000Z/20261123T141500Z-1a2b3c4d/`. */
export const batchPath = ({ fromMs, id }: Pick<ReportBatch, 'fromMs' | 'id'>): string =>
  `batches/${batchFolder(fromMs, id)}/`;

/** From a page at this depth of folders to the top of the site. */
export const toTop = (depth: number): string => '../'.repeat(depth);

export interface Asset {
  readonly path: string;
  readonly contentType: string;
  readonly body: string;
}

const style = PAGE_STYLE + SITE_STYLE;

/** Named by what is in them: pages written by an older version keep theirs. */
export const ASSETS: { readonly style: Asset; readonly script: Asset } = {
  style: { path: `assets/${digest(style, 12)}.css`, contentType: 'text/css; charset=utf-8', body: style },
  script: {
    path: `assets/${digest(PAGE_SCRIPT, 12)}.js`,
    contentType: 'text/javascript; charset=utf-8',
    body: PAGE_SCRIPT,
  },
};
