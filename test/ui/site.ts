/** The web application on a small plant, and requests to it. Temporal does not answer there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import type { UiDeps } from '../../ui/deps.ts';
import { startUi, type UiServer } from '../../ui/server.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { makePlant, NOW_MS, type Plant } from './plant.ts';

export interface Site {
  readonly plant: Plant;
  readonly server: UiServer;
  /** What the application is made from, for another one on the same plant. */
  readonly deps: UiDeps;
}

/** Started before the first test of a file, for `ann@desk`; a page that fails on our side fails the test. */
export function useSite(): Site {
  const folder = mkdtempSync(join(tmpdir(), 'fleetscore-ui-'));
  const blobServer = useBlobServer(join(folder, 'blobs'));
  const problems: string[] = [];
  let plant: Plant | undefined;
  let server: UiServer | undefined;
  const depsOf = (of: Plant): UiDeps => ({
    config: of.config,
    store: async () => of.store,
    blobs: async () => blobServer.blobs,
    client: async () => {
      throw new FleetscoreError('NO_STACK', 'no Temporal server is named.');
    },
    workflowPage: (id) => `http://127.0.0.1:1/workflows/${id}`,
    now: () => NOW_MS,
  });
  beforeAll(async () => {
    plant = await makePlant(folder, blobServer.blobs);
    server = await startUi({
      deps: depsOf(plant),
      host: '127.0.0.1',
      port: 0,
      user: 'ann@desk',
      onError: (problem) => problems.push(problem),
    });
  });
  afterAll(async () => {
    await server?.close();
    await plant?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(() => expect(problems.splice(0)).toEqual([]));
  return {
    get plant() {
      return plant!;
    },
    get server() {
      return server!;
    },
    get deps() {
      return depsOf(plant!);
    },
  };
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** A request whose every header is ours: `fetch` sets some by itself. */
export function ask(
  url: string,
  headers: Record<string, string> = {},
  form?: Record<string, string>,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: form ? 'POST' : 'GET', headers }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    request.once('error', reject);
    request.end(form && new URLSearchParams(form).toString());
  });
}

export const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** Headers of a form of a page of this server. */
export const formOf = (url: string): Record<string, string> => ({
  ...FORM,
  origin: url,
  'sec-fetch-site': 'same-origin',
});

export const tokenIn = (body: string): string => /name="token" value="([0-9a-f]{64})"/.exec(body)?.[1] ?? '';
