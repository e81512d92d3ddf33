/** One user who asks for pages, one at a time. */

import { now } from '../clock.ts';
import { type Summary, summarise } from '../statistics.ts';
import { openClient } from './client.ts';

export interface RequestsArgs {
  port: number;
  userId: string;
  method: string;
  /** Used in turn. */
  params: object[];
  warmUp: number;
  count: number;
}

export async function requests(args: RequestsArgs): Promise<Summary> {
  const client = await openClient({ port: args.port, userId: args.userId });
  const times: number[] = [];
  for (let index = 0; index < args.warmUp + args.count; index += 1) {
    const sentAt = now();
    await client.request(args.method, args.params[index % args.params.length] ?? {});
    if (index >= args.warmUp) times.push(now() - sentAt);
  }
  client.close();
  return summarise(times);
}
