/** Takes the address; what fails says which key of portal.json to change. */

import type { FastifyInstance } from 'fastify';
import { cannotListen, listenCode } from '../../deploy/command-line/listen-failure.ts';

const KEYS = { host: 'listen.host', port: 'listen.port' };

export async function listen(
  app: FastifyInstance,
  { host, port }: { host: string; port: number },
): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const code = listenCode(error);
    throw code === undefined ? error : cannotListen({ host, port, keys: KEYS }, code);
  }
}
