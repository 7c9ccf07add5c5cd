/** What the steps work with; the hook gives them the real programs. */
export interface HookContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  az(args: readonly string[], body?: unknown): Promise<string>;
  azd(args: readonly string[]): Promise<string>;
  say(text: string): void;
  sleep(seconds: number): Promise<void>;
  readonly pollSeconds: number;
  /** The text of main.parameters.json. */
  readonly parameters: string;
  sizes(profile: string): { readonly vmSize: string; readonly vmPriority: string };
}
export function preprovision(context: HookContext): Promise<void>;
export function postprovision(context: HookContext): Promise<void>;
export function prepublish(context: HookContext): Promise<void>;
export function postpublish(context: HookContext): Promise<void>;
export function predown(context: HookContext): Promise<void>;
export function environmentLines(context: HookContext, shell: 'sh' | 'pwsh'): Promise<string[]>;
