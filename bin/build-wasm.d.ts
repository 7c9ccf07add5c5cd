export declare const SOURCES: readonly string[];
export declare function assemble(source: string): Promise<Uint8Array>;
