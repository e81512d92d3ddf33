/** A handshake, tried until it works: some processes open their port before they serve. */

import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../clock.ts';
import { type Client, type ClientKind, openClient } from './client.ts';

export interface GreetArgs {
  port: number;
  kind?: ClientKind;
}

const PATIENCE_MS = 60_000;
const PAUSE_MS = 20;

export async function greet(args: GreetArgs): Promise<object> {
  const untilMs = now() + PATIENCE_MS;
  let client: Client | undefined;
  while (!client) {
    client = await openClient(args).catch(async (error: unknown) => {
      if (now() > untilMs) throw error;
      await sleep(PAUSE_MS);
      return undefined;
    });
  }
  client.close();
  return {};
}
