/**
 * Numbers as every store takes them. FLOAT of SQL Server holds 0 and magnitudes from 2.23E-308 on; what lies between
 * (denormals) it is not documented to take, and a reading that the store refuses would stop its partition.
 */
const SMALLEST_NORMAL = 2.2250738585072014e-308;

/** The number, or 0 for one that is smaller than any that SQL Server documents. */
export const settled = (value: number): number => (Math.abs(value) < SMALLEST_NORMAL ? 0 : value);
