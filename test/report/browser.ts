/**
 * A headless Chromium, driven over its debugging protocol, for tests that look at pages. It runs without a
 * sandbox on files that the tests wrote themselves, offline, with a profile that is deleted afterwards.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Path of a Chromium on this machine, or undefined. */
export function findChromium(): string | undefined {
  const paths = [process.env['CHROME_BIN'] ?? '', ...(process.env['PATH'] ?? '').split(delimiter).flatMap((dir) => NAMES.map((name) => join(dir, name)))];
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return path !== '';
    } catch {
      return false;
    }
  });
}

export interface View {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
  readonly print?: boolean;
}

export interface Browser {
  /** Opens a file; resolves when the page says it is ready. Returns what it complained about since. */
  open(file: string, view: View): Promise<void>;
  /** Errors, policy violations, exceptions and requests to anywhere but the file, since the last open. */
  readonly complaints: string[];
  evaluate(expression: string): Promise<unknown>;
  screenshot(file: string): Promise<void>;
  close(): Promise<void>;
}

/** What the protocol sends, as far as it is read here. */
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: {
    readonly exceptionDetails?: object;
    readonly entry?: { readonly level: string; readonly text: string };
    readonly args?: readonly object[];
    readonly request?: { readonly url: string };
  };
  readonly result?: Answer;
  readonly error?: { readonly message: string };
}

interface Answer {
  readonly result?: { readonly value?: unknown };
  readonly exceptionDetails?: object;
  /** Base64 */
  readonly data?: string;
}

export async function startBrowser(executable: string): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'fleetscore-chromium-'));
  const child = spawn(
    executable,
    ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--disable-dev-shm-usage', '--hide-scrollbars', `--user-data-dir=${profile}`, '--remote-debugging-port=0', 'about:blank'],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const port = await new Promise<string>((resolve, reject) => {
    let seen = '';
    child.stderr.on('data', (data: Buffer) => {
      seen += data.toString();
      const match = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(seen);
      if (match) resolve(match[1]!);
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`chromium ended at once: ${seen}`)));
  });
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as { type: string; webSocketDebuggerUrl: string }[];
  const socket = new WebSocket(targets.find((target) => target.type === 'page')!.webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true });
    socket.addEventListener('error', reject, { once: true });
  });
  const waiting = new Map<number, (message: Message) => void>();
  const complaints: string[] = [];
  let next = 0;
  socket.addEventListener('message', (event) => {
    const message = JSON.parse(String(event.data)) as Message;
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    const { exceptionDetails, entry, args, request } = message.params ?? {};
    if (message.method === 'Runtime.exceptionThrown') complaints.push(JSON.stringify(exceptionDetails));
    else if (message.method === 'Log.entryAdded') complaints.push(`${entry?.level}: ${entry?.text}`);
    else if (message.method === 'Runtime.consoleAPICalled') complaints.push(`console: ${JSON.stringify(args)}`);
    else if (message.method === 'Network.requestWillBeSent' && !/^(file|data):/.test(request?.url ?? ''))
      complaints.push(`request: ${request?.url}`);
  });
  const send = (method: string, params: object = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const id = ++next;
      waiting.set(id, (message) => {
        waiting.delete(id);
        if (message.error) reject(new Error(`${method}: ${message.error.message}`));
        else resolve(message.result ?? {});
      });
      socket.send(JSON.stringify({ id, method, params }));
    });
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await send(`${domain}.enable`);
  const evaluate = async (expression: string): Promise<unknown> => {
    const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result?.value;
  };
  return {
    complaints,
    evaluate,
    async open(file, { width, height, dark = false, print = false }) {
      await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
      await send('Emulation.setEmulatedMedia', {
        media: print ? 'print' : '',
        features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }],
      });
      await send('Page.navigate', { url: 'about:blank' });
      complaints.length = 0;
      await send('Page.navigate', { url: `file://${file}` });
      // Two frames later, charts in view have been drawn.
      for (let tries = 0; (await evaluate(`document.readyState === 'complete' && location.protocol === 'file:'`)) !== true; tries++) {
        if (tries > 500) throw new Error(`${file} did not load: ${complaints.join('; ')}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))');
    },
    async screenshot(file) {
      const { data } = await send('Page.captureScreenshot', { format: 'png' });
      writeFileSync(file, Buffer.from(data ?? '', 'base64'));
    },
    async close() {
      socket.close();
      // The browser is a group of processes of its own.
      process.kill(-child.pid!, 'SIGTERM');
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}
