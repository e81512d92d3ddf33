import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { clean, lines, load, loadValid } from './files.ts';

describe('variables', () => {
  const withKey = (apiKey: unknown, vars: Readonly<Record<string, string>> = {}) => ({
    ...clean,
    env: { vars },
    models: { providers: { oneapi: { baseUrl: 'https://one-api.example.com', apiKey } } },
  });
  const keyOf = (content: unknown, env: Readonly<Record<string, string>> = {}) =>
    loadValid(content, { env }).config.models.providers['oneapi']?.apiKey;

  test.each<[name: string, apiKey: unknown, expected: string]>([
    ['a variable', '${KEY}', 'from-env'],
    ['inside a text', 'a-${KEY}-${KEY}-b', 'a-from-env-from-env-b'],
    ['an escaped one', '$${KEY}', '${KEY}'],
    ['a dollar before an escaped one', '$$${KEY}', '$${KEY}'],
    ['only in the file', '${FILE}', 'from-file'],
    ['a file variable made of the environment', '${MADE}', 'made-from-env'],
    ['a reference', { source: 'env', provider: 'default', id: 'KEY' }, 'from-env'],
    ['a reference to a file variable', { source: 'env', id: 'FILE' }, 'from-file'],
    ['no variable', '$KEY-{KEY}', '$KEY-{KEY}'],
  ])('%s', (_, apiKey, expected) => {
    const vars = { FILE: 'from-file', KEY: 'shadowed', MADE: 'made-${KEY}' };
    expect(keyOf(withKey(apiKey, vars), { KEY: 'from-env' })).toBe(expected);
  });

  test.each<[name: string, apiKey: unknown, expected: string]>([
    ['an unset variable', '${NOPE}', 'the environment variable NOPE is not set or empty'],
    ['an empty variable', '${EMPTY}', 'the environment variable EMPTY is not set or empty'],
    [
      'a name that every object has',
      { source: 'env', id: 'constructor' },
      'constructor is not set',
    ],
    ['a reference to an unset variable', { source: 'env', id: 'NOPE' }, 'NOPE is not set or empty'],
    [
      'a reference to a file',
      { source: 'file', provider: 'x', id: '/key' },
      'with source "file" is not served',
    ],
    ['a reference without an id', { source: 'env' }, 'has no "id"'],
    ['a reference without a source', {}, 'without "source"'],
  ])('%s is an error', (_, apiKey, expected) => {
    const result = load(withKey(apiKey), { env: { EMPTY: '' } });
    expect(lines(result)).toEqual([
      expect.stringMatching(/^openclaw\.json:1:\d+: models\.providers\.oneapi\.apiKey: /),
    ]);
    expect(lines(result).join()).toContain(expected);
  });

  it('warns of a name in lower case, which is no variable', () => {
    expect(lines(loadValid(withKey('${one_api_key}')))).toEqual([
      expect.stringContaining('is taken as it stands'),
    ]);
  });

  it('reports an error beside that warning', () => {
    const result = load(withKey('${one_api_key} '));
    expect(result.ok).toBe(false);
    expect(lines(result)).toHaveLength(2);
  });

  it('never shows a secret or the value of a variable, wherever it stands', () => {
    const SECRET = 'sk-5up3r-s3cr3t';
    fc.assert(
      fc.property(
        fc.constantFrom('${S}', '${S} ', 'x${S}\n', SECRET, `${SECRET} `, `${SECRET}\u0000`),
        (text) => {
          // A literal is shown where no secret belongs; a variable's value nowhere.
          const elsewhere = text.includes('${S}') ? text : 'x';
          const result = load(
            {
              gateway: {
                bind: elsewhere,
                port: elsewhere,
                trustedProxies: [elsewhere],
                controlUi: { allowedOrigins: [elsewhere, `https://${elsewhere}/`] },
                auth: {
                  trustedProxy: { userHeader: elsewhere, secret: { header: 'X-S', value: [text] } },
                },
              },
              agents: { defaults: { model: elsewhere, timeoutSeconds: elsewhere } },
              models: {
                providers: {
                  a: {
                    baseUrl: elsewhere,
                    apiKey: text,
                    api: elsewhere,
                    headers: { x: text, y: [text] },
                  },
                },
              },
              env: { vars: { A: text, B: [text] } },
              logging: { level: elsewhere },
            },
            { env: { S: SECRET } },
          );
          expect(result.ok).toBe(false);
          expect(lines(result).join('\n')).not.toContain(SECRET);
        },
      ),
    );
  });
});
