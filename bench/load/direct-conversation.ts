/** A client that talks to the upstream itself: what a gateway's times are compared to. */

import { Agent } from 'node:http';
import { now } from '../clock.ts';
import { toMessage } from '../order.ts';
import { type Completion, postCompletion } from '../sse.ts';
import type { Conversation } from './conversation.ts';

/** One pool for all: a connection that an answer has left is used again, as the gateway does. */
const agent = new Agent({ keepAlive: true });

export function openDirectConversation(port: number): Conversation {
  let current: Completion | undefined;
  return {
    ask(order, reader) {
      current = postCompletion({
        port,
        agent,
        message: toMessage(order),
        onText: (text) => reader.text(text, now()),
      });
      return current.done;
    },
    stop: () => current?.stop(),
    close: () => current?.stop(),
  };
}
