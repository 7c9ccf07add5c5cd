/**
 * `npm run chaos`: a stack that is broken at random; with `--outages` each service taken away in turn; with `--lives` a
 * stack that dies in every way in turn and is started again.
 */
const trial = ['outages', 'lives'].find((name) => process.argv.includes(`--${name}`)) ?? 'chaos';
await import(`./${trial}.ts`);
