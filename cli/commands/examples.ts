/**
 * How each command is called, as its help and docs/cli.md show it: lines that can be copied, in the order in which a
 * newcomer needs them. A test holds that every command has one and that the command line takes each.
 */
import type { Command } from 'commander';

const HOUR = '--from 2026-11-23T14:00 --to 2026-11-23T15:00';
const BATCH = '20261123T150000Z-1a2b3c4d';

/** By command, without `fleetscore` in front. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  demo: ['demo --once --ports auto'],
  up: [
    'up --detach',
    'up --ports auto --scoring-workers 2',
    'up --temporal temporal.example.com:7233 --namespace plant',
  ],
  down: ['down'],
  ui: ['ui', 'ui --port 0'],
  status: ['status', 'status --watch --every 5s'],
  logs: [
    `logs --batch ${BATCH}`,
    'logs --sensor press-7/oil-temp --since 2h',
    'logs --worker scoring --level warn --follow',
  ],
  doctor: ['doctor'],
  config: ['config --set'],
  'models convert': ['models convert models/ onnx/', 'models convert models/ onnx/ --features mean,min,max'],
  'models publish': ['models publish onnx/', 'models publish newer/ --release v2 --no-promote'],
  'models list': ['models list', 'models list --release current'],
  'models promote': ['models promote v2'],
  'models rollback': ['models rollback'],
  'models history': ['models history --limit 10'],
  'models challenge': ['models challenge v2 --share 0.1', 'models challenge --stop'],
  'models compare': ['models compare v2', `models compare v2 ${HOUR} --share 0.1`],
  'models health': [`models health ${HOUR}`],
  'models tune': [`models tune press-7/oil-temp ${HOUR}`],
  'models threshold': ['models threshold press-7/oil-temp "<-0.2"', 'models threshold press-7/oil-temp none'],
  'drop put': [
    'drop put history.parquet --wait',
    "drop put air.csv --folder lab --wide --separator ';' --decimal , --columns ts=Date",
  ],
  'drop list': ['drop list', 'drop list --failed'],
  'drop retry': ['drop retry lab/air.csv'],
  send: [
    'send readings.csv --wait',
    'send export.csv --columns ts=timestamp,device=unit,sensor=tag,value=reading',
    'send plant.csv.gz --wide --columns ts=timestamp --device pump-1',
    "send german.csv --separator ';' --decimal , --time-format 'dd.MM.yyyy HH:mm' --timezone Europe/Berlin",
    'send wind-tunnel.parquet --dry-run',
    'send -',
  ],
  'sensors list': ['sensors list', 'sensors list --device press-7', 'sensors list --retired'],
  'sensors retire': ['sensors retire press-7/oil-temp --comment scrapped', "sensors retire 'line-2-*/*' --dry-run"],
  'sensors restore': ["sensors restore 'line-2-*/*'"],
  'alarms list': ['alarms list', 'alarms list --json'],
  'alarms show': ['alarms show 3f9c2ab41d70e85'],
  'alarms history': ['alarms history 3f9c2ab41d70e85'],
  'alarms ack': ['alarms ack 3f9c2ab41d70e85'],
  'alarms confirm': ['alarms confirm 3f9c2ab41d70e85'],
  'alarms comment': ["alarms comment 3f9c2ab41d70e85 'bearing ordered'"],
  'alarms shelve': ['alarms shelve 3f9c2ab41d70e85'],
  'alarms unshelve': ['alarms unshelve 3f9c2ab41d70e85'],
  'alarms reset': ['alarms reset 3f9c2ab41d70e85'],
  'alarms check': ['alarms check alarms.json'],
  'alarms use': ['alarms use alarms.json'],
  'alarms rules': ['alarms rules'],
  'alarms test': ['alarms test email --to ann@plant.example'],
  'alarms try': ['alarms try alarms.json --from 2026-11-23 --to 2026-11-24'],
  readings: ['readings press-7/oil-temp 2026-11-23T14:00:05', `readings press-7/oil-temp ${HOUR}`],
  'ingest status': ['ingest status'],
  'ingest try': ['ingest try payload.json', 'ingest try events.jsonl --mapping iot-hub'],
  'ingest rebuild': [
    `ingest rebuild ${HOUR}`,
    `ingest rebuild ${HOUR} --names ` +
      `'{Namespace}/{EventHub}/{Year}/{Month}/{Day}/{PartitionId}-{Hour}-{Minute}-{Second}'`,
  ],
  'ingest deadletters': ['ingest deadletters', 'ingest deadletters --replay'],
  'db migrate': ['db migrate'],
  'db status': ['db status'],
  'db prune': ['db prune --windows 90d --batches 365d'],
  'db backup': ['db backup fleet-backup.db'],
  'db adopt': ['db adopt --blobs-of da7d7626-1571-4b95-ad17-fc3fac3475b0'],
  'local event-hubs': ['local event-hubs --port 0 --hub readings'],
  'schedule create': [
    'schedule create plant --every 15m',
    "schedule create nightly --cron '0 2 * * *' --timezone Europe/Berlin",
  ],
  'schedule update': ['schedule update plant --every 5m'],
  'schedule list': ['schedule list'],
  'schedule describe': ['schedule describe plant'],
  'schedule pause': ["schedule pause plant --note 'the line stands still'"],
  'schedule resume': ['schedule resume plant'],
  'schedule trigger': ['schedule trigger plant'],
  'schedule backfill': [`schedule backfill plant ${HOUR}`],
  'schedule delete': ['schedule delete plant'],
  gaps: ['gaps', 'gaps --schedule plant --since 30d'],
  'batch run': [`batch run ${HOUR} --wait`],
  'batch redrive': [`batch redrive ${BATCH} --wait`, `batch redrive ${BATCH} --sensor press-7/oil-temp`],
  'batch rescore': [`batch rescore ${HOUR} --wait`],
  'batch cancel': [`batch cancel ${BATCH}`],
  'batch pause': [`batch pause ${BATCH}`],
  'batch resume': [`batch resume ${BATCH}`],
  'batch concurrency': [`batch concurrency ${BATCH} --limit 50`],
  'batch plan': [`batch plan ${HOUR}`],
  'batch list': ['batch list', 'batch list --status failed --schedule plant'],
  'batch show': [`batch show ${BATCH}`],
  predictions: ['predictions press-7/oil-temp --anomalies', `predictions press-7/oil-temp ${HOUR} --json`],
  'predictions export': [
    'predictions export --from 2026-11-23 --to 2026-11-24 -o predictions.parquet',
    `predictions export ${HOUR} --device press-7 -o -`,
  ],
  report: [`report ${BATCH}`, 'report --site site/'],
  explain: ['explain press-7/oil-temp 2026-11-23T14:25'],
  'pool status': ['pool status'],
  'pool set': ['pool set --max 4 --idle 5m', 'pool set --finish-within 10m --margin 0s'],
  'pool pause': ['pool pause'],
  'pool drain': ['pool drain'],
  'pool resume': ['pool resume'],
  'pool watch': ['pool watch --for 10m'],
  'pool report': [`pool report ${HOUR}`],
  cost: ['cost', `cost ${BATCH} --prices deploy/prices.sample.json`],
  worker: ['worker scoring', 'worker control'],
  'workers status': ['workers status'],
  'workers promote': ['workers promote'],
  'workers move': ['workers move 0.1.0-271d44fcda35'],
  verify: [`verify ${BATCH}`, 'verify --holes 100'],
  'codec-server': ['codec-server --port 8081'],
  simulate: ['simulate --sensors 1000 --failures no_data=1%'],
  completion: ['completion bash', 'completion zsh', 'completion fish'],
  init: ['init my-plant'],
};

/** The name of a command as it is typed, without that of the program. */
export function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command = command; at.parent; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

/** Puts the examples under the help of all commands below one. */
export function addExamples(command: Command): void {
  for (const child of command.commands) {
    const lines = EXAMPLES[pathOf(child)];
    if (lines) child.addHelpText('after', `\nExamples:\n${lines.map((line) => `  fleetscore ${line}`).join('\n')}`);
    addExamples(child);
  }
}
