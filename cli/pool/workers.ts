/** `fleetscore workers ...`: versions of the workers, and which of them starts the next batches. */
import type { Client } from '@temporalio/client';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatCount as count, formatNumberOf as plural } from '../../report/format.ts';
import {
  describeDeployment,
  moveWorkflows,
  pinnedTo,
  promoteVersion,
  type Deployment,
  type Version,
} from '../../connect/deployment/server.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { facts, table, when } from '../frame/text.ts';
import { whoami } from '../frame/whoami.ts';
import { SCORE_BATCH } from '../../workflows/names.ts';
import { defined } from '../../domain/defined.ts';

async function deploymentOf(context: Context): Promise<{ readonly client: Client; readonly deployment: Deployment }> {
  const client = await context.client();
  // Where there is no namespace there is no deployment either: that is another trouble.
  await client.workflowService.describeNamespace({ namespace: client.options.namespace });
  const deployment = await describeDeployment(client, Date.now());
  if (deployment) return { client, deployment };
  throw new FleetscoreError(
    'NO_VERSIONS',
    `no versioned control worker has run in namespace ${client.options.namespace} yet. ` +
      `Start one, or the stack with \`fleetscore up\`; with FLEETSCORE_VERSIONING=off there are none.`,
  );
}

function versionOf(deployment: Deployment, buildId: string): Version {
  const found = deployment.versions.find((version) => version.buildId === buildId);
  if (found) return found;
  throw new FleetscoreError(
    'VERSION_UNKNOWN',
    `there is no version ${JSON.stringify(buildId)}. Known: ` +
      `${deployment.versions.map((version) => version.buildId).join(', ')}.`,
  );
}

const identity = (): string => `fleetscore-cli ${whoami()}`;

export async function status(context: Context): Promise<Output> {
  const { client, deployment } = await deploymentOf(context);
  const rows = await Promise.all(
    deployment.versions.map(async (version) => ({
      version: version.buildId,
      state: version.buildId === deployment.current ? 'current' : version.status,
      workers: version.workers,
      createdAtMs: version.createdAtMs,
      batches: (await client.workflow.count(`WorkflowType = '${SCORE_BATCH}' AND ${pinnedTo(version.buildId)}`)).count,
    })),
  );
  const stranded = rows.filter((row) => row.workers === 0 && row.batches > 0);
  const scoring = [...deployment.scoring].map(([version, workers]) => ({ version, workers }));
  return {
    data: {
      current: deployment.current ?? null,
      versions: rows.map(({ createdAtMs, ...row }) => ({ ...row, firstSeen: new Date(createdAtMs).toISOString() })),
      scoring,
    },
    text: [
      facts([
        [
          'New batches',
          deployment.current === undefined
            ? 'wait: no version is current. Run `fleetscore workers promote`'
            : `start on version ${deployment.current}`,
        ],
        [
          'Scoring',
          scoring.length === 0
            ? 'no worker now'
            : scoring.map(({ version, workers }) => `${plural(workers, 'worker')} of version ${version}`).join(', '),
        ],
      ]),
      table(
        [
          { title: 'Version', whole: true },
          { title: 'State' },
          { title: 'Workers', align: 'right' },
          { title: 'Running batches', align: 'right' },
          { title: 'First seen (UTC)', whole: true, leave: 1 },
        ],
        rows.map((row) => [
          row.version,
          row.state,
          count(row.workers),
          count(row.batches),
          when(Math.floor(row.createdAtMs / 1000) * 1000),
        ]),
      ),
      ...stranded.map(
        (row) =>
          `${plural(row.batches, 'batch waits', 'batches wait')} for a worker of version ${row.version}. ` +
          `Start one, or run: fleetscore workers move ${row.version}`,
      ),
    ].join('\n\n'),
  };
}

export async function promote(context: Context, _: object, asked: string | undefined): Promise<Output> {
  const { client, deployment } = await deploymentOf(context);
  const next =
    asked === undefined ? deployment.versions.find((version) => version.workers > 0) : versionOf(deployment, asked);
  if (!next)
    throw new FleetscoreError(
      'NO_WORKERS',
      'no control worker runs now. Start one of the version that is to get the batches.',
    );
  if (next.workers === 0)
    throw new FleetscoreError(
      'NO_WORKERS',
      `no worker of version ${next.buildId} runs: new batches would wait for ever. Start one first.`,
    );
  if (next.buildId === deployment.current)
    return { data: { current: next.buildId }, text: `New batches start on version ${next.buildId} already.` };
  await promoteVersion(client, next.buildId, identity());
  return {
    data: { current: next.buildId, ...defined({ before: deployment.current }) },
    text:
      `New batches start on version ${next.buildId}.` +
      (deployment.current === undefined
        ? ''
        : ` Before it was ${deployment.current}: keep its workers until its batches have ended (fleetscore ` +
          `workers status), and go back with \`fleetscore workers promote ${deployment.current}\`.`),
  };
}

export async function move(context: Context, _: object, from: string): Promise<Output> {
  const { client, deployment } = await deploymentOf(context);
  versionOf(deployment, from);
  const { current } = deployment;
  if (current === undefined)
    throw new FleetscoreError('NO_VERSIONS', 'no version is current yet: run `fleetscore workers promote` first.');
  if (from === current)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `version ${from} is the current one: its batches are where they belong.`,
    );
  const workflows = await moveWorkflows(client, from, current, identity());
  return {
    data: { from, to: current, workflows },
    text:
      `${plural(workflows, 'running workflow')} (batches and their children) moved from version ` +
      `${from} to ${current}.`,
  };
}
