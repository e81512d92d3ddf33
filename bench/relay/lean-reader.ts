/** node:http and the least parsing that works: about what this machine can do in JavaScript. */

import { Agent } from 'node:http';
import { postCompletion } from '../sse.ts';
import type { Read } from './reader.ts';

export function readLean(port: number): Read {
  const agent = new Agent({ keepAlive: true });
  return async (message, signal, onText) => {
    const { done } = postCompletion({ port, agent, message, signal, onText });
    await done;
  };
}
