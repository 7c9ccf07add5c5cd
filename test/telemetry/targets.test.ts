/** Where telemetry goes, which batches are traced, how many spans an activity may make; and that off means off. */
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fromTraceparent, spanIdOf, startSpanIdOf, toTraceparent, traceIdOf } from '../../domain/trace.ts';
import { codeFile } from '../../paths.ts';
import { isSampled, MOST_SPANS, traced, withBudget } from '../../telemetry/spans.ts';
import { telemetryTargets } from '../../telemetry/telemetry.ts';
import { cleanEnv } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('telemetry-off');

test.each([
  [{}, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: 'true' }, undefined],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' },
    { otlpTraces: true, otlpMetrics: true, applicationInsights: undefined, ratio: 1 },
  ],
  [
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    },
    { otlpTraces: true, otlpMetrics: false, ratio: 0.25 },
  ],
  [
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318/v1/traces', OTEL_TRACES_SAMPLER: 'always_off' },
    { otlpTraces: true, otlpMetrics: false, ratio: 0 },
  ],
  [
    { APPLICATIONINSIGHTS_CONNECTION_STRING: 'InstrumentationKey=x' },
    { otlpTraces: false, otlpMetrics: false, applicationInsights: 'InstrumentationKey=x' },
  ],
])('%j', (env, targets) => {
  if (targets === undefined) expect(telemetryTargets(env)).toBeUndefined();
  else expect(telemetryTargets(env)).toMatchObject(targets);
});

test('without a target no part of OpenTelemetry is loaded', async () => {
  const file = join(dir, 'off.ts');
  writeFileSync(
    file,
    `
    import { registerHooks } from 'node:module';
    const seen = new Set();
    registerHooks({ resolve(specifier, context, next) { seen.add(specifier); return next(specifier, context); } });
    const { startTelemetry } = await import(${JSON.stringify(codeFile('telemetry/telemetry'))});
    const { createLog } = await import(${JSON.stringify(codeFile('logging/log'))});
    const off = await startTelemetry('control', {}, createLog({ logLevel: 'silent' }, 'x'));
    console.log(JSON.stringify({ off: off === undefined, loaded: [...seen].filter((name) => /opentelemetry|core-tracing/.test(name)), all: seen.size }));
  `,
  );
  const { stdout } = await promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
    env: cleanEnv(),
  });
  expect(JSON.parse(stdout)).toEqual({ off: true, loaded: [], all: expect.any(Number) });
});

test('ids of a trace come from the run id, and read back', () => {
  const runId = '01a21b3b-7164-7be3-b421-5c4047b85ea9';
  const own = { traceId: traceIdOf(runId), spanId: spanIdOf(runId) };
  expect(own).toEqual({ traceId: '01a21b3b71647be3b4215c4047b85ea9', spanId: 'b4215c4047b85ea9' });
  expect(startSpanIdOf(runId)).not.toBe(own.spanId);
  expect(fromTraceparent(toTraceparent(own))).toEqual(own);
  for (const text of [undefined, 7, '', 'x', `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`])
    expect(fromTraceparent(text)).toBeUndefined();
});

test('a share of the batches is traced, the same ones everywhere', () => {
  const ids = Array.from({ length: 2_000 }, (_, i) =>
    ((BigInt(i + 1) * 0x9e3779b97f4a7c15f39cc0605cedc835n) % 2n ** 128n).toString(16).padStart(32, '0'),
  );
  const [one, other] = [isSampled(0.1), isSampled(0.1)];
  const kept = ids.filter(one);
  expect(kept).toEqual(ids.filter(other));
  expect(kept.length).toBeGreaterThan(100);
  expect(kept.length).toBeLessThan(320);
  expect(ids.filter(isSampled(0))).toEqual([]);
  expect(ids.filter(isSampled(1))).toEqual(ids);
});

test('calls are spans below an activity, a few hundred at the most, and none without one', async () => {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const tracer = provider.getTracer('test');
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const target = traced(
    tracer,
    {
      engine: 'sqlite',
      calls: 0,
      async add(n: number) {
        this.calls += n;
        return n;
      },
      async fail() {
        throw new Error('no');
      },
    },
    { prefix: 'sql', remote: true },
  );
  expect(await target.add(1)).toBe(1);
  expect(exporter.getFinishedSpans()).toEqual([]);
  const activity = tracer.startSpan('activity', {}, ROOT_CONTEXT);
  const { context: inside, budget } = withBudget(trace.setSpan(ROOT_CONTEXT, activity));
  await context.with(inside, async () => {
    await expect(target.fail()).rejects.toThrow('no');
    for (let i = 0; i < MOST_SPANS + 5; i++) await target.add(1);
  });
  const spans = exporter.getFinishedSpans();
  expect([spans.length, budget.refused, target.calls]).toEqual([MOST_SPANS, 6, MOST_SPANS + 6]);
  expect(spans[0]).toMatchObject({
    name: 'sql fail',
    status: { message: 'no' },
    attributes: { 'db.operation.name': 'fail', 'fleetscore.reason': 'no' },
    parentSpanContext: { spanId: activity.spanContext().spanId },
  });
});
