/** Appends to a blob, at the position that the request expects. */
import { invalid, ServiceError } from './errors.ts';
import { INLINE_BYTES } from './pieces.ts';
import { numberHeader, type BlobAnswer, type OneBlobRequest } from './request.ts';
import { changedHeaders, newEtag } from './rows.ts';
import { addPart, blobFor, withBody, type Parts } from './blobs.ts';

/** "Append Block": a blob takes so many. */
const MOST_APPENDS = 50_000;

/** `Append Block`. Small appends grow the last piece, so that a log of many is few rows. */
export async function appendBlock(parts: Parts, request: OneBlobRequest): Promise<BlobAnswer> {
  const { db, pieces } = parts;
  return withBody(parts, request, (piece) =>
    db.write(() => {
      const row = blobFor(parts, request, 'write');
      if (row.type !== 'AppendBlob')
        throw new ServiceError(409, 'InvalidBlobType', 'The blob type is invalid for this operation.');
      if (piece.bytes === 0) throw invalid('InvalidHeaderValue', 'An append must have content.');
      const position = numberHeader(request, 'x-ms-blob-condition-appendpos');
      if (position !== undefined && position !== row.bytes)
        throw new ServiceError(
          412,
          'AppendPositionConditionNotMet',
          'The append position condition specified was not met.',
        );
      const most = numberHeader(request, 'x-ms-blob-condition-maxsize');
      if (most !== undefined && row.bytes + piece.bytes > most)
        throw new ServiceError(412, 'MaxBlobSizeConditionNotMet', 'The max blob size condition specified was not met.');
      if (row.blocks >= MOST_APPENDS)
        throw new ServiceError(409, 'BlockCountExceedsLimit', 'The committed block count cannot exceed 50,000.');
      const last = db.get<{ piece_id: number; bytes: number; file: string | null }>(
        `SELECT p.piece_id, p.bytes, p.file FROM parts JOIN pieces AS p ON p.piece_id = parts.piece_id
         WHERE parts.blob_id = ? ORDER BY parts.offset DESC LIMIT 1`,
        row.blob_id,
      );
      if (piece.body && last?.file === null && last.bytes + piece.bytes <= INLINE_BYTES / 2) {
        const grown = db.get<{ body: Uint8Array }>('SELECT body FROM pieces WHERE piece_id = ?', last.piece_id)!.body;
        const body = Buffer.concat([grown, piece.body]);
        db.run('UPDATE pieces SET body = ?, bytes = ? WHERE piece_id = ?', body, body.byteLength, last.piece_id);
      } else addPart(db, row.blob_id, row.bytes, '', pieces.adopt(piece));
      const changed = { etag: newEtag(), modified_ms: Date.now() };
      db.run(
        'UPDATE blobs SET bytes = bytes + ?, blocks = blocks + 1, etag = ?, modified_ms = ? WHERE blob_id = ?',
        piece.bytes,
        changed.etag,
        changed.modified_ms,
        row.blob_id,
      );
      return {
        status: 201,
        headers: {
          ...changedHeaders(changed),
          'x-ms-blob-append-offset': row.bytes,
          'x-ms-blob-committed-block-count': row.blocks + 1,
        },
      };
    }),
  );
}
