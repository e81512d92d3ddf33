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
  /** Each answer must have so many of them: what is empty is fast. */
  holds?: { list: 'messages' | 'sessions'; count: number };
  warmUp: number;
  count: number;
}

export async function requests(args: RequestsArgs): Promise<Summary> {
  const client = await openClient({ port: args.port, userId: args.userId });
  const times: number[] = [];
  for (let index = 0; index < args.warmUp + args.count; index += 1) {
    const sentAt = now();
    const params = args.params[index % args.params.length] ?? {};
    const { payload } = await client.request(args.method, params);
    if (index >= args.warmUp) times.push(now() - sentAt);
    const found = args.holds && (payload[args.holds.list]?.length ?? 0);
    if (found !== args.holds?.count) {
      throw new Error(`${args.method} ${JSON.stringify(params)} has ${found} ${args.holds?.list}`);
    }
  }
  client.close();
  return summarise(times);
}
