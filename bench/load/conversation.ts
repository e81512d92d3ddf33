/** Whatever answers: a gateway, a relay, or the upstream itself. */

import type { Order } from '../order.ts';
import { openDirectConversation } from './direct-conversation.ts';
import { openGatewayConversation } from './gateway-conversation.ts';

/** Times in milliseconds of `now()`. */
export interface Reader {
  /** The send is acknowledged. A direct conversation has no such thing. */
  acknowledged?(at: number): void;
  /** New text of the answer. */
  text(text: string, at: number): void;
}

export interface Conversation {
  /** Resolves when the answer has ended, by itself or by `stop`; rejects if it fails. One at a time. */
  ask(order: Order, reader: Reader): Promise<void>;
  /** Ends the answer under way. */
  stop(): void;
  close(): void;
}

export interface Target {
  /** `socket` speaks the gateway's protocol, `direct` the upstream's. */
  kind: 'socket' | 'direct';
  port: number;
}

/** Of a user of its own, or of this one. */
export function openConversation(target: Target, userId?: string): Promise<Conversation> {
  return target.kind === 'socket'
    ? openGatewayConversation(target.port, userId)
    : Promise.resolve(openDirectConversation(target.port));
}
