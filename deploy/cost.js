/**
 * What a deployment costs a month, from the sizes of its profile, what it is assumed to be used, and a price file in
 * the shape of Azure's retail price API. README.md has the table that it prints, and a test compares them.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readFlags } from './flags.js';

const HOURS = 730;
const DAYS = 365 / 12;
const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));

/** What the sizes do not say: hours of work a day, and how much is stored and logged a month. */
export const ASSUMED = {
  tryout: { sqlHoursADay: 2, blobGb: 50, logsGb: 2, nodes: 1, nodeHoursADay: 2 },
  production: { sqlHoursADay: 24, blobGb: 2_000, logsGb: 30, nodes: 2, nodeHoursADay: 8 },
};
/** As main.bicep makes them where the network is private. */
const ENDPOINTS = 9;
const ZONES = 8;

const isServerless = ({ sqlSku }) => sqlSku.startsWith('GP_S_');

/** Price of a unit. @throws Error that names the meter when there is none, or more than one */
function priceOf(items, wanted) {
  const found = items.filter((item) => Object.entries(wanted).every(([key, value]) => item[key] === value));
  const prices = new Set(found.map((item) => item.retailPrice));
  if (prices.size === 1) return found[0].retailPrice;
  const what = Object.values(wanted).join(', ');
  throw new Error(`the price file has ${prices.size === 0 ? 'no price' : 'several prices'} for ${what}`);
}

function sqlCost(price, sizes, { sqlHoursADay }) {
  const general = 'SQL Database Single/Elastic Pool General Purpose -';
  const hours = sizes.sqlCores * sqlHoursADay * DAYS;
  const vCore = (product, meterName) =>
    price({ serviceName: 'SQL Database', productName: `${general} ${product}`, meterName });
  const compute = isServerless(sizes)
    ? hours * vCore('Serverless - Compute Gen5', 'vCore')
    : hours *
      (vCore('Compute Gen5', 'vCore') + (sizes.sqlZoneRedundant ? vCore('Compute Gen5', 'Zone Redundancy vCore') : 0));
  return compute + sizes.sqlMaxSizeGb * vCore('Storage', 'Data Stored');
}

function appsCost(price, { controlReplicas, controlCpu, controlMemory, ingestReplicas, ingestCpu, ingestMemory }) {
  const app = (meterName) => price({ serviceName: 'Azure Container Apps', meterName }) * HOURS * 3_600;
  const cores = controlReplicas * Number(controlCpu) + ingestReplicas * Number(ingestCpu);
  const gib = controlReplicas * parseFloat(controlMemory) + ingestReplicas * parseFloat(ingestMemory);
  return cores * app('Standard vCPU Active Usage') + gib * app('Standard Memory Active Usage');
}

/** What each part of a profile costs a month, in the file's currency. */
export function monthly(items, profile) {
  const sizes = sizesOf(profile);
  const used = ASSUMED[profile];
  const price = (wanted) => priceOf(items, wanted);
  const hourly = (serviceName, meterName) => price({ serviceName, meterName }) * HOURS;
  const low = sizes.vmPriority === 'LowPriority';
  const machine = sizes.vmSize.replace('Standard_', '').replaceAll('_', ' ');
  const disk = sizes.storageSku.replace('Standard_', '');
  const network = () =>
    ENDPOINTS * hourly('Virtual Network', 'Standard Private Endpoint') +
    ZONES * price({ serviceName: 'Virtual Network', meterName: 'Private Zone' }) +
    hourly('NAT Gateway', 'Standard Gateway');
  const registry = price({ serviceName: 'Container Registry', meterName: `${sizes.registrySku} Registry Unit` });
  return {
    eventHubs: sizes.throughputUnits * hourly('Event Hubs', 'Standard Throughput Unit'),
    sql: sqlCost(price, sizes, used),
    apps: appsCost(price, sizes),
    registry: registry * DAYS,
    blob: used.blobGb * price({ serviceName: 'Storage', meterName: `Hot ${disk} Data Stored` }),
    logs: used.logsGb * price({ serviceName: 'Log Analytics', meterName: 'Analytics Logs Data Ingestion' }),
    network: sizes.privateNetwork ? network() : 0,
    scoring:
      used.nodes *
      used.nodeHoursADay *
      DAYS *
      price({ armSkuName: sizes.vmSize, meterName: `${machine}${low ? ' Low Priority' : ''}` }),
  };
}

const sizesOf = (profile) => read(`bicep/profiles/${profile}.json`);

/** The same in words, by the sizes and the use of a profile. */
const WORDS = {
  eventHubs: (s) => [`Event Hubs ${s.eventHubsTier}, throughput units`, s.throughputUnits],
  sql: (s, u) => [
    'Azure SQL, cores',
    `${s.sqlCores}${isServerless(s) ? ` serverless, busy ${u.sqlHoursADay} hours a day` : ''}` +
      `${s.sqlZoneRedundant ? ' zone redundant' : ''}, ${s.sqlMaxSizeGb} GB`,
  ],
  apps: (s) => ['Container Apps, cores', s.controlReplicas * s.controlCpu + s.ingestReplicas * s.ingestCpu],
  registry: (s) => ['Container Registry', s.registrySku],
  blob: (s, u) => ['Blob, GB', `${u.blobGb} ${s.storageSku.replace('Standard_', '')}`],
  logs: (_, u) => ['Logs, GB', u.logsGb],
  network: (s) => ['Private endpoints, DNS zones, NAT gateway', s.privateNetwork ? ENDPOINTS : 'none'],
  scoring: (s, u) => [
    'Scoring, nodes × hours a day',
    `${u.nodes} × ${u.nodeHoursADay} ` +
      `${s.vmSize.replace('Standard_', '')}${s.vmPriority === 'LowPriority' ? ' low-priority' : ''}`,
  ],
};

/** The table, rounded as estimates are: sizes and costs of both profiles. */
export function costTable(items) {
  const profiles = ['tryout', 'production'];
  const costs = profiles.map((profile) => monthly(items, profile));
  const shown = (value) => Math.round(value).toLocaleString('en-US');
  const total = (rows) => Math.round(Object.values(rows).reduce((sum, value) => sum + value, 0) / 10) * 10;
  const rows = Object.entries(WORDS).map(([part, words]) => {
    const [[name, tryout], [, production]] = profiles.map((profile) => words(sizesOf(profile), ASSUMED[profile]));
    return `| ${name}: ${tryout} / ${production} | ${costs.map((cost) => shown(cost[part])).join(' | ')} |`;
  });
  return [
    '| a month, running all the time | try-out | production |',
    '| --- | ---: | ---: |',
    ...rows,
    `| **together, about** | ${costs.map((cost) => `**${shown(total(cost))}**`).join(' | ')} |`,
  ].join('\n');
}

export const ESTIMATE = read('prices.estimate.json').Items;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const usage = 'node deploy/cost.js [PRICES.json] (default: deploy/prices.estimate.json, which is an estimate)';
  const { positionals } = readFlags(usage, { allowPositionals: true });
  try {
    const items = positionals.length === 0 ? ESTIMATE : JSON.parse(readFileSync(positionals[0], 'utf8')).Items;
    if (!Array.isArray(items)) throw new Error('has no Items, the list of prices of a retail price API');
    process.stdout.write(`${costTable(items)}\n`);
  } catch (error) {
    process.stderr.write(`fleetscore: ${positionals[0] ?? 'prices.estimate.json'}: ${error.message}\n`);
    process.exitCode = 1;
  }
}
