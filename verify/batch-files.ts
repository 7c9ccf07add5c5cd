/**
 * The files of a batch as manifest, SQL and Blob have them. Each is fetched and checked when a sensor of it
 * comes by, a few are kept: memory holds a handful of files and the manifest, whatever the fleet.
 */
import { LRUCache } from 'lru-cache';
import { CONTAINERS, manifestBlob, predictionsFolders, reportBlob } from '../domain/blob-names.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { checkFormat } from '../domain/format.ts';
import type { Manifest, ManifestFile } from '../domain/manifest.ts';
import { INGEST_DEFAULTS, storedWindows } from '../ingest/settings.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { hasEnded, type Batch, type Store } from '../storage/store.ts';
import { tallyFile, type FileTally } from './file-tally.ts';
import type { Findings } from './findings.ts';
import { sha256Of } from '../domain/sha256.ts';
import { filePages } from '../storage/pages.ts';

export interface BatchFiles {
  /** Of the manifest, or of SQL where there is no manifest. */
  readonly count: number;
  /** Rows that the list of files says. */
  readonly rows: number;
  /** Contents of the file of a chunk; undefined when there is none, or none that can be read. */
  tally(chunk: string): Promise<FileTally | undefined>;
  has(chunk: string): boolean;
  /** A sensor with an outcome in this chunk was found in its file. */
  matched(chunk: string): void;
  /** Chunks whose file holds sensors that no outcome asked for; files no sensor asked for are read first. */
  unmatched(): Promise<string[]>;
}

type Deps = { readonly store: Store; readonly blobs: BlobStore };
const PAGE = 1_000;
const KEPT_FILES = 4;

/** True for a batch that was on record and failed, or was cancelled, before it was planned. */
const neverPlanned = (batch: Batch): boolean =>
  hasEnded(batch) && batch.status !== 'completed' && batch.planned === 0 && batch.manifest === undefined;

export async function readManifest({ blobs }: Deps, batch: Batch, findings: Findings): Promise<Manifest | undefined> {
  const [today, before] = predictionsFolders(batch.fromMs, batch.id);
  const name = manifestBlob(batch.manifest?.startsWith(`${before}/`) ? before : today);
  if (neverPlanned(batch)) {
    findings.note(`it ended before its sensors were planned (${batch.class ?? batch.status}): there is nothing in it`);
    return undefined;
  }
  try {
    const body = Buffer.from(await blobs.get(CONTAINERS.predictions, batch.manifest ?? name));
    // Where another one stands under its name and cannot be replaced, a manifest lies beside it, named by its content.
    const beside = name.replace(/\.json$/, `.${sha256Of(body).slice(0, 12)}.json`);
    if (batch.manifest !== undefined && batch.manifest !== name && batch.manifest !== beside)
      findings.found(
        'closed',
        `SQL names the manifest predictions/${batch.manifest}, it should be predictions/${name}`,
      );
    const manifest = JSON.parse(body.toString('utf8')) as Manifest;
    const where = `the manifest predictions/${batch.manifest ?? name}`;
    checkFormat('manifest', manifest.version, where);
    for (const file of manifest.files ?? [])
      checkFormat('predictions', file.formatVersion, `the file predictions/${file.blob}`);
    if (Array.isArray(manifest.files)) return manifest;
    findings.found('closed', `${where} has no list of files`);
  } catch (error) {
    if (error instanceof FleetscoreError && (error.retryable || error.code === 'FORMAT_TOO_NEW')) throw error;
    findings.found('closed', `the manifest cannot be read: ${messageOf(error)}`);
  }
  return undefined;
}

export async function openFiles(
  deps: Deps,
  batch: Batch,
  manifest: Manifest | undefined,
  findings: Findings,
): Promise<BatchFiles> {
  const { store, blobs } = deps;
  const folders = predictionsFolders(batch.fromMs, batch.id);
  const files = await listFiles(store, batch, manifest, findings);
  const fleet = await storedWindows(store, INGEST_DEFAULTS);
  const seen = new Map<string, { readonly sensors: number; matched: number }>();
  const tallies = new LRUCache<string, { readonly tally: FileTally | undefined }>({ max: KEPT_FILES });

  for (const file of files.values())
    if (!folders.some((folder) => file.blob.startsWith(`${folder}/`)))
      findings.found('files', `predictions/${file.blob} is not in the folder of its batch, ${folders[0]}`);

  const load = async (file: ManifestFile): Promise<FileTally | undefined> => {
    const name = `predictions/${file.blob}`;
    let bytes: Uint8Array;
    let tally: FileTally;
    try {
      bytes = await blobs.get(CONTAINERS.predictions, file.blob);
    } catch (error) {
      if (!(error instanceof FleetscoreError) || error.retryable) throw error;
      if (!seen.has(file.chunk)) findings.found('files', messageOf(error));
      return undefined;
    }
    if (seen.has(file.chunk)) return tallyFile(bytes, batch, fleet);
    if (bytes.byteLength !== file.bytes)
      findings.found('files', `${name} has ${bytes.byteLength} bytes, the manifest says ${file.bytes}`);
    const sha256 = sha256Of(bytes);
    if (sha256 !== file.sha256)
      findings.found('files', `${name} has SHA-256 ${sha256}, the manifest says ${file.sha256}`);
    try {
      tally = await tallyFile(bytes, batch, fleet);
    } catch (error) {
      findings.found('files', `${name}: ${messageOf(error)}`);
      return undefined;
    }
    if (tally.rows !== file.rows)
      findings.found('rows', `${name} has ${tally.rows} rows, the manifest says ${file.rows}`);
    for (const problem of tally.problems) findings.found('rows', `${name}: ${problem}`);
    return tally;
  };

  const tallyOf = async (chunk: string): Promise<FileTally | undefined> => {
    const file = files.get(chunk);
    if (!file) return undefined;
    const kept = tallies.get(chunk);
    if (kept) return kept.tally;
    const tally = await load(file);
    if (!seen.has(chunk)) seen.set(chunk, { sensors: tally?.sensors.size ?? 0, matched: 0 });
    tallies.set(chunk, { tally });
    return tally;
  };

  return {
    count: files.size,
    rows: [...files.values()].reduce((sum, file) => sum + file.rows, 0),
    tally: tallyOf,
    has: (chunk) => files.has(chunk),
    matched: (chunk) => void (seen.get(chunk)!.matched += 1),
    async unmatched() {
      for (const chunk of files.keys()) if (!seen.has(chunk)) await tallyOf(chunk);
      return [...seen].filter(([, { sensors, matched }]) => matched < sensors).map(([chunk]) => chunk);
    },
  };
}

/** The files by chunk; where manifest and SQL differ, that is a finding. */
async function listFiles(
  store: Store,
  batch: Batch,
  manifest: Manifest | undefined,
  findings: Findings,
): Promise<Map<string, ManifestFile>> {
  const listed = new Map<string, ManifestFile>();
  const blobs = new Set<string>();
  for (const file of manifest?.files ?? []) {
    if (listed.has(file.chunk)) findings.found('files', `the manifest lists the chunk ${file.chunk} twice`);
    if (blobs.has(file.blob)) findings.found('files', `the manifest lists predictions/${file.blob} twice`);
    blobs.add(file.blob);
    listed.set(file.chunk, file);
  }
  const recorded = new Map<string, ManifestFile>();
  const toFind = new Set(listed.keys());
  for await (const page of filePages(store, batch.id, PAGE))
    for (const file of page) {
      toFind.delete(file.chunk);
      const other = listed.get(file.chunk);
      if (!manifest) recorded.set(file.chunk, file);
      else if (!other)
        findings.found(
          'files',
          `SQL has predictions/${file.blob} of chunk ${file.chunk}, the manifest does not list it`,
        );
      else
        for (const field of ['blob', 'rows', 'bytes', 'sha256'] as const)
          if (file[field] !== other[field])
            findings.found(
              'files',
              `${field} of chunk ${file.chunk} is ${file[field]} in SQL and ${other[field]} in the manifest`,
            );
    }
  for (const chunk of toFind) findings.found('files', `the manifest lists the chunk ${chunk}, SQL has no file of it`);
  return manifest ? listed : recorded;
}

/** Blobs in the folder of a batch that its manifest does not list: left by attempts that lost; nobody reads them. */
export async function noteOrphans(
  { blobs }: Deps,
  batch: Batch,
  manifest: Manifest | undefined,
  findings: Findings,
): Promise<void> {
  const listed = new Set([batch.manifest, ...(manifest?.files.map((file) => file.blob) ?? [])]);
  for (const folder of predictionsFolders(batch.fromMs, batch.id)) {
    const known = new Set([manifestBlob(folder), reportBlob(folder)]);
    for await (const { name, bytes } of blobs.list(CONTAINERS.predictions, `${folder}/`))
      if (!known.has(name) && !listed.has(name))
        findings.note(
          `predictions/${name} (${bytes} bytes) is not in the manifest: an attempt that lost left it, nobody reads it`,
        );
  }
}
