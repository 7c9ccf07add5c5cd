/** Rows come to onnxruntime in whole blocks: a score must not depend on the rows beside it (onnx-session.ts). */

/** Rows of a run are a multiple of it: the widest vector instructions take 16 float32 at a time. */
export const ROW_BLOCK = 16;

/** Rows with their padding. */
export const paddedRows = (rows: number): number => Math.ceil(rows / ROW_BLOCK) * ROW_BLOCK;
