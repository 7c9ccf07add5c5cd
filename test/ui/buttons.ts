/** The web application of a test stack, and its buttons as a browser presses them. */
import { expect } from '@jest/globals';
import { startUi } from '../../ui/server.ts';
import type { TestStack } from '../support/local-stack.ts';

export interface Buttons {
  readonly url: string;
  /**
   * Presses the button of a form of a page; gives what the page that follows says of it.
   * @param meanwhile what others do once the page is there
   */
  press(
    page: string,
    action: string,
    fields?: Record<string, string>,
    meanwhile?: () => Promise<unknown>,
  ): Promise<string>;
  close(): Promise<void>;
}

/** For `ann@desk`. */
export async function openButtons({ context }: Pick<TestStack, 'context'>): Promise<Buttons> {
  const [store, client] = [await context.store(), await context.client()];
  const server = await startUi({
    deps: {
      config: context.config,
      store: async () => store,
      blobs: async () => context.blobs(),
      client: async () => client,
      workflowPage: context.uiLink,
      now: Date.now,
    },
    host: '127.0.0.1',
    port: 0,
    user: 'ann@desk',
  });
  return {
    url: server.url,
    close: () => server.close(),
    async press(page, action, fields = {}, meanwhile = async () => undefined) {
      const form = await (await fetch(server.url + page)).text();
      expect(form).toContain(`action="${action}"`);
      const token = /name="token" value="([0-9a-f]{64})"/.exec(form)![1]!;
      await meanwhile();
      const answer = await fetch(server.url + action, {
        method: 'POST',
        redirect: 'manual',
        headers: { origin: server.url, 'sec-fetch-site': 'same-origin' },
        body: new URLSearchParams({ token, ...fields }),
      });
      expect(answer.status).toBe(303);
      const next = await (await fetch(new URL(answer.headers.get('location')!, server.url))).text();
      return /class="said[^>]*>([^]*?)<\/p>/
        .exec(next)![1]!
        .replace(/<[^>]+>/g, '')
        .trim();
    },
  };
}
