/** Blocks of block blobs: staged one by one, and made a blob by a list of them. */
import { checkConditions } from './conditions.ts';
import { blobFor, dropStaged, replaceBlob, withBody, type NewBlob, type Parts } from './blobs.ts';
import { invalid } from './errors.ts';
import { changedHeaders, findBlob, findContainer, storedHeaders } from './rows.ts';
import type { BlobAnswer, OneBlobRequest } from './request.ts';
import { document, element, readBlockList } from './xml.ts';
import { DAY_MS } from '../../domain/time.ts';

/** "Put Block": blocks that no list has committed are dropped after a week. */
const STAGED_MS = 7 * DAY_MS;

/** `Put Block`. */
export function putBlock(parts: Parts, request: OneBlobRequest): Promise<BlobAnswer> {
  const { db, pieces } = parts;
  const block = request.query.get('blockid') ?? '';
  if (block === '' || Buffer.from(block, 'base64').length > 64)
    throw invalid('InvalidQueryParameterValue', 'blockid is Base64 of at most 64 bytes.');
  return withBody(parts, request, (piece, md5) =>
    db.write(() => {
      findContainer(db, request.container);
      const key = [request.container, request.blob, block] as const;
      const before = db.get<{ piece_id: number }>(
        'SELECT piece_id FROM staged WHERE container = ? AND name = ? AND block = ?',
        ...key,
      );
      db.run(
        'INSERT OR REPLACE INTO staged (container, name, block, piece_id, staged_ms) VALUES (?, ?, ?, ?, ?)',
        ...key,
        pieces.adopt(piece),
        Date.now(),
      );
      if (before) pieces.release([before.piece_id]);
      return { status: 201, headers: { 'content-md5': md5 } };
    }),
  );
}

/** `Put Block List`. */
export async function putBlockList(parts: Parts, request: OneBlobRequest): Promise<BlobAnswer> {
  const { db } = parts;
  const text: Buffer[] = [];
  for await (const chunk of request.body) text.push(Buffer.from(chunk));
  const list = readBlockList(Buffer.concat(text).toString('utf8'));
  return db.write(() => {
    findContainer(db, request.container);
    const row = findBlob(db, request.container, request.blob);
    checkConditions(request, row, 'create', Date.now());
    const staged = blocksOf(parts, request, 'staged');
    const committed = row ? blocksOf(parts, request, 'committed', row.blob_id) : new Map<string, Block>();
    const found: NewBlob['parts'] = list.map(({ from, id }) => {
      const one =
        from === 'Committed'
          ? committed.get(id)
          : (staged.get(id) ?? (from === 'Latest' ? committed.get(id) : undefined));
      if (!one) throw invalid('InvalidBlockList', 'The specified block list is invalid.');
      return { block: id, pieceId: one.piece_id, bytes: one.bytes };
    });
    const changed = replaceBlob(parts, request, { type: 'BlockBlob', headers: storedHeaders(request), parts: found });
    dropStaged(parts, request);
    return { status: 201, headers: changedHeaders(changed) };
  });
}

interface Block {
  readonly block: string;
  readonly piece_id: number;
  readonly bytes: number;
}

function blocksOf(
  { db }: Parts,
  request: OneBlobRequest,
  which: 'staged' | 'committed',
  blobId = 0,
): Map<string, Block> {
  const rows =
    which === 'staged'
      ? db.all<Block>(
          `SELECT staged.block, p.piece_id, p.bytes FROM staged JOIN pieces AS p ON p.piece_id = staged.piece_id
           WHERE staged.container = ? AND staged.name = ? ORDER BY staged.block`,
          request.container,
          request.blob,
        )
      : db.all<Block>(
          `SELECT parts.block, p.piece_id, p.bytes FROM parts JOIN pieces AS p ON p.piece_id = parts.piece_id
           WHERE parts.blob_id = ? AND parts.block <> '' ORDER BY parts.offset`,
          blobId,
        );
  return new Map(rows.map((row) => [row.block, row]));
}

/** `Get Block List`. */
export function showBlockList(parts: Parts, request: OneBlobRequest): BlobAnswer {
  const kind = request.query.get('blocklisttype') ?? 'committed';
  const { container, blob } = request;
  const row = findBlob(parts.db, container, blob);
  const staged = kind === 'committed' ? new Map<string, Block>() : blocksOf(parts, request, 'staged');
  // A blob of staged blocks alone is not there yet, and has a list all the same.
  if (!row && staged.size === 0) blobFor(parts, request, 'read');
  const committed =
    row && kind !== 'uncommitted' ? blocksOf(parts, request, 'committed', row.blob_id) : new Map<string, Block>();
  const blocks = (all: Map<string, Block>): string =>
    [...all.values()]
      .map((one) => `<Block>${element('Name', one.block)}${element('Size', one.bytes)}</Block>`)
      .join('');
  return {
    status: 200,
    headers: {
      'content-type': 'application/xml',
      ...(row ? { ...changedHeaders(row), 'x-ms-blob-content-length': row.bytes } : {}),
    },
    body: document(
      `<BlockList><CommittedBlocks>${blocks(committed)}</CommittedBlocks><UncommittedBlocks>${blocks(staged)}` +
        '</UncommittedBlocks></BlockList>',
    ),
  };
}

/** Drops blocks that waited too long for their list. */
export async function dropOldBlocks({ db, pieces }: Parts, nowMs: number): Promise<void> {
  await db.write(() => {
    const old = db.all<{ piece_id: number }>('SELECT piece_id FROM staged WHERE staged_ms < ?', nowMs - STAGED_MS);
    if (old.length === 0) return;
    db.run('DELETE FROM staged WHERE staged_ms < ?', nowMs - STAGED_MS);
    pieces.release(old.map((one) => one.piece_id));
  });
}
