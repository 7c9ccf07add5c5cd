/** A blob as its readers see it: its properties, and its content, whole or a range. */
import { ServiceError } from './errors.ts';
import { leaseHeaders } from './lease.ts';
import { metadataHeaders, type BlobAnswer, type OneBlobRequest } from './request.ts';
import { changedHeaders, httpDate, type BlobRow } from './rows.ts';
import { blobFor, type Parts } from './blobs.ts';

function propertiesOf(row: BlobRow): Record<string, string | number> {
  return {
    ...changedHeaders(row),
    ...(JSON.parse(row.headers) as Record<string, string>),
    ...metadataHeaders(JSON.parse(row.metadata) as Record<string, string>),
    ...leaseHeaders(row, Date.now()),
    'x-ms-blob-type': row.type,
    'x-ms-creation-time': httpDate(row.created_ms),
    'x-ms-server-encrypted': 'false',
    'accept-ranges': 'bytes',
    ...(row.type === 'AppendBlob' ? { 'x-ms-blob-committed-block-count': row.blocks } : {}),
  };
}

export function describeBlob(parts: Parts, request: OneBlobRequest): BlobAnswer {
  const row = blobFor(parts, request, 'read');
  return { status: 200, headers: { ...propertiesOf(row), 'content-length': row.bytes } };
}

/** `Get Blob`, whole or a range. */
export function readBlob(parts: Parts, request: OneBlobRequest): BlobAnswer {
  const row = blobFor(parts, request, 'read');
  const range = rangeOf(request.header('x-ms-range') ?? request.header('range'), row.bytes);
  const { 'content-md5': md5, ...properties } = propertiesOf(row);
  const [from, to] = range ?? [0, row.bytes];
  return {
    status: range ? 206 : 200,
    headers: {
      ...properties,
      'content-length': to - from,
      ...(range
        ? { 'content-range': `bytes ${from}-${to - 1}/${row.bytes}`, 'x-ms-blob-content-md5': md5 }
        : { 'content-md5': md5 }),
    },
    body: contentOf(parts, row, from, to),
  };
}

/** @throws ServiceError 416 */
function rangeOf(header: string | undefined, bytes: number): readonly [number, number] | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? '');
  if (!match) return undefined;
  const from = Number(match[1]);
  const to = match[2] === '' ? bytes : Math.min(Number(match[2]) + 1, bytes);
  if (from >= bytes || to <= from)
    throw new ServiceError(416, 'InvalidRange', 'The range specified is invalid for the current size of the resource.');
  return [from, to];
}

const PARTS_AT_ONCE = 64;

async function* contentOf({ db, pieces }: Parts, row: BlobRow, from: number, to: number): AsyncGenerator<Uint8Array> {
  // The part that holds `from` begins at or before it.
  const first = db.get<{ offset: number }>(
    'SELECT offset FROM parts WHERE blob_id = ? AND offset <= ? ORDER BY offset DESC LIMIT 1',
    row.blob_id,
    from,
  );
  for (let at = first?.offset ?? 0; at < to;) {
    const found = db.all<{ offset: number; bytes: number; body: Uint8Array | null; file: string | null }>(
      `SELECT parts.offset, p.bytes, p.body, p.file FROM parts JOIN pieces AS p ON p.piece_id = parts.piece_id
       WHERE parts.blob_id = ? AND parts.offset >= ? AND parts.offset < ? ORDER BY parts.offset LIMIT ?`,
      row.blob_id,
      at,
      to,
      PARTS_AT_ONCE,
    );
    // Replaced or deleted meanwhile: the connection breaks, the client asks again for the rest, and is told.
    if (found.length === 0) throw new Error('the blob changed while it was read');
    for (const piece of found)
      yield* pieces.read(piece, Math.max(0, from - piece.offset), Math.min(piece.bytes, to - piece.offset));
    const last = found.at(-1)!;
    at = last.offset + last.bytes;
  }
}
