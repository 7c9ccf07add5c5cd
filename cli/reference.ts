/** docs/cli.md, made from the commands themselves. `npm run docs` writes it; a test compares it. */
import type { Command } from 'commander';
import { EXAMPLES, pathOf } from './commands/examples.ts';
import { createProgram } from './program.ts';

const HEAD = `# Commands

Every command has \`--help\` and \`--json\`. \`--home DIR\` names the folder of the laptop stack. A sensor is named
\`device/sensor\`; device and sensor may be two arguments. Colours are left out with \`NO_COLOR\`, and where the output
is no terminal; tables are then of full width.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | it failed, or what it looked at did: a failed batch, a part that does not answer, a name that is not there |
| 2 | it was called the wrong way: an option, a value, a setting |
| 130 | a second Ctrl-C |

With \`--json\` the result is one JSON document on stdout, and an error \`{"error":{"code","message"}}\` on stderr, also
of a wrong call. [errors.md](errors.md) lists the codes.

This page is generated from the commands by \`npm run docs\`.
`;

/** The whole page, as Markdown. */
export async function commandReference(): Promise<string> {
  const program = await createProgram([]);
  return [HEAD, ...program.commands.flatMap((command) => pagesOf(command, ''))].join('\n');
}

function pagesOf(command: Command, prefix: string): string[] {
  const name = `${prefix}${command.name()}`;
  const page = `${prefix === '' ? '##' : '###'} ${name}\n\n${sentence(command.description())}\n`;
  const children = command.commands.flatMap((child) => pagesOf(child, `${name} `));
  // A command may do something of its own and have others below it.
  if (children.length > 0 && command.registeredArguments.length === 0) return [page, ...children];
  return [`${page}\n${usage(command, name)}\n`, ...children];
}

function usage(command: Command, name: string): string {
  const help = command.createHelp();
  const rows = [
    ...help
      .visibleArguments(command)
      .map((argument) => [help.argumentTerm(argument), help.argumentDescription(argument)]),
    ...help
      .visibleOptions(command)
      .filter((option) => option.long !== '--help')
      .map((option) => [help.optionTerm(option), help.optionDescription(option)]),
  ] as [string, string][];
  const width = Math.max(0, ...rows.map(([term]) => term.length)) + 2;
  const lines = [
    `fleetscore ${name} ${command.usage()}`.trimEnd(),
    ...(rows.length > 0 ? [''] : []),
    ...rows.map(([term, about]) => `  ${term.padEnd(width)}${about}`.trimEnd()),
    ...(EXAMPLES[pathOf(command)] ?? []).map((line, i) => `${i === 0 ? '\nExamples:\n' : ''}  fleetscore ${line}`),
  ];
  return ['```text', ...lines, '```'].join('\n');
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
