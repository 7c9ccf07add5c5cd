/**
 * `npm run chaos`: a stack that is broken at random; with `--outages` each service taken away in turn; with `--lives` a
 * stack that dies in every way in turn and is started again; with `--taken-out` mends of silent losses are taken out;
 * with `--dashboard` a real Prometheus shows what the store says.
 */
const trial =
  ['outages', 'lives', 'taken-out', 'dashboard'].find((name) => process.argv.includes(`--${name}`)) ?? 'chaos';
await import(`./${trial}.ts`);
