import { ErrorCodes } from '@openclaw/gateway-protocol';
import { ConnectErrorDetailCodes } from '@openclaw/gateway-protocol/connect-error-details';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DETAIL_CODES,
  type DetailCode,
  detailedError,
  ERROR_CODES,
  protocolError,
} from '../../../gateway/protocol/errors.ts';
import { errorFrame } from '../../../gateway/protocol/frames.ts';
import { checkFrame } from '../../support/published-schema.ts';

const isDetailCode = (name: string): name is DetailCode => Object.hasOwn(DETAIL_CODES, name);
const detailCodes = Object.keys(DETAIL_CODES).filter(isDetailCode);

describe('the tables', () => {
  it('use only error codes that OpenClaw’s clients know', () => {
    expect(Object.values(ErrorCodes)).toEqual(expect.arrayContaining(Object.keys(ERROR_CODES)));
  });

  it('spell the handshake’s detail codes as OpenClaw does', () => {
    const handshake = detailCodes.filter((code) =>
      /^(AUTH|DEVICE_AUTH|CONTROL_UI|PROTOCOL)_/.test(code),
    );
    expect(handshake).toHaveLength(10);
    expect(Object.values(ConnectErrorDetailCodes)).toEqual(expect.arrayContaining(handshake));
  });

  it.each(detailCodes)('%s makes a published error frame under its own code', (code) => {
    const fields = { missingScope: 's', requiredScopes: ['s'] };
    const extra =
      code === 'MISSING_SCOPE' ? fields : code === 'UNKNOWN_AGENT_ID' ? { agentId: 'a' } : {};
    const error = detailedError(code, 'a sentence', extra);
    expect(error).toMatchObject({ code: DETAIL_CODES[code].code, details: { code } });
    expect(error.retryable ?? false).toBe(DETAIL_CODES[code].retryable);
    checkFrame(JSON.parse(errorFrame('1', error)));
  });
});

describe('protocolError', () => {
  it('takes its retry advice from the detail, else from the code, unless told', () => {
    expect(protocolError('INVALID_REQUEST', 'm')).toEqual({
      code: 'INVALID_REQUEST',
      message: 'm',
    });
    expect(protocolError('UNAVAILABLE', 'm').retryable).toBe(true);
    expect(detailedError('MODEL_NOT_CONFIGURED', 'm').retryable).toBeUndefined();
    expect(protocolError('UNAVAILABLE', 'm', { retryable: false }).retryable).toBeUndefined();
  });

  it('always names a wait that the schema accepts', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, min: -1e6, max: 1e12 }), (wait) => {
        const error = protocolError('UNAVAILABLE', 'm', { retryAfterMs: wait });
        checkFrame(JSON.parse(errorFrame('1', error)));
        expect(error.retryAfterMs).toBeGreaterThanOrEqual(wait);
      }),
    );
  });

  it('cannot be made to lie about its detail code by the fields', () => {
    const error = detailedError('SESSION_NOT_FOUND', 'm', { code: 'INTERNAL', sessionKey: 'k' });
    expect(error.details).toEqual({ code: 'SESSION_NOT_FOUND', sessionKey: 'k' });
  });
});
