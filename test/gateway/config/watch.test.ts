import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type LoadedConfig, loadConfig } from '../../../gateway/config/load.ts';
import { formatProblem } from '../../../gateway/config/problem.ts';
import { type ReloadOutcome, watchConfig } from '../../../gateway/config/watch.ts';
import { directoryWith } from './files.ts';

const level = (name: string) => JSON.stringify({ logging: { level: name } });

/** A watched configuration; `next()` resolves with the reload after those that were asked for before. */
function watched(initial: LoadedConfig, env = {}) {
  const outcomes: ReloadOutcome[] = [];
  const waiting: ((outcome: ReloadOutcome) => void)[] = [];
  const live = watchConfig({
    initial,
    env,
    intervalMs: 5,
    onReload: (outcome) => {
      const resolve = waiting.shift();
      if (resolve) resolve(outcome);
      else outcomes.push(outcome);
    },
  });
  onTestFinished(() => live.close());
  const next = () =>
    new Promise<ReloadOutcome>((resolve) => {
      const outcome = outcomes.shift();
      if (outcome) resolve(outcome);
      else waiting.push(resolve);
    });
  /** Skips what an edit in several steps may show in between. */
  const nextOf = async <K extends ReloadOutcome['kind']>(kind: K) => {
    for (;;) {
      const outcome = await next();
      if (outcome.kind === kind) return outcome as Extract<ReloadOutcome, { kind: K }>;
    }
  };
  return { live, next, nextOf };
}

function open(directory: string): LoadedConfig {
  const loaded = loadConfig({ path: join(directory, 'openclaw.json'), env: {} });
  if (!loaded.ok) throw new Error('expected a valid configuration');
  return loaded;
}

describe('a running configuration', () => {
  it('applies a good edit, as a whole, and tells its subscribers', async () => {
    const directory = directoryWith({ 'openclaw.json': level('info') });
    const { live, nextOf } = watched(open(directory));
    const heard: string[] = [];
    const end = live.subscribe((config) => heard.push(config.logging.level));
    writeFileSync(join(directory, 'openclaw.json'), level('debug'));
    await nextOf('applied');
    expect(live.current().logging.level).toBe('debug');
    end();
    writeFileSync(join(directory, 'openclaw.json'), level('warn'));
    await nextOf('applied');
    expect(heard).toEqual(['debug']);
  });

  it('keeps the old configuration after a bad edit and says why', async () => {
    const directory = directoryWith({ 'openclaw.json': level('info') });
    const { live, nextOf } = watched(open(directory));
    const before = live.current();
    writeFileSync(join(directory, 'openclaw.json'), level('loud'));
    const { failed } = await nextOf('refused');
    expect(failed.errors.map(formatProblem).join()).toContain(
      'logging.level: "loud" is not one of',
    );
    expect(live.current()).toBe(before);
    writeFileSync(join(directory, 'openclaw.json'), level('debug'));
    await nextOf('applied');
    expect(live.current().logging.level).toBe('debug');
  });

  it('notices an editor that replaces the file', async () => {
    const directory = directoryWith({ 'openclaw.json': level('info') });
    const { live, nextOf } = watched(open(directory));
    for (const name of ['debug', 'warn', 'error']) {
      writeFileSync(join(directory, 'new'), level(name));
      renameSync(join(directory, 'new'), join(directory, 'openclaw.json'));
      await nextOf('applied');
      expect(live.current().logging.level).toBe(name);
    }
  });

  it('notices a link that is switched', async () => {
    const directory = directoryWith({
      'a/openclaw.json': level('info'),
      'b/openclaw.json': level('debug'),
    });
    symlinkSync('a', join(directory, 'data'));
    symlinkSync(join('data', 'openclaw.json'), join(directory, 'openclaw.json'));
    const { live, nextOf } = watched(open(directory));
    symlinkSync('b', join(directory, 'next'));
    renameSync(join(directory, 'next'), join(directory, 'data'));
    await nextOf('applied');
    expect(live.current().logging.level).toBe('debug');
  });

  it('keeps the old configuration when the file vanishes, and takes the new one when it returns', async () => {
    const directory = directoryWith({ 'openclaw.json': level('debug') });
    const env = { OPENCLAW_STATE_DIR: directory };
    const initial = loadConfig({ env });
    if (!initial.ok) throw new Error('expected a valid configuration');
    const { live, nextOf } = watched(initial, env);
    rmSync(join(directory, 'openclaw.json'));
    await nextOf('refused');
    expect(live.current().logging.level).toBe('debug');
    writeFileSync(join(directory, 'openclaw.json'), level('warn'));
    await nextOf('applied');
    expect(live.current().logging.level).toBe('warn');
  });

  it('watches included files, also those that an edit brings in, mends and drops', async () => {
    const directory = directoryWith({ 'openclaw.json': level('info') });
    const { live, nextOf } = watched(open(directory));
    writeFileSync(join(directory, 'openclaw.json'), '{ $include: "part.json" }');
    await nextOf('refused');
    writeFileSync(join(directory, 'part.json'), '{ logging: {');
    await nextOf('refused');
    writeFileSync(join(directory, 'part.json'), level('debug'));
    await nextOf('applied');
    writeFileSync(join(directory, 'part.json'), level('warn'));
    await nextOf('applied');
    expect(live.current().logging.level).toBe('warn');
  });

  it('names the changed keys that wait for a restart', async () => {
    const directory = directoryWith({ 'openclaw.json': { gateway: { port: 1 } } });
    const { live } = watched(open(directory));
    const gateway = { port: 2, bind: 'lan', storage: { path: 'x' }, shutdown: { graceSeconds: 1 } };
    writeFileSync(join(directory, 'openclaw.json'), JSON.stringify({ gateway }));
    expect(live.reload()).toMatchObject({
      kind: 'applied',
      afterRestart: ['gateway.port', 'gateway.bind', 'gateway.storage.path'],
    });
  });

  it('reloads when asked, and a file that says the same changes nothing', () => {
    const directory = directoryWith({ 'openclaw.json': level('info') });
    const { live } = watched(open(directory));
    const before = live.current();
    writeFileSync(join(directory, 'openclaw.json'), `${level('info')} // and a comment`);
    expect(live.reload()).toEqual({ kind: 'unchanged' });
    expect(live.current()).toBe(before);
  });
});
