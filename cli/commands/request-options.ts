/** Options that become fields of a batch's request: of `batch run` and its like, and of `schedule create`. */
import { Option, type Command } from 'commander';
import { asDurationOrZero, asNumber, asWhole } from '../frame/options.ts';

export function addRequestOptions(command: Command): Command {
  return command
    .option('--release <release>', 'release to score with (default: the current one)')
    .addOption(
      new Option(
        '--sensors-per-child <n>',
        'sensors per child workflow (default: one up to 500 sensors, then groups)',
      ).argParser(asWhole(1)),
    )
    .addOption(new Option('--sensors-per-activity <n>', 'sensors per scoring activity').argParser(asWhole(1)))
    .addOption(
      new Option(
        '--tolerated-failure-percentage <p>',
        'failed sensors, in percent, past which the batch fails (default: 10)',
      ).argParser(asNumber(0, 100)),
    )
    .addOption(
      new Option('--tolerated-failure-count <n>', 'failed sensors past which the batch fails').argParser(asWhole(0)),
    )
    .addOption(
      new Option(
        '--tolerated-skipped-percentage <p>',
        'sensors without readings or without a model, in percent, past which the batch fails (default: no limit)',
      ).argParser(asNumber(0, 100)),
    )
    .addOption(
      new Option(
        '--wait-for-readings <duration>',
        'longest wait for late readings after the end of the period (default: 2m; 0s: none)',
      ).argParser(asDurationOrZero),
    )
    .addOption(
      new Option(
        '--rescore-late <duration>',
        'afterwards score again what readings came late for, in earlier periods this far back (default: 1d ' +
          'in schedules; 0s: none)',
      ).argParser(asDurationOrZero),
    );
}
