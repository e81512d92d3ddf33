import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { protocolError } from '../../../gateway/protocol/errors.ts';
import {
  decodeFrame,
  errorFrame,
  eventBody,
  type FrameProblemKind,
  MAX_DEPTH,
  MAX_ID_CHARS,
  MAX_METHOD_CHARS,
  responseFrame,
  UNREADABLE_ID,
  withoutSeq,
  withSeq,
} from '../../../gateway/protocol/frames.ts';
import { checkFrame } from '../../support/published-schema.ts';

const request = (fields: object) =>
  JSON.stringify({ type: 'req', id: '1', method: 'm', ...fields });

/** `params` nested so that the whole frame is `depth` levels deep. */
function nested(depth: number): string {
  const levels = depth - 2;
  return `{"type":"req","id":"1","method":"m","params":{"a":${'['.repeat(levels)}${']'.repeat(levels)}}}`;
}

describe('decodeFrame reads', () => {
  it('a request, ignoring what it does not know', () => {
    const text = request({ id: 'r7', method: 'chat.send', params: { a: [1] }, extra: true });
    expect(decodeFrame(text)).toEqual({
      ok: true,
      frame: { id: 'r7', method: 'chat.send', params: { a: [1] } },
    });
  });

  it.each([
    ['absent', {}],
    ['null', { params: null }],
  ])('%s params as empty', (_name, fields) => {
    expect(decodeFrame(request(fields))).toMatchObject({ ok: true, frame: { params: {} } });
  });

  it('a trace context, unless it is none', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(decodeFrame(request({ traceparent }))).toMatchObject({ frame: { traceparent } });
    for (const wrong of [7, '', 'x'.repeat(129)]) {
      const decoded = decodeFrame(request({ traceparent: wrong }));
      expect(decoded.ok && decoded.frame).toEqual({ id: '1', method: 'm', params: {} });
    }
  });

  it('any request that JSON can write', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: MAX_ID_CHARS / 2, unit: 'binary' }),
        fc.string({ minLength: 1, maxLength: MAX_METHOD_CHARS / 2, unit: 'binary' }),
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })),
        (id, method, params) => {
          const text = request({ id, method, params });
          const { params: expected } = JSON.parse(text);
          expect(decodeFrame(text)).toEqual({ ok: true, frame: { id, method, params: expected } });
        },
      ),
    );
  });

  it('ten thousand fields, and a megabyte of base64', () => {
    const fields = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`k${at}`, at]));
    expect(decodeFrame(request({ params: fields }))).toMatchObject({ ok: true });
    const content = 'A'.repeat(1_048_576);
    expect(decodeFrame(request({ params: { content } }))).toMatchObject({ ok: true });
  });

  it('brackets and escaped quotes inside strings as text', () => {
    for (const value of ['['.repeat(500), '\\"['.repeat(500), '"{'.repeat(500), '\\', '\\\\']) {
      const decoded = decodeFrame(request({ params: { value } }));
      expect(decoded).toMatchObject({ ok: true, frame: { params: { value } } });
    }
  });

  it('a lone surrogate, which JSON can carry as an escape', () => {
    expect(decodeFrame(request({ params: { text: '\ud800' } }))).toMatchObject({
      ok: true,
      frame: { params: { text: '\ud800' } },
    });
  });

  it('__proto__ as a field like any other', () => {
    const decoded = decodeFrame(
      '{"type":"req","id":"1","method":"m","params":{"__proto__":{"x":1}}}',
    );
    expect(decoded.ok && Object.getPrototypeOf(decoded.frame.params)).toBe(Object.prototype);
  });
});

describe('decodeFrame refuses', () => {
  it.each<[string, string, FrameProblemKind, string]>([
    ['nothing', '', 'not_json', UNREADABLE_ID],
    ['words', 'hello', 'not_json', UNREADABLE_ID],
    ['a cut frame', '{"type":"req","id":"1"', 'not_json', UNREADABLE_ID],
    ['two frames', `${request({})}${request({})}`, 'not_json', UNREADABLE_ID],
    ['an open string', '"\\', 'not_json', UNREADABLE_ID],
    ['a raw control character', '{"id":"\u0000"}', 'not_json', UNREADABLE_ID],
    ['an array', '[]', 'not_request', UNREADABLE_ID],
    ['null', 'null', 'not_request', UNREADABLE_ID],
    ['a number', '1e999', 'not_request', UNREADABLE_ID],
    ['an event', '{"type":"event","event":"tick"}', 'not_request', UNREADABLE_ID],
    ['a response', '{"type":"res","id":"9","ok":true}', 'not_request', '9'],
    ['no type', '{"id":"9","method":"m"}', 'not_request', '9'],
    ['no id', '{"type":"req","method":"m"}', 'not_request', UNREADABLE_ID],
    ['a number as id', request({ id: 1 }), 'not_request', UNREADABLE_ID],
    ['an empty id', request({ id: '' }), 'not_request', UNREADABLE_ID],
    ['an overlong id', request({ id: 'i'.repeat(MAX_ID_CHARS + 1) }), 'not_request', UNREADABLE_ID],
    ['no method', '{"type":"req","id":"9"}', 'not_request', '9'],
    [
      'an overlong method',
      request({ method: 'm'.repeat(MAX_METHOD_CHARS + 1) }),
      'not_request',
      '1',
    ],
    ['an array as params', request({ params: [] }), 'not_request', '1'],
    ['a string as params', request({ params: '{}' }), 'not_request', '1'],
    ['one level too many', nested(MAX_DEPTH + 1), 'too_deep', UNREADABLE_ID],
    ['a million brackets', '['.repeat(1_000_000), 'too_deep', UNREADABLE_ID],
    ['depth after a closing bracket', `]]]${'['.repeat(MAX_DEPTH)}`, 'not_json', UNREADABLE_ID],
  ])('%s', (_name, text, kind, id) => {
    const decoded = decodeFrame(text);
    expect(decoded).toMatchObject({ ok: false, problem: { kind, id } });
    if (!decoded.ok) {
      checkFrame(
        JSON.parse(errorFrame(id, protocolError('INVALID_REQUEST', decoded.problem.message))),
      );
    }
  });

  it('a frame longer than asked, before reading it', () => {
    const text = request({});
    expect(decodeFrame(text, text.length)).toMatchObject({ ok: true });
    expect(decodeFrame(text, text.length - 1)).toMatchObject({ problem: { kind: 'too_long' } });
  });

  it('nothing at the depth that is allowed', () => {
    expect(decodeFrame(nested(MAX_DEPTH))).toMatchObject({ ok: true });
  });

  it('whatever it refuses, without throwing and without repeating it', () => {
    const any = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.stringMatching(/^[[\]{}",:\\a1 ]*$/),
    );
    fc.assert(
      fc.property(any, (text) => {
        const decoded = decodeFrame(text);
        const message = decoded.ok ? 'invalid request frame: none' : decoded.problem.message;
        expect(message).toMatch(/^invalid request frame: [\w' ]+$/);
      }),
    );
  });
});

describe('decodeFrame takes linear time on', () => {
  it.each([
    ['quotes', '"'],
    ['escaped quotes', '\\"'],
    ['backslashes', '\\'],
    ['empty strings', '"",'],
    ['brackets that open and close', '[]'],
  ])('%s', (_name, unit) => {
    // Two million characters: quadratic work would take hours and fail by the test's timeout.
    for (const prefix of ['', '"', '["']) {
      const text = prefix + unit.repeat(2_000_000 / unit.length);
      expect(decodeFrame(text).ok).toBe(false);
    }
  });
});

describe('frames that the gateway sends', () => {
  it('are what is published', () => {
    const error = protocolError('UNAVAILABLE', 'later', { retryAfterMs: 5 });
    for (const text of [
      responseFrame('1', { a: 1 }),
      responseFrame('1'),
      errorFrame('1', error),
      withSeq(eventBody('tick', { ts: 1 }), 1),
      withoutSeq(eventBody('connect.challenge', { nonce: 'n', ts: 1 })),
      withSeq(eventBody('custom', undefined), 2),
    ]) {
      expect(() => checkFrame(JSON.parse(text))).not.toThrow();
    }
  });

  it('carry their parts unchanged, for any payload and sequence number', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'binary' }),
        fc.jsonValue(),
        fc.nat(),
        (name, payload, seq) => {
          const plain = JSON.parse(JSON.stringify(payload));
          const body = eventBody(name, payload);
          const event = { type: 'event', event: name, payload: plain };
          expect(JSON.parse(withSeq(body, seq))).toEqual({ ...event, seq });
          expect(JSON.parse(withoutSeq(body))).toEqual(event);
          const response = { type: 'res', id: name, ok: true, payload: plain };
          expect(JSON.parse(responseFrame(name, payload))).toEqual(response);
        },
      ),
    );
  });

  it('are well-formed Unicode even when the model’s text is not', () => {
    const frame = withSeq(eventBody('chat', { deltaText: 'a\ud83d' }), 1);
    expect(frame.isWellFormed()).toBe(true);
    expect(JSON.parse(frame).payload.deltaText).toBe('a\ud83d');
  });
});
