export declare const PROGRAMS: Readonly<
  Record<'control' | 'ingest' | 'scoring' | 'database' | 'stream-windows', string>
>;
export declare function readCommand(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): {
  readonly role: string;
  readonly program: string;
  readonly secrets: readonly { readonly name: string; readonly url: string }[];
};
