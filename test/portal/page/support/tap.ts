/** Stands between a page and the gateway, so that a test decides what arrives and when. */

import type { Page, WebSocketRoute } from 'playwright-core';

export interface Frame {
  readonly type?: string;
  readonly id?: string;
  readonly method?: string | undefined;
  readonly params?: { readonly sessionKey?: string };
}

/** Lets a test look at each request before the gateway does; true: the gateway does not get it. */
export async function tap(
  page: Page,
  onRequest: (frame: Frame, toPage: (reply: object) => void) => boolean,
  onReply: (frame: Frame, send: () => void) => void,
): Promise<void> {
  await page.routeWebSocket(/oc-ws/, (socket: WebSocketRoute) => {
    const server = socket.connectToServer();
    const asked = new Map<string, Frame>();
    socket.onMessage((data) => {
      const frame: Frame = JSON.parse(String(data));
      asked.set(frame.id ?? '', frame);
      if (!onRequest(frame, (reply) => socket.send(JSON.stringify(reply)))) server.send(data);
    });
    server.onMessage((data) => {
      const frame: Frame = JSON.parse(String(data));
      const request = frame.type === 'res' ? asked.get(frame.id ?? '') : undefined;
      onReply({ ...request, method: request?.method }, () => socket.send(data));
    });
  });
}
