export declare function secretUrl(text: string): URL;
export declare function fetchSecrets(
  secrets: readonly { readonly name: string; readonly url: string }[],
  how?: {
    readonly getToken?: (scope: string) => Promise<string>;
    readonly fetch?: (url: URL, init: RequestInit) => Promise<Response>;
  },
): Promise<Record<string, string>>;
