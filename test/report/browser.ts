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
  const paths = [
    process.env['CHROME_BIN'] ?? '',
    ...(process.env['PATH'] ?? '').split(delimiter).flatMap((dir) => NAMES.map((name) => join(dir, name))),
  ];
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
  /** Opens a file or an http address; resolves when the page has loaded and its script has run. */
  open(page: string, view: View): Promise<void>;
  /**
   * Errors, policy violations, exceptions, failed requests and requests to anywhere but files or the server of the
   * page, since the last open.
   */
  readonly complaints: string[];
  evaluate(expression: string): Promise<unknown>;
  /** A key as a person presses it: moves the focus, follows links. */
  press(
    key:
      | 'Tab'
      | 'Enter'
      | 'Escape'
      | 'ArrowLeft'
      | 'ArrowRight'
      | 'ArrowUp'
      | 'ArrowDown'
      | 'Home'
      | 'End'
      | 'n'
      | 'p'
      | '/',
    shift?: boolean,
  ): Promise<void>;
  /** @param whole the whole page, not only what is in view */
  screenshot(file: string, whole?: boolean): Promise<void>;
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
    readonly response?: { readonly url: string; readonly status: number };
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
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-dev-shm-usage',
      '--hide-scrollbars',
      `--user-data-dir=${profile}`,
      '--remote-debugging-port=0',
      'about:blank',
    ],
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
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
    type: string;
    webSocketDebuggerUrl: string;
  }[];
  const socket = new WebSocket(targets.find((target) => target.type === 'page')!.webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true });
    socket.addEventListener('error', reject, { once: true });
  });
  const waiting = new Map<number, (message: Message) => void>();
  const complaints: string[] = [];
  let next = 0;
  let server = 'file:';
  socket.addEventListener('message', (event) => {
    const message = JSON.parse(String(event.data)) as Message;
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    const { exceptionDetails, entry, args, request, response } = message.params ?? {};
    if (message.method === 'Runtime.exceptionThrown') complaints.push(JSON.stringify(exceptionDetails));
    else if (message.method === 'Log.entryAdded') complaints.push(`${entry?.level}: ${entry?.text}`);
    else if (message.method === 'Runtime.consoleAPICalled') complaints.push(`console: ${JSON.stringify(args)}`);
    else if (
      message.method === 'Network.requestWillBeSent' &&
      !request?.url.startsWith(server) &&
      !/^(data|about):/.test(request?.url ?? '')
    )
      complaints.push(`request: ${request?.url}`);
    else if (message.method === 'Network.responseReceived' && (response?.status ?? 0) >= 400)
      complaints.push(`answer ${response?.status}: ${response?.url}`);
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
    const { result, exceptionDetails } = await send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result?.value;
  };
  return {
    complaints,
    evaluate,
    async open(page, { width, height, dark = false, print = false }) {
      await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
      await send('Emulation.setEmulatedMedia', {
        media: print ? 'print' : '',
        features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }],
      });
      await send('Page.navigate', { url: 'about:blank' });
      complaints.length = 0;
      const url = new URL(page, 'file:///');
      server = url.protocol === 'file:' ? 'file:' : `${url.origin}/`;
      await send('Page.navigate', { url: url.href });
      // Two frames later, charts in view have been drawn.
      for (
        let tries = 0;
        (await evaluate(`document.readyState === 'complete' && location.protocol === '${url.protocol}'`)) !== true;
        tries++
      ) {
        if (tries > 500) throw new Error(`${page} did not load: ${complaints.join('; ')}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await evaluate(
        'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))',
      );
    },
    async press(key, shift = false) {
      const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined;
      const code = {
        Tab: 9,
        Enter: 13,
        Escape: 27,
        End: 35,
        Home: 36,
        ArrowLeft: 37,
        ArrowUp: 38,
        ArrowRight: 39,
        ArrowDown: 40,
        n: 78,
        p: 80,
        '/': 191,
      }[key];
      const event = { key, code: key, windowsVirtualKeyCode: code, modifiers: shift ? 8 : 0 };
      await send('Input.dispatchKeyEvent', {
        type: text === undefined ? 'rawKeyDown' : 'keyDown',
        ...event,
        ...(text === undefined ? {} : { text }),
      });
      await send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
    },
    async screenshot(file, whole = false) {
      const { data } = await send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: whole });
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
