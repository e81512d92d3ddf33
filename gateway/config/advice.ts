/** Judges a configuration that is valid by itself: what cannot work, each with its cure. */

import { isLoopback, parseNetwork } from './formats.ts';
import { type ConfigProblem, error, joinPath, quote, warning } from './problem.ts';
import { modelRefPaths } from './references.ts';
import type { Config } from './schema.ts';
import { agentIds, listenAddress, modelChain, remoteProxies, splitModelRef } from './settings.ts';
import { placeOf, type TreeNode, type TreePath, textAt } from './tree.ts';
import type { Advice } from './vocabulary.ts';

/** Warnings about combinations that load and cannot work; an error where trust would be ambiguous. */
export function judgeConfig(config: Config, tree: TreeNode): readonly ConfigProblem[] {
  const warn = (path: TreePath, advice: Advice) =>
    warning(placeOf(tree, path), path.reduce<string>(joinPath, ''), advice);
  return [
    ...headerClashes(config, tree),
    ...proxyWarnings(config).map(([path, advice]) => warn(path, advice)),
    ...reachWarnings(config).map(([path, advice]) => warn(path, advice)),
    ...modelWarnings(config, tree).map(([path, advice]) => warn(path, advice)),
  ];
}

type Finding = readonly [path: TreePath, advice: Advice];

const TRUSTED_PROXY = ['gateway', 'auth', 'trustedProxy'];
const TRUSTED_PROXIES = ['gateway', 'trustedProxies'];

/** One header cannot say two things: a user could then choose an instance's name as his own. */
function headerClashes(config: Config, tree: TreeNode): readonly ConfigProblem[] {
  const { userHeader, instanceHeader, sessionKeyHeader, secret } = config.gateway.auth.trustedProxy;
  const headers: readonly (readonly [key: TreePath, name: string])[] = [
    [['userHeader'], userHeader],
    [['instanceHeader'], instanceHeader],
    [['sessionKeyHeader'], sessionKeyHeader],
    ...(secret ? [[['secret', 'header'], secret.header] as const] : []),
  ];
  const seen = new Map<string, TreePath>();
  const problems: ConfigProblem[] = [];
  for (const [key, name] of headers) {
    const other = seen.get(name.toLowerCase());
    seen.set(name.toLowerCase(), key);
    if (!other) continue;
    const path = [...TRUSTED_PROXY, ...key];
    problems.push(
      error(placeOf(tree, path), path.reduce<string>(joinPath, ''), {
        message: `${quote(name)} is the header of ${other.join('.')} too`,
        cure: 'give each of them a header of its own',
      }),
    );
  }
  return problems;
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
  const { host } = listenAddress(config);
  const address = parseNetwork(host);
  const remote = remoteProxies(gateway.trustedProxies);
  if (
    address &&
    isLoopback(address) &&
    remote.length > 0 &&
    remote.length === gateway.trustedProxies.length
  ) {
    findings.push([
      ['gateway', 'bind'],
      {
        message:
          'the gateway listens on loopback only, and every trusted proxy is on another machine',
        cure: 'remove the key or write "lan", or trust a proxy on this machine',
      },
    ]);
  }
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
