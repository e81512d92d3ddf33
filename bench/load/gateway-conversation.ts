/** One user with one session, through a gateway or a relay. */

import { randomUUID } from 'node:crypto';
import { now } from '../clock.ts';
import { type Order, toMessage } from '../order.ts';
import { type Frame, openClient } from './client.ts';
import type { Conversation, Reader } from './conversation.ts';

export async function openGatewayConversation(
  port: number,
  userId: string = randomUUID(),
): Promise<Conversation> {
  const sessionKey = 'bench';
  let reader: Reader | undefined;
  let ended = Promise.withResolvers<void>();

  const onEvent = ({ event, payload }: Frame) => {
    if (event !== 'chat') return;
    // Taken before anything else is done with the frame but after it was parsed, as a page would.
    const at = now();
    switch (payload.state) {
      case 'delta':
        return reader?.text(payload.deltaText ?? '', at);
      case 'final':
      case 'aborted':
        return ended.resolve();
      case 'error':
        return ended.reject(new Error(payload.errorMessage ?? 'the run failed'));
      case undefined:
      default:
    }
  };
  const client = await openClient({
    port,
    userId,
    onEvent,
    onLost: (error) => ended.reject(error),
  });

  return {
    async ask(order: Order, next: Reader) {
      reader = next;
      ended = Promise.withResolvers();
      const over = ended.promise;
      await Promise.all([
        client
          .request('chat.send', {
            sessionKey,
            message: toMessage(order),
            idempotencyKey: randomUUID(),
          })
          .then(() => next.acknowledged?.(now())),
        over,
      ]);
    },
    stop() {
      client.request('chat.abort', { sessionKey }).catch((error: unknown) => ended.reject(error));
    },
    close: client.close,
  };
}
