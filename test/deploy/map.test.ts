/** oc-ws-map.conf: what may stand in it, and that nginx reads it as we do. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isInstanceId } from '../../deploy/nginx/instance-id.ts';
import { backendProblem, isAddress, parseMap, renderMap } from '../../deploy/nginx/map.ts';

describe('a backend', () => {
  test.each([
    '34.85.76.114:18810',
    '127.0.0.1:1',
    '10.0.0.5:65535',
    '[::1]:18810',
    '[2001:db8::7]:443',
    'oc_pool',
    'pool_a_2',
  ])('may be %s', (text) => {
    expect(backendProblem(text)).toBeUndefined();
  });

  test.each([
    ['', 'not a backend'],
    ['34.85.76.114', 'not a backend'],
    ['34.85.76.114:', 'port'],
    ['34.85.76.114:0', 'port'],
    ['34.85.76.114:65536', 'port'],
    ['34.85.76.114:018810', 'port'],
    ['34.85.76.114:1881o', 'port'],
    ['34.85.76.114:-1', 'port'],
    ['34.85.76.114:+1', 'port'],
    ['localhost:18810', 'resolver'],
    ['gateway.example.com:18810', 'resolver'],
    ['gateway.example.com', 'not a backend'],
    ['34.85.76:18810', 'resolver'],
    ['34.85.76.256:18810', 'resolver'],
    ['034.85.76.114:18810', 'resolver'],
    ['0x22.85.76.114:18810', 'resolver'],
    ['0.0.0.0:18810', 'no address to connect to'],
    ['255.255.255.255:18810', 'no address to connect to'],
    ['224.0.0.1:18810', 'no address to connect to'],
    ['[::]:18810', 'no address to connect to'],
    ['[::1', 'not a backend'],
    ['::1:18810', 'not a backend'],
    ['[fe80::1%eth0]:18810', 'IPv6'],
    ['[127.0.0.1]:18810', 'IPv6'],
    ['unix:/run/x.sock', 'port'],
    ['http://34.85.76.114:18810', 'not a backend'],
    ['34.85.76.114:18810/path', 'port'],
    ['$host:18810', 'resolver'],
    ['34.85.76.114:18810; default 1.2.3.4:5', 'not a backend'],
    ['34.85.76.114:18810\n', 'port'],
    ['pool', 'not a backend'],
    ['Oc_pool', 'not a backend'],
    ['oc_', 'not a backend'],
    // Behind these is no gateway.
    ['oc_portal', 'not a backend'],
    ['oc_refusals', 'not a backend'],
  ])('may not be %j', (text, why) => {
    expect(backendProblem(text)).toContain(why);
  });

  test('that is a name is no address', () => {
    expect(isAddress('oc_pool')).toBe(false);
    expect(isAddress('127.0.0.1:80')).toBe(true);
  });
});

describe('a map', () => {
  test('is read with comments, empty lines, spaces and line ends of all kinds', () => {
    const text =
      '# ours\r\n\r\n  oc-a \t 1.2.3.4:5 ;  # Tokyo; 1\r\noc-b [::1]:6;\n#oc-c 1.1.1.1:1;\n\toc-d oc_pool;';
    expect(parseMap(text)).toEqual({
      ok: true,
      backends: new Map([
        ['oc-a', '1.2.3.4:5'],
        ['oc-b', '[::1]:6'],
        ['oc-d', 'oc_pool'],
      ]),
    });
  });

  test.each([
    ['oc-a 1.2.3.4:5', 'semicolon'],
    ['oc-a\n1.2.3.4:5;', 'semicolon'],
    ['oc-a 1.2.3.4:5; oc-b 1.2.3.4:5;', 'one a line'],
    ['oc-a;', 'no entry'],
    ['oc-a 1.2.3.4:5 6;', 'no entry'],
    ['default 1.2.3.4:5;', 'word of nginx'],
    ['\\default 1.2.3.4:5;', 'word of nginx'],
    ['include /etc/passwd;', 'word of nginx'],
    ['hostnames;', 'word of nginx'],
    ['volatile;', 'word of nginx'],
    ['~^oc- 1.2.3.4:5;', 'pattern'],
    ['~*. 1.2.3.4:5;', 'pattern'],
    ['"oc-a" 1.2.3.4:5;', 'not an instance id'],
    ["oc-a '1.2.3.4:5';", 'port'],
    ['OC-A 1.2.3.4:5;', 'not an instance id'],
    ['oc- 1.2.3.4:5;', 'not an instance id'],
    ['oc-a- 1.2.3.4:5;', 'not an instance id'],
    ['oc-a.b 1.2.3.4:5;', 'not an instance id'],
    ['*.oc-a 1.2.3.4:5;', 'not an instance id'],
    [`oc-${'a'.repeat(63)} 1.2.3.4:5;`, 'not an instance id'],
    ['oc-a localhost:5;', 'resolver'],
    ['oc-a 1.2.3.4:99999;', 'port'],
    ['oc-a $http_x;', 'not a backend'],
    ['oc-a 1.2.3.4:5;} server {', 'braces'],
    ['oc-a\u00a01.2.3.4:5;', 'no entry'],
    ['oc-a 1.2.3.4:5;\noc-b 1.2.3.4:6;\noc-a 1.2.3.4:7;', 'twice'],
    ['oc-a 1.2.3.4:5;\u0000', 'one a line'],
    ['<html>', 'semicolon'],
  ])('%j is refused', (text, why) => {
    const parsed = parseMap(text);
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) expect(parsed.problems.map(({ message }) => message).join()).toContain(why);
  });

  test('tells every problem with its line', () => {
    const parsed = parseMap(
      'oc-a 1.2.3.4:5;\n# fine\nbad 1.2.3.4:5;\noc-b nowhere:1;\noc-a 1.1.1.1:1;',
    );
    expect(parsed).toMatchObject({ ok: false, problems: [{ line: 3 }, { line: 4 }, { line: 5 }] });
  });

  test('may name only the upstreams that there are, if those are known', () => {
    const upstreams = new Set(['oc_pool']);
    expect(parseMap('oc-a oc_pool;', { upstreams })).toMatchObject({ ok: true });
    expect(parseMap('oc-a oc_other;', { upstreams })).toMatchObject({ ok: false });
  });

  test('a problem shows little of a foreign file, and nothing unprintable', () => {
    const parsed = parseMap(`\u001b[31m${'x'.repeat(10_000)}`);
    const message = parsed.ok ? '' : (parsed.problems[0]?.message ?? '');
    expect(message).toMatch(/^[ -~…]{1,200}$/);
  });
});

describe('rows', () => {
  test('are rendered a line each', () => {
    expect(
      renderMap([
        { id: 'oc-ai-jp-2-02', backend: '34.85.76.114:18810' },
        { id: 'oc-b', backend: 'oc_pool' },
      ]),
    ).toEqual({ ok: true, text: 'oc-ai-jp-2-02  34.85.76.114:18810;\noc-b  oc_pool;\n' });
    expect(renderMap([])).toEqual({ ok: true, text: '# no instances\n' });
  });

  test('are refused with every problem', () => {
    const rendered = renderMap([
      { id: 'oc-a', backend: '1.2.3.4:5' },
      { id: 'oc-a', backend: 'x' },
      { id: 'default', backend: '1.2.3.4:5' },
    ]);
    expect(rendered.ok).toBe(false);
    if (!rendered.ok) {
      expect(rendered.problems).toHaveLength(3);
      expect(rendered.problems[0]).toMatch(/^row 2: /);
    }
  });

  test('whatever they hold, the text reads back as the same rows or is refused', () => {
    const anything = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('oc-a', 'oc-b', '1.2.3.4:5', 'oc_pool', ';', '\n'),
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ id: anything, backend: anything }), { maxLength: 4 }),
        (rows) => {
          const rendered = renderMap(rows);
          if (!rendered.ok) return;
          const parsed = parseMap(rendered.text);
          expect(parsed).toEqual({
            ok: true,
            backends: new Map(rows.map(({ id, backend }) => [id, backend])),
          });
          expect(rows.every(({ id }) => isInstanceId(id))).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
