/** Resolves at the first Ctrl-C or SIGTERM; a second Ctrl-C does not wait for anything. */
export function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (asked && signal === 'SIGINT') process.exit(130);
        asked = true;
        resolve();
      });
  });
}

/** Aborted when {@link untilInterrupted} resolves. */
export function interruption(): AbortSignal {
  const stop = new AbortController();
  void untilInterrupted().then(() => stop.abort());
  return stop.signal;
}

/** Resolves when a signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
