import * as fc from 'fast-check';
import type { JSONSchema } from 'json-schema-to-ts';
import { describe, expect, it } from 'vitest';
import { compileParams } from '../../../gateway/protocol/params.ts';

const SEND = {
  type: 'object',
  required: ['sessionKey', 'message'],
  properties: {
    sessionKey: { type: 'string', minLength: 1, maxLength: 8 },
    message: { type: 'string' },
    queueMode: { type: 'string', enum: ['steer', 'followup'] },
    timeoutMs: { type: 'integer', minimum: 0 },
    leaf: { type: ['string', 'null'] },
    attachments: {
      type: 'array',
      items: { type: 'object', properties: { name: { type: 'string' } } },
    },
  },
} as const satisfies JSONSchema;

const check = compileParams('chat.send', SEND);

describe('compileParams', () => {
  it('gives typed params and lets unknown fields pass, untouched', () => {
    const sent = { sessionKey: 'main', message: 'hi', deliver: false, leaf: null };
    const checked = check(sent);
    expect(checked).toEqual({ ok: true, params: sent });
    if (!checked.ok) return;
    const key: string = checked.params.sessionKey;
    const timeout: number | undefined = checked.params.timeoutMs;
    expect([key, timeout]).toEqual(['main', undefined]);
  });

  it.each<[unknown, string]>([
    [{ sessionKey: 'main', message: 7 }, 'at /message: must be string'],
    [{ sessionKey: 'main' }, "must have required property 'message'"],
    [{ sessionKey: '', message: '' }, 'at /sessionKey: must not have fewer than 1 characters'],
    [
      { sessionKey: '123456789', message: '' },
      'at /sessionKey: must not have more than 8 characters',
    ],
    [
      { sessionKey: 'a', message: '', queueMode: 'x' },
      'at /queueMode: must be equal to one of the allowed values',
    ],
    [{ sessionKey: 'a', message: '', timeoutMs: -1 }, 'at /timeoutMs: must be >= 0'],
    [{ sessionKey: 'a', message: '', leaf: 1 }, 'at /leaf: must be string,null'],
    [
      { sessionKey: 'a', message: '', attachments: [{ name: 1 }] },
      'at /attachments/0/name: must be string',
    ],
    [[], 'must be object'],
    [null, 'must be object'],
  ])('%j: %s', (params, problem) => {
    expect(check(params)).toEqual({
      ok: false,
      error: { code: 'INVALID_REQUEST', message: `invalid chat.send params: ${problem}` },
    });
  });

  it('never throws and never changes what it checks', () => {
    fc.assert(
      fc.property(fc.anything(), (params) => {
        const before = fc.stringify(params);
        check(params);
        expect(fc.stringify(params)).toBe(before);
      }),
    );
  });

  it('does not compile a schema before its first use', () => {
    const broken = compileParams('broken', { type: 'string', minLength: -1 });
    expect(() => broken({})).toThrow(/schema is invalid/);
  });
});
