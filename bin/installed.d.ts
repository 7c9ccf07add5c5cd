export declare function isInstalled(root: string): boolean;
export declare function noteInstalled(root: string): void;
