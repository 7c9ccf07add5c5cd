/** The command `send`: its options and what they take. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { TIME_UNITS } from '../../domain/time.ts';
import { isColumn, type Layout } from '../../ingest/table/layout.ts';
import { does } from '../frame/command.ts';
import { asDuration, asNumber, asWhole } from '../frame/options.ts';

export function registerSend(program: Command): void {
  const send = program
    .command('send')
    .description('send readings from files (CSV, Parquet, Avro, JSON lines) or standard input through Event Hubs')
    .argument('<file...>', 'files, also with gzip, merged by time; - is standard input');
  formatOptions(send);
  send
    .option('--guess', 'read each file as it seems to be meant, where nothing about that is in doubt, and say how')
    .option('--dry-run', 'send nothing; show what would be sent')
    .addOption(new Option('--rate <n>', 'readings a second (default: full speed)').argParser(asNumber(0.001, 1e9)))
    .option('--wait', 'wait until all is ingested, and tell what became of it; fails when a reading was not taken')
    .addOption(
      new Option('--wait-timeout <duration>', 'give up when ingestion stands still for this long')
        .default('60s')
        .argParser(asDuration),
    )
    .action(does(() => import('../ingest/send.ts'), 'send'));
}

/** What is said of the format of files. */
export function formatOptions(send: Command): void {
  send
    .option('--wide', 'a column for each sensor: all columns but those of the time, the device and the quality')
    .option('--device <name>', "the device of rows without a column for it; '{file}' and '{folder}' are the file's")
    .addOption(
      new Option('--sensor <name>', 'the sensor of all rows, where no column names it; as --device').conflicts('wide'),
    )
    .addOption(list('--include <names>', 'sensors that are sent, with * and ?, comma between (default: all)'))
    .addOption(list('--exclude <names>', 'sensors (columns) that are left out, with * and ?'))
    .addOption(list('--missing <values>', 'what also stands for no value, such as -200'));
  columnOptions(send);
  textOptions(send);
  timeOptions(send);
}

function columnOptions(send: Command): void {
  send
    .addOption(
      new Option(
        '--columns <names>',
        'which columns they are, where they have other names: ts=timestamp,device=unit,sensor=tag,value=reading, ' +
          'quality=status; ts=Date+Time for a time in two columns',
      ).argParser(asColumns),
    )
    .addOption(
      list(
        '--good <values>',
        'values of the column quality that are good (default: those of OPC: good..., 192 and more)',
      ),
    );
}

function textOptions(send: Command): void {
  send
    .option('--encoding <name>', 'how a text is encoded, such as windows-1252 or utf-16le (default: utf-8)')
    .addOption(
      new Option('--separator <char>', "what stands between fields: ';', tab, space, '|' (default: a comma)").argParser(
        asSeparator,
      ),
    )
    .addOption(new Option('--decimal <char>', 'what stands before decimals (default: a point)').choices(['.', ',']))
    .addOption(list('--header <names>', 'names of the columns of a text without a header line, commas between'))
    .addOption(new Option('--skip-lines <n>', 'lines before the header line').argParser(asWhole(0, 1_000_000)))
    .option('--row-numbers', 'rows begin with a number or name that the header does not have, as R writes them');
}

function timeOptions(send: Command): void {
  send
    .addOption(
      new Option(
        '--time-format <format>',
        "how times are written that are not ISO 8601: 'dd/MM/yyyy HH:mm:ss' (Luxon) or '%d/%m/%Y %H:%M:%S' (strptime)",
      ),
    )
    .option('--timezone <zone>', 'of times without a zone: Europe/Berlin, or an offset such as +01:00 (default: UTC)')
    .addOption(
      new Option(
        '--time-unit <unit>',
        'what times that are numbers count (default: ten digits are seconds since 1970, thirteen milliseconds; ' +
          'with --start: s)',
      ).choices([...TIME_UNITS, 'm', 'h', 'd', 'excel']),
    )
    .addOption(new Option('--start <time>', 'times are numbers that count from here').conflicts(['timeFormat']));
}

/** Names with commas between; given again, more of them. */
function list(flags: string, text: string): Option {
  return new Option(flags, text).argParser((value: string, before: readonly string[] | undefined) => {
    const names = value
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    if (names.length === 0) throw new InvalidArgumentError('It takes one name or more, separated by commas.');
    return [...(before ?? []), ...names];
  });
}

/** One character, or the word tab. */
function asSeparator(text: string): string {
  const separator = /^(tab|\\t)$/i.test(text) ? '\t' : text.replace(/^space$/i, ' ');
  if ([...separator].length === 1 && !/["\r\n\w]/.test(separator)) return separator;
  throw new InvalidArgumentError("It takes one character such as ';', or tab, or space.");
}

/** `ts=timestamp,device=unit`; a comma within a name is one that no column follows. */
function asColumns(text: string): NonNullable<Layout['columns']> {
  const pairs = text.split(/,(?=\s*\w+\s*=)/).map((pair) => {
    const [, column = '', name = ''] = /^\s*(\w+)\s*=(.+?)\s*$/.exec(pair) ?? [];
    const known = column.toLowerCase();
    if (name === '' || !isColumn(known))
      throw new InvalidArgumentError(
        'It takes ts=NAME, device=NAME, sensor=NAME, value=NAME and quality=NAME, separated by commas.',
      );
    return [known, name.trim()] as const;
  });
  return Object.fromEntries(pairs);
}
