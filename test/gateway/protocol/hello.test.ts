import { describe, expect, it } from 'vitest';
import { responseFrame } from '../../../gateway/protocol/frames.ts';
import { buildHello, type HelloInput } from '../../../gateway/protocol/hello.ts';
import { checkFrame } from '../../support/published-schema.ts';

const INPUT: HelloInput = {
  version: '0.1.0',
  connId: 'c-1',
  methods: ['health', 'chat.send'],
  events: ['chat', 'tick'],
  uptimeMs: 12.7,
  scopes: ['operator.read', 'operator.write'],
  session: {
    defaultAgentId: 'main',
    modelConfigured: false,
    mainKey: 'main',
    mainSessionKey: 'agent:main:main',
  },
  policy: {
    maxPayload: 1_048_576,
    maxBufferedBytes: 65_536,
    tickIntervalMs: 30_000,
    attachments: { maxBytes: 5_000_000, maxImageBytes: 5_000_000 },
  },
};

describe('buildHello', () => {
  it('is a published HelloOk, with attachments and without', () => {
    const { attachments: _, ...policy } = INPUT.policy;
    for (const input of [INPUT, { ...INPUT, policy }]) {
      const frame = JSON.parse(responseFrame('1', buildHello(input)));
      expect(() => checkFrame(frame, 'connect')).not.toThrow();
    }
  });

  it('says what was granted and whether a model is configured', () => {
    expect(buildHello(INPUT)).toMatchObject({
      protocol: 4,
      auth: { role: 'operator', scopes: INPUT.scopes },
      features: { methods: INPUT.methods, events: INPUT.events },
      snapshot: { sessionDefaults: { modelConfigured: false }, authMode: 'trusted-proxy' },
    });
  });

  it('names no build, which would make the Control UI reload for ever', () => {
    expect(buildHello(INPUT).server).toEqual({ version: '0.1.0', connId: 'c-1' });
  });
});
