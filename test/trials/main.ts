/** `npm run chaos`: a stack that is broken at random, or with `--outages` each service taken away in turn. */
await import(process.argv.includes('--outages') ? './outages.ts' : './chaos.ts');
