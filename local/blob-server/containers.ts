/** Containers, and the lists of them and of their blobs. Lists go by seeks: a page costs what it returns. */
import { conditionNotMet, invalid, notImplemented, ServiceError } from './errors.ts';
import type { IndexDb } from './index-db.ts';
import type { Pieces } from './pieces.ts';
import { metadataHeaders, metadataOf, type BlobAnswer, type BlobRequest, type ContainerRequest } from './request.ts';
import { changedHeaders, findContainer, httpDate, newEtag, quoted, type BlobRow, type ContainerRow } from './rows.ts';
import { leaseHeaders } from './lease.ts';
import { document, element, escapeXml } from './xml.ts';

const MOST_RESULTS = 5_000;
const NAME = /^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$|^\$(root|web|logs)$/;
/** Blobs of a container are deleted in transactions of so many. */
const DELETE_AT_ONCE = 500;

export function createContainer(db: IndexDb, request: ContainerRequest): Promise<BlobAnswer> {
  const name = request.container;
  if (!NAME.test(name))
    throw invalid('InvalidResourceName', 'The specified resource name contains invalid characters.');
  return db.write(() => {
    if (db.get('SELECT 1 FROM containers WHERE name = ?', name))
      throw new ServiceError(409, 'ContainerAlreadyExists', 'The specified container already exists.');
    const row = { etag: newEtag(), modified_ms: Date.now() };
    const sql = 'INSERT INTO containers (name, etag, modified_ms, metadata) VALUES (?, ?, ?, ?)';
    db.run(sql, name, row.etag, row.modified_ms, JSON.stringify(metadataOf(request)));
    return { status: 201, headers: changedHeaders(row) };
  });
}

export function showContainer(db: IndexDb, request: ContainerRequest): BlobAnswer {
  const row = findContainer(db, request.container);
  const metadata = JSON.parse(row.metadata) as Record<string, string>;
  return {
    status: 200,
    headers: {
      ...changedHeaders(row),
      ...metadataHeaders(metadata),
      'x-ms-lease-status': 'unlocked',
      'x-ms-lease-state': 'available',
    },
  };
}

/** The blobs go first, in small transactions: a kill in between leaves a container with fewer blobs. */
export async function deleteContainer(db: IndexDb, pieces: Pieces, request: ContainerRequest): Promise<BlobAnswer> {
  const row = findContainer(db, request.container);
  const match = request.header('if-match');
  if (match !== undefined && match !== '*' && match.replaceAll('"', '') !== row.etag) throw conditionNotMet();
  for (let gone = DELETE_AT_ONCE; gone === DELETE_AT_ONCE;) {
    gone = await db.write(() => {
      const sql = 'SELECT blob_id FROM blobs WHERE container = ? ORDER BY name LIMIT ?';
      const ids = db.all<{ blob_id: number }>(sql, row.name, DELETE_AT_ONCE);
      for (const { blob_id } of ids) removeBlob(db, pieces, blob_id);
      return ids.length;
    });
  }
  await db.write(() => {
    const staged = db.all<{ piece_id: number }>('SELECT piece_id FROM staged WHERE container = ?', row.name);
    db.run('DELETE FROM staged WHERE container = ?', row.name);
    pieces.release(staged.map((one) => one.piece_id));
    db.run('DELETE FROM containers WHERE name = ?', row.name);
  });
  return { status: 202 };
}

/** In a write. */
export function removeBlob(db: IndexDb, pieces: Pieces, blobId: number): void {
  const parts = db.all<{ piece_id: number }>('SELECT piece_id FROM parts WHERE blob_id = ?', blobId);
  db.run('DELETE FROM parts WHERE blob_id = ?', blobId);
  db.run('DELETE FROM blobs WHERE blob_id = ?', blobId);
  pieces.release(parts.map((part) => part.piece_id));
}

interface Page {
  readonly prefix: string;
  readonly marker: string;
  readonly most: number;
}

function pageOf(request: BlobRequest): Page {
  const most = Number(request.query.get('maxresults') ?? MOST_RESULTS);
  if (!Number.isInteger(most) || most < 1)
    throw invalid('OutOfRangeQueryParameterValue', 'maxresults is a whole number from 1 to 5000.');
  return {
    prefix: request.query.get('prefix') ?? '',
    marker: Buffer.from(request.query.get('marker') ?? '', 'base64url').toString('utf8'),
    most: Math.min(most, MOST_RESULTS),
  };
}

const markerOf = (name: string | undefined): string =>
  name === undefined ? '<NextMarker />' : element('NextMarker', Buffer.from(name).toString('base64url'));

export function listContainers(db: IndexDb, request: BlobRequest): BlobAnswer {
  const { prefix, marker, most } = pageOf(request);
  const sql = 'SELECT * FROM containers WHERE name >= ? ORDER BY name LIMIT ?';
  const rows = db.all<ContainerRow>(sql, marker > prefix ? marker : prefix, most + 1);
  const found = rows.filter((row) => row.name.startsWith(prefix));
  const items = found.slice(0, most).map((row) => {
    const properties =
      `<Last-Modified>${httpDate(row.modified_ms)}</Last-Modified>${element('Etag', quoted(row.etag))}` +
      '<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>';
    return `<Container>${element('Name', row.name)}<Properties>${properties}</Properties></Container>`;
  });
  return {
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: document(
      `<EnumerationResults>${element('Prefix', prefix)}<Containers>${items.join('')}</Containers>` +
        `${markerOf(found[most]?.name)}</EnumerationResults>`,
    ),
  };
}

export function listBlobs(db: IndexDb, request: ContainerRequest): BlobAnswer {
  const container = findContainer(db, request.container).name;
  const include = new Set((request.query.get('include') ?? '').split(','));
  if (include.has('versions')) throw notImplemented('versions of blobs');
  const page = pageOf(request);
  const delimiter = request.query.get('delimiter') ?? '';
  const items: string[] = [];
  const next = walk(db, container, page, delimiter, (entry) =>
    items.push(
      typeof entry === 'string'
        ? `<BlobPrefix>${element('Name', entry)}</BlobPrefix>`
        : blobItem(entry, include.has('metadata')),
    ),
  );
  const body =
    '<EnumerationResults ' +
    `ContainerName="${escapeXml(container)}">${element('Prefix', page.prefix)}` +
    `${element('Delimiter', delimiter === '' ? undefined : delimiter)}<Blobs>${items.join('')}</Blobs>` +
    `${markerOf(next)}</EnumerationResults>`;
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: document(body) };
}

/** Calls `found` for a page of blobs, and of prefixes up to the delimiter; returns where the next page begins. */
function walk(
  db: IndexDb,
  container: string,
  { prefix, marker, most }: Page,
  delimiter: string,
  found: (entry: BlobRow | string) => void,
): string | undefined {
  const sql = 'SELECT * FROM blobs WHERE container = ? AND name >= ? ORDER BY name LIMIT ?';
  let from = Buffer.compare(Buffer.from(marker), Buffer.from(prefix)) > 0 ? marker : prefix;
  for (let count = 0; ;) {
    // With a delimiter most rows are skipped: few at a time, then a seek beyond the prefix.
    const rows = db.all<BlobRow>(sql, container, from, delimiter === '' ? most + 1 - count : 2);
    if (rows.length === 0) return undefined;
    for (const row of rows) {
      if (!row.name.startsWith(prefix)) return undefined;
      if (count === most) return row.name;
      const end = delimiter === '' ? -1 : row.name.indexOf(delimiter, prefix.length);
      count += 1;
      if (end !== -1) {
        const folder = row.name.slice(0, end + delimiter.length);
        found(folder);
        from = `${folder}\u{10FFFF}`;
        break;
      }
      found(row);
      // The least name after this one.
      from = `${row.name}\u0000`;
    }
  }
}

function blobItem(row: BlobRow, withMetadata: boolean): string {
  const headers = JSON.parse(row.headers) as Record<string, string>;
  const lease = leaseHeaders(row, Date.now());
  const properties = [
    element('Creation-Time', httpDate(row.created_ms)),
    element('Last-Modified', httpDate(row.modified_ms)),
    element('Etag', row.etag),
    element('Content-Length', row.bytes),
    element('Content-Type', headers['content-type']),
    element('Content-Encoding', headers['content-encoding']),
    element('Content-Language', headers['content-language']),
    element('Content-MD5', headers['content-md5']),
    element('Cache-Control', headers['cache-control']),
    element('Content-Disposition', headers['content-disposition']),
    element('BlobType', row.type),
    element('LeaseStatus', lease['x-ms-lease-status']),
    element('LeaseState', lease['x-ms-lease-state']),
    element('ServerEncrypted', 'false'),
  ].join('');
  const metadata = withMetadata
    ? `<Metadata>${Object.entries(JSON.parse(row.metadata) as Record<string, string>)
        .map(([name, value]) => element(name, value))
        .join('')}</Metadata>`
    : '';
  return `<Blob>${element('Name', row.name)}<Properties>${properties}</Properties>${metadata}</Blob>`;
}
