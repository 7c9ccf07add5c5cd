/** The table of a kind whose models have equally many doubles each: a row of them for every model. */
import type { OnnxGraph } from '../onnx-proto.ts';
import type { PackLimits, PackTable } from './fuser.ts';

export interface RowKind<P> {
  /** Doubles of one row. */
  readonly rowWidth: number;
  /** Writes the row of one model; the row is zero before. */
  write(parameters: P, row: Float64Array): void;
  /** Graph over `table` [rows, rowWidth]. */
  graph(table: Float64Array, rows: number): OnnxGraph;
}

const FIRST_ROWS = 16;

export function rowTable<P>({ rowWidth, write, graph }: RowKind<P>, limits: PackLimits): PackTable<P> {
  const maxRows = Math.max(1, Math.min(limits.maxRows, Math.floor(limits.maxBytes / 8 / rowWidth)));
  let table = new Float64Array(rowWidth * Math.min(FIRST_ROWS, maxRows));
  let rows = 0;
  return {
    rowWidth,
    add(parameters) {
      if (rows === maxRows) return false;
      const at = rows++ * rowWidth;
      if (at + rowWidth > table.length) {
        const larger = new Float64Array(Math.min(table.length * 2, maxRows * rowWidth));
        larger.set(table);
        table = larger;
      }
      write(parameters, table.subarray(at, at + rowWidth));
      return true;
    },
    graph: () => graph(table.subarray(0, rows * rowWidth), rows),
  };
}
