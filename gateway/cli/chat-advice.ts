/** What `chat` tells its user to type next: with the flags that were given, or it would be about another gateway. */

export interface ChatFlags {
  config?: string;
  port?: string;
  /** `npm start` has a port for the page and one for the gateway: `port` by the second's name. */
  'gateway-port'?: string;
  url?: string;
  user?: string;
  instance?: string;
  session?: string;
}

/** The command that prints what is wrong with the configuration. */
export function howToCheck({ config }: ChatFlags): string {
  return command('config check', { config });
}

/** The rest of a sentence that says that nothing listens. */
export function howToListen(flags: ChatFlags): string {
  if (flags.url !== undefined) return 'start the gateway there or name another address with --url';
  return `start the gateway with "${howToStart(flags)}" or name its port with --port`;
}

function howToStart(flags: ChatFlags): string {
  const { config, port, 'gateway-port': gatewayPort } = flags;
  // The whole chain has settings of its own and takes no others.
  if (inCheckout && config === undefined && port === undefined) {
    return ['npm start', ...named({ 'gateway-port': gatewayPort }, '--')].join(' ');
  }
  return command('serve', { config, port: gatewayPort ?? port });
}

/** From a checkout, what is installed as a program is an npm script. */
const inCheckout = import.meta.url.endsWith('.ts');

type Given = Readonly<Record<string, string | undefined>>;

function command(words: string, given: Given): string {
  return [inCheckout ? 'npm run gateway --' : 'oc-gateway', words, ...named(given)].join(' ');
}

/** The flags that were given, behind `before` if there are any. */
function named(given: Given, ...before: readonly string[]): string[] {
  const flags = Object.entries(given).flatMap(([flag, value]) =>
    value === undefined ? [] : [`--${flag} ${shellWord(value)}`],
  );
  return flags.length === 0 ? [] : [...before, ...flags];
}

/** As a shell reads it back. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
