/** `oc-refusals`: the refusal service as a process. Prints one JSON line when it listens; ends on SIGTERM or SIGINT. */

import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import manifest from '../../package.json' with { type: 'json' };
import { cannotListen, listenCode } from '../command-line/listen-failure.ts';
import { startRefusals } from './refusals.ts';

const DEFAULT_LISTEN = '127.0.0.1:18801';

const HELP = `oc-refusals ${manifest.version} — tells a page why the proxy refused its socket

Usage:
  oc-refusals [--listen IP:PORT]     default ${DEFAULT_LISTEN}; port 0 picks a free one
  oc-refusals --version | --help

Reachable by the proxy only. It reads X-Reject-Status and X-Reject-Reason, takes the upgrade and closes it.
`;

/** Exit codes: 0 done, 1 it failed, 2 the command line is wrong. */
async function main(args: string[]): Promise<number> {
  const flags = parse(args);
  if ('problem' in flags) {
    process.stderr.write(`oc-refusals: ${flags.problem}\nTry: oc-refusals --help\n`);
    return 2;
  }
  if (flags.help || flags.version) {
    process.stdout.write(flags.help ? HELP : `${manifest.version}\n`);
    return 0;
  }
  const { host, port } = flags;
  // It reloads the gateway and nginx; here there is nothing to load, and not to listen would be the end.
  process.on('SIGHUP', () => {});
  const stopped = new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  try {
    const service = await startRefusals({ host, port });
    print({ event: 'listening', host: service.host, port: service.port });
    print({ event: 'stopping', signal: await stopped });
    await service.close();
    return 0;
  } catch (error) {
    const keys = { host: '--listen', port: '--listen' };
    const { message } = cannotListen({ host, port, keys }, listenCode(error));
    process.stderr.write(`oc-refusals: ${message}\n`);
    return 1;
  }
}

type Flags = { host: string; port: number; help: boolean; version: boolean } | { problem: string };

function parse(args: string[]): Flags {
  try {
    const { values } = parseArgs({
      args,
      options: {
        listen: { type: 'string', default: DEFAULT_LISTEN },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
      },
    });
    const { listen, help, version } = values;
    const [, bracketed, plain, digits] =
      /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(listen) ?? [];
    const host = bracketed ?? plain ?? '';
    const port = Number(digits);
    if (isIP(host) !== (bracketed === undefined ? 4 : 6) || port > 65_535) {
      return { problem: '--listen must be IP:PORT or [IPV6]:PORT' };
    }
    return { host, port, help, version };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

function print(line: object): void {
  process.stdout.write(
    `${JSON.stringify({ level: 'info', time: new Date().toISOString(), pid: process.pid, ...line })}\n`,
  );
}

process.exitCode = await main(process.argv.slice(2));
