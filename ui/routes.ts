/** The addresses of the application. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { alarmAction } from './actions/alarms.ts';
import { batchAction, scheduleAction, scoreAction } from './actions/batches.ts';
import { sensorAction } from './actions/sensors.ts';
import type { App } from './app.ts';
import { alarmPage, alarmsPage } from './pages/alarms.ts';
import { batchPage, reportPage } from './pages/batch.ts';
import { batchesPage } from './pages/batches.ts';
import { predictionsCsv, readingsCsv } from './pages/csv.ts';
import { devicePage } from './pages/device.ts';
import { devicesPage } from './pages/devices.ts';
import { explainPage } from './pages/explain.ts';
import { filesPage, retryFile } from './pages/files.ts';
import { logPage } from './pages/log.ts';
import { nowPage } from './pages/now.ts';
import { sensorPage } from './pages/sensor.ts';

type Page = (app: App, request: FastifyRequest) => Promise<string>;
type Answer = (app: App, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

const PAGES: Readonly<Record<string, Page>> = {
  '/': nowPage,
  '/alarms': alarmsPage,
  '/alarms/:id': alarmPage,
  '/devices': devicesPage,
  '/devices/:device': devicePage,
  '/devices/:device/:sensor': sensorPage,
  '/devices/:device/:sensor/explain': explainPage,
  '/batches': batchesPage,
  '/batches/:id': batchPage,
  '/files': filesPage,
  '/log': logPage,
};

const FILES: Readonly<Record<string, Answer>> = {
  '/devices/:device/:sensor/predictions.csv': predictionsCsv,
  '/devices/:device/:sensor/readings.csv': readingsCsv,
  '/batches/:id/report': reportPage,
};

const ACTIONS: Readonly<Record<string, Answer>> = {
  '/alarms/:id/:what': alarmAction,
  '/devices/:device/:what': sensorAction,
  '/devices/:device/:sensor/:what': sensorAction,
  '/batches/:id/:what': batchAction,
  '/schedules/:name/:what': scheduleAction,
  '/score': scoreAction,
  '/files/retry': retryFile,
};

export function registerPages(server: FastifyInstance, app: App): void {
  for (const [path, page] of Object.entries(PAGES)) server.get(path, (request) => page(app, request));
  for (const [path, file] of Object.entries(FILES)) server.get(path, (request, reply) => file(app, request, reply));
  for (const [path, action] of Object.entries(ACTIONS))
    server.post(path, (request, reply) => action(app, request, reply));
}
