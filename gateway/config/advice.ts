/** Judges a configuration that is valid by itself: what cannot work, each with its cure. */

import { isIPv6, isLoopback, type Network, parseNetwork } from './formats.ts';
import { type ConfigProblem, error, joinPath, quote, warning } from './problem.ts';
import { modelRefPaths } from './references.ts';
import type { Config } from './schema.ts';
import {
  adminPortClash,
  agentIds,
  listenAddress,
  modelChain,
  remoteProxies,
  splitModelRef,
} from './settings.ts';
import { placeOf, type TreeNode, type TreePath, textAt } from './tree.ts';
import type { Advice } from './vocabulary.ts';

/** Warnings about combinations that load and cannot work; an error where trust would be ambiguous. */
export function judgeConfig(config: Config, tree: TreeNode): readonly ConfigProblem[] {
  const warn = (path: TreePath, advice: Advice) =>
    warning(placeOf(tree, path), path.reduce<string>(joinPath, ''), advice);
  return [
    ...headerErrors(config, tree),
    ...adminErrors(config, tree),
    ...proxyWarnings(config).map(([path, advice]) => warn(path, advice)),
    ...reachWarnings(config).map(([path, advice]) => warn(path, advice)),
    ...modelWarnings(config, tree).map(([path, advice]) => warn(path, advice)),
  ];
}

type Finding = readonly [path: TreePath, advice: Advice];

const TRUSTED_PROXY = ['gateway', 'auth', 'trustedProxy'];
const TRUSTED_PROXIES = ['gateway', 'trustedProxies'];

/** Headers that browsers or proxies set by themselves: who connects would choose who he is. */
const TAKEN_HEADERS = new Set([
  'host',
  'origin',
  'connection',
  'upgrade',
  'cookie',
  'user-agent',
  'referer',
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
  'x-request-id',
]);

/** One header cannot say two things: a user could then choose an instance's name as his own. */
function headerErrors(config: Config, tree: TreeNode): readonly ConfigProblem[] {
  const { userHeader, instanceHeader, sessionKeyHeader, secret } = config.gateway.auth.trustedProxy;
  const headers: readonly (readonly [key: TreePath, name: string])[] = [
    [['userHeader'], userHeader],
    [['instanceHeader'], instanceHeader],
    [['sessionKeyHeader'], sessionKeyHeader],
    ...(secret ? [[['secret', 'header'], secret.header] as const] : []),
  ];
  const seen = new Map<string, TreePath>();
  return headers.flatMap(([key, given]) => {
    const name = given.toLowerCase();
    const other = seen.get(name);
    seen.set(name, key);
    const advice = other ? usedTwice(given, other) : takenHeader(given, name);
    const path = [...TRUSTED_PROXY, ...key];
    return advice ? [error(placeOf(tree, path), path.reduce<string>(joinPath, ''), advice)] : [];
  });
}

function usedTwice(name: string, other: TreePath): Advice {
  return {
    message: `${quote(name)} is the header of ${other.join('.')} too`,
    cure: 'give each of them a header of its own',
  };
}

function takenHeader(given: string, name: string): Advice | undefined {
  if (!TAKEN_HEADERS.has(name) && !name.startsWith('sec-')) return undefined;
  return {
    message: `${quote(given)} is a header that browsers and proxies set by themselves`,
    cure: 'choose a name that nobody but your proxy uses, such as "X-User-ID"',
  };
}

/** Characters of a token that other machines may try to guess. */
const MIN_OPEN_TOKEN = 32;

function adminErrors(config: Config, tree: TreeNode): readonly ConfigProblem[] {
  const clash = adminPortClash(config, config.gateway.port);
  const findings = [
    ...(clash ? [['port', clash] as const] : []),
    ...openTokens(config.gateway.admin),
  ];
  return findings.map(([name, advice]) => {
    const path = ['gateway', 'admin', name];
    return error(placeOf(tree, path), path.reduce<string>(joinPath, ''), advice);
  });
}

function openTokens(admin: Config['gateway']['admin']): (readonly [name: string, Advice])[] {
  const address = admin && parseNetwork(admin.host);
  if (!admin || !address || isLoopback(address)) return [];
  const names = ['token', 'operatorToken'] as const;
  return names
    .filter((name) => (admin[name]?.length ?? MIN_OPEN_TOKEN) < MIN_OPEN_TOKEN)
    .map((name) => [
      name,
      {
        message: `it is shorter than ${MIN_OPEN_TOKEN} characters, and other machines reach the listener`,
        cure: 'make one with `openssl rand -hex 32`, or remove gateway.admin.host',
      },
    ]);
}

function proxyWarnings({ gateway }: Config): readonly Finding[] {
  const { trustedProxies, auth } = gateway;
  if (trustedProxies.length === 0) {
    return [
      [
        TRUSTED_PROXIES,
        {
          message: 'no proxy is trusted, so that nobody can connect',
          cure: 'list the address of the proxy that authenticates users',
        },
      ],
    ];
  }
  return trustedProxies.flatMap((text, index): readonly Finding[] => {
    const network = parseNetwork(text);
    if (!network) return [];
    const path = [...TRUSTED_PROXIES, index];
    if (network.prefix === 0) {
      return [
        [
          path,
          {
            message:
              'every address is trusted, so that anyone who reaches the port can pose as any user',
            cure: 'list the addresses of the proxies only',
          },
        ],
      ];
    }
    if (!isLoopback(network) || auth.trustedProxy.allowLoopback) return [];
    return [
      [
        path,
        {
          message:
            'a proxy on this machine is trusted, and gateway.auth.trustedProxy.allowLoopback is false, so that it is refused',
          cure: 'set allowLoopback to true, or remove the address',
        },
      ],
    ];
  });
}

function reachWarnings(config: Config): readonly Finding[] {
  const { gateway, agents } = config;
  const findings: Finding[] = [];
  findings.push(...unreachable(config));
  if (gateway.customBindHost !== undefined && gateway.bind !== 'custom') {
    findings.push([
      ['gateway', 'customBindHost'],
      {
        message: 'it has no effect unless gateway.bind is "custom"',
        cure: 'set bind, or remove it',
      },
    ]);
  }
  if (gateway.controlUi.allowedOrigins.length === 0) {
    findings.push([
      ['gateway', 'controlUi', 'allowedOrigins'],
      {
        message: 'no origin is allowed, so that no web page can connect',
        cure: 'list the origin of the chat page, such as "https://chat.example.com"',
      },
    ]);
  }
  if (gateway.instances && Object.keys(gateway.instances).length === 0) {
    findings.push([
      ['gateway', 'instances'],
      {
        message: 'instances are declared and there is none, so that everyone is refused',
        cure: 'list them, or remove the key to serve every instance',
      },
    ]);
  }
  // Base64 makes four bytes of three.
  const attachmentBytes = (agents.defaults.mediaMaxMb * 1024 * 1024 * 4) / 3;
  if (attachmentBytes > gateway.limits.maxPayloadBytes) {
    findings.push([
      ['agents', 'defaults', 'mediaMaxMb'],
      {
        message: `an attachment of that size does not fit into a frame of ${gateway.limits.maxPayloadBytes} bytes`,
        cure: `set gateway.limits.maxPayloadBytes to at least ${Math.ceil(attachmentBytes) + 65_536}`,
      },
    ]);
  }
  return findings;
}

/** Proxies whose connections cannot arrive at the address that is listened on. */
function unreachable(config: Config): readonly Finding[] {
  const { trustedProxies, auth } = config.gateway;
  const { host } = listenAddress(config);
  const address = parseNetwork(host);
  if (!address) return [];
  const remote = remoteProxies(trustedProxies);
  if (isLoopback(address) && remote.length > 0 && remote.length === trustedProxies.length) {
    const message =
      'the gateway listens on loopback only, and every trusted proxy is on another machine';
    const cure = 'remove the key or write "lan", or trust a proxy on this machine';
    return [[['gateway', 'bind'], { message, cure }]];
  }
  return trustedProxies.flatMap((text, index): readonly Finding[] => {
    const proxy = parseNetwork(text);
    // Of these two there is a warning already.
    if (!proxy || proxy.prefix === 0) return [];
    if (isLoopback(proxy) && !auth.trustedProxy.allowLoopback) return [];
    if (canReach(host, address, proxy)) return [];
    // Both loopback addresses are this machine: one of them is enough.
    const same = trustedProxies.map(parseNetwork).filter((each) => each && isLoopback(each));
    if (isLoopback(proxy) && same.some((each) => each && canReach(host, address, each))) return [];
    const message = `the gateway listens on ${host}, where no connection from ${quote(text)} can arrive`;
    return [[[...TRUSTED_PROXIES, index], { message, cure: reachCure(host, address, proxy) }]];
  });
}

function canReach(host: string, listened: Network, proxy: Network): boolean {
  if (host === '::') return true;
  if (isIPv6(listened) !== isIPv6(proxy)) return false;
  // Who connects from this machine to one of its other addresses comes from that address.
  return host === '0.0.0.0' || isLoopback(listened) === isLoopback(proxy);
}

function reachCure(host: string, listened: Network, proxy: Network): string {
  if (isLoopback(proxy) && !isLoopback(listened) && host !== '0.0.0.0') {
    return `for a proxy on this machine that connects to ${host}, list "${host}"`;
  }
  if (isLoopback(proxy)) {
    const other = isIPv6(proxy) ? '127.0.0.1' : '::1';
    return `let the proxy connect to ${other} and list "${other}", or remove the address`;
  }
  return 'change gateway.bind, or remove the address';
}

function modelWarnings(config: Config, tree: TreeNode): readonly Finding[] {
  const bare = agentIds(config).filter((id) => modelChain(config, id).length === 0);
  const findings: Finding[] = [];
  if (bare.length > 0) {
    findings.push([
      ['agents', 'defaults', 'model'],
      {
        message: `no model is configured for ${bare.map((id) => `the agent ${quote(id)}`).join(', ')}: users connect and get an error instead of an answer`,
        cure: 'set agents.defaults.model to "provider/model"',
      },
    ]);
  }
  for (const path of modelRefPaths(tree)) {
    const ref = textAt(tree, path);
    if (ref === undefined) continue;
    const { provider, model } = splitModelRef(ref);
    const listed = config.models.providers[provider]?.models ?? [];
    if (listed.length === 0 || listed.some(({ id }) => id === model)) continue;
    findings.push([
      path,
      {
        message: `models.providers.${provider}.models does not list ${quote(model)}, so that its abilities are guessed: text and images, a window of 128000 tokens`,
        cure: 'add it there, or correct the name',
      },
    ]);
  }
  return findings;
}
