/** The commands about the file drop: their names and options. */
import { Option, type Command } from 'commander';
import { does } from '../frame/command.ts';
import { asDuration, asWhole } from '../frame/options.ts';
import { formatOptions } from './send.ts';

export function registerDrop(program: Command): void {
  const drop = program
    .command('drop')
    .description('files with readings that lie in Blob storage and are read from there');
  const put = drop
    .command('put')
    .description('put files into the drop, from where an ingest worker reads them into windows, each version once')
    .argument('<file...>', 'files: CSV and JSON lines (also with gzip), Parquet, Avro')
    .option('--folder <name>', 'a folder of the drop that they go to')
    .option('--wait', 'wait until they are read, and tell what became of them; fails when a reading was not taken')
    .addOption(
      new Option('--wait-timeout <duration>', 'give up when they are not read after this long')
        .default('10m')
        .argParser(asDuration),
    );
  formatOptions(put);
  put.action(does(() => import('../drop/put.ts'), 'put'));
  drop
    .command('list')
    .description('the files that were read, those read last first, and what became of each')
    .option('--failed', 'only those that could not be read, with the whole reason')
    .addOption(new Option('--limit <n>', 'how many at the most').default(100).argParser(asWhole(1, 1_000_000)))
    .action(does(() => import('../drop/list.ts'), 'list'));
  drop
    .command('retry')
    .description('read files again that lie there: their readings count once all the same')
    .argument('<file...>', 'names in the drop, as drop list shows them')
    .action(does(() => import('../drop/list.ts'), 'retry'));
}
