export declare function establishedInodes(table: string): Set<string>;
export declare function workerOf(pid: number | string): string;
export declare function connectionsOf(pid: number | string): number;
