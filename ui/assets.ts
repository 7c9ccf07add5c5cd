/** Style and script of the application: read once, named by what is in them, kept by browsers for good. */
import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { siblingFile } from '../paths.ts';
import { PAGE_STYLE } from '../report/page/style.ts';
import { SITE_STYLE } from '../report/site/site-style.ts';
import { sha256Of } from '../domain/sha256.ts';

interface Asset {
  readonly path: string;
  readonly type: string;
  readonly body: string;
}

function asset(name: string, type: string, body: string): Asset {
  const digest = sha256Of(body).slice(0, 12);
  return { path: `/assets/${digest}-${name}`, type: `${type}; charset=utf-8`, body };
}

const own = (name: string): string => readFileSync(siblingFile(`ui/assets/${name}`), 'utf8');

/** In this order: where two say something of one element, the later one counts. */
const SHEETS = ['frame', 'rows', 'forms', 'plots', 'narrow'].map((name) => own(`${name}.css`)).join('');

export const STYLE = asset('app.css', 'text/css', `${PAGE_STYLE}${SITE_STYLE}${SHEETS}`);
export const SCRIPT = asset('app.js', 'text/javascript', own('app.js'));
/** Modules that import each other by their names, in a folder that is named by what is in all of them. */
const MODULES = ['scales', 'draw', 'read'].map((name) => ({
  file: `charts-${name}.js`,
  body: own(`charts-${name}.js`),
}));
const MODULES_AT = `/assets/${sha256Of(MODULES.map(({ body }) => body).join('')).slice(0, 12)}`;
const CHART_ASSETS: readonly Asset[] = MODULES.map(({ file, body }) => ({
  path: `${MODULES_AT}/${file}`,
  type: 'text/javascript; charset=utf-8',
  body,
}));
/** The one that a page names. */
export const CHARTS = CHART_ASSETS.at(-1)!;

export function registerAssets(server: FastifyInstance): void {
  for (const { path, type, body } of [STYLE, SCRIPT, ...CHART_ASSETS])
    server.get(path, async (_request, reply) =>
      reply.header('cache-control', 'public, max-age=31536000, immutable').type(type).send(body),
    );
}
