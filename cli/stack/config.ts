/** `fleetscore config`: the value of every variable, and where it comes from. Secrets are never shown. */
import { SECRET_VARIABLES, VARIABLES, type Env } from '../../config.ts';
import type { Variable } from '../../config/variable.ts';
import { withStack } from '../../local/state.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { table } from '../frame/text.ts';

export type Source = 'environment' | 'laptop stack' | 'default' | 'not set';

export interface Setting {
  readonly name: string;
  /** As written; `(set)` for a secret; absent when there is none. */
  readonly value?: string;
  readonly source: Source;
}

/**
 * The setting of a variable, and where it comes from.
 * @param env the environment of the command
 * @param stack the addresses of a running laptop stack, which count where the environment has none
 */
export function settingOf(variable: Variable, env: Env, stack: Env): Setting {
  const { name, preset, presetText } = variable;
  const shown = (value: string): string => (SECRET_VARIABLES.has(name) ? '(set)' : value);
  if (env[name]) return { name, value: shown(env[name]), source: 'environment' };
  if (stack[name]) return { name, value: shown(stack[name]), source: 'laptop stack' };
  if (preset !== undefined) return { name, value: preset, source: 'default' };
  return {
    name,
    ...(presetText === undefined ? {} : { value: presetText.replaceAll('`', '') }),
    source: presetText === undefined ? 'not set' : 'default',
  };
}

export async function config({ config: { home } }: Context, options: { readonly set?: true }): Promise<Output> {
  const stack = withStack({}, home);
  const settings = VARIABLES.map((variable) => settingOf(variable, process.env, stack)).filter(
    ({ source }) => !options.set || source === 'environment' || source === 'laptop stack',
  );
  return {
    text: table(
      [{ title: 'Variable' }, { title: 'Value' }, { title: 'From' }],
      settings.map(({ name, value, source }) => [name, value ?? '', source]),
      'Nothing is set: every variable has its default.',
    ),
    data: { home, settings },
  };
}
