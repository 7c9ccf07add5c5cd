/** docs/configuration.md, made from the table of variables. `npm run docs` writes it; a test compares it. */
import { FOREIGN } from './foreign.ts';
import { TABLE } from './table.ts';
import { variablesOf, type Table, type Variable } from './variable.ts';

const SECTIONS: Readonly<Record<string, string>> = {
  blob: 'Blob storage',
  eventHubs: 'Event Hubs',
  ingest: 'Ingest',
  scoring: 'Scoring workers and models',
  pool: 'The worker pool',
  worker: 'Workers',
  keep: 'Retention',
  alerts: 'Alerts',
  mail: 'Mail about alarms',
  site: 'The site',
  ports: 'The laptop stack',
};

const HEAD = `# Configuration

Every setting is an environment variable. A wrong value, and a \`FLEETSCORE_\` variable that does not exist, is refused at
start with what it takes. \`fleetscore config\` shows the value of each and where it comes from. A secret is never shown.
Variables marked *nodes* are passed on by the control worker to the nodes of a pool on Azure.

This page is generated from \`config/table.ts\` by \`npm run docs\`.
`;

const FOREIGN_HEAD = `## Variables of Temporal, OpenTelemetry and Azure

They are read by the libraries that fleetscore uses. A profile of \`temporal.toml\` may hold Temporal's.

| variable | what it is for |
| --- | --- |`;

/** The whole page, as Markdown. */
export function configurationReference(): string {
  const general = Object.values(TABLE as Table).filter((entry): entry is Variable => 'parse' in entry);
  const sections = Object.entries(SECTIONS).map(
    ([key, title]) => `## ${title}\n\n${rows(variablesOf({ [key]: (TABLE as Table)[key]! }))}`,
  );
  const foreign = FOREIGN.map(
    ({ name, about, secret, handOn }) => `| \`${name}\` | ${cell(about)}${marks(secret, handOn)} |`,
  );
  return (
    [HEAD, `## General\n\n${rows(general)}`, ...sections, [FOREIGN_HEAD, ...foreign].join('\n')].join('\n\n') + '\n'
  );
}

function rows(variables: readonly Variable[]): string {
  return [
    '| variable | default | what it is for |',
    '| --- | --- | --- |',
    ...variables.map(
      ({ name, preset, presetText, about, secret, handOn }) =>
        `| \`${name}\` | ${cell(presetText ?? (preset === undefined ? '' : `\`${preset}\``))} | ` +
        `${cell(about)}${marks(secret, handOn)} |`,
    ),
  ].join('\n');
}

const marks = (secret: boolean, handOn: boolean): string =>
  `${secret ? ' *Secret.*' : ''}${handOn ? ' *(nodes)*' : ''}`;

const cell = (text: string): string => text.replaceAll('|', '\\|');
