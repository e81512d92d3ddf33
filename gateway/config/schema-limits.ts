/** Schema of the section `gateway.limits`. */

import type { ConfigSchema } from './vocabulary.ts';

export const limitsSchema = {
  type: 'object',
  description: 'Bounds that keep one client from harming the others.',
  'x-oc-gateway': true,
  additionalProperties: false,
  default: {},
  properties: {
    connectTimeoutMs: {
      type: 'integer',
      minimum: 1,
      maximum: 600_000,
      description: 'Milliseconds from the open socket to its `connect` request.',
      default: 15_000,
      'x-oc-gateway': true,
    },
    preConnectBytes: {
      type: 'integer',
      minimum: 1024,
      maximum: 1_048_576,
      description: 'Largest frame in bytes before `connect` was accepted.',
      default: 65_536,
      'x-oc-gateway': true,
    },
    maxPayloadBytes: {
      type: 'integer',
      minimum: 1024,
      maximum: 104_857_600,
      description: 'Largest frame in bytes from a connected client, attachments included.',
      default: 10_485_760,
      'x-oc-gateway': true,
      'x-restart': true,
    },
    maxBufferedBytes: {
      type: 'integer',
      minimum: 65_536,
      maximum: 1_073_741_824,
      description: 'Bytes that may wait for a slow reader before its socket is closed.',
      default: 8_388_608,
      'x-oc-gateway': true,
    },
    tickIntervalMs: {
      type: 'integer',
      minimum: 10,
      maximum: 3_600_000,
      description:
        'Milliseconds between `tick` events. A client that misses two of them reconnects.',
      default: 30_000,
      'x-oc-gateway': true,
      'x-restart': true,
    },
    maxQueuedRunsPerSession: {
      type: 'integer',
      minimum: 0,
      maximum: 10_000,
      description: 'Messages that may wait behind the running answer of one session.',
      default: 20,
      'x-oc-gateway': true,
    },
    maxConcurrentRuns: {
      type: 'integer',
      minimum: 0,
      maximum: 1_000_000,
      description: 'Answers that stream at the same time, over all users. 0: no limit.',
      default: 1000,
      'x-oc-gateway': true,
    },
    maxSockets: {
      type: 'integer',
      minimum: 1,
      maximum: 1_000_000,
      description:
        'Sockets that are open at the same time. One more is closed with 4429, unless a handshake that is not finished can make room.',
      default: 20_000,
      'x-oc-gateway': true,
    },
    maxSocketsPerUser: {
      type: 'integer',
      minimum: 1,
      maximum: 1_000_000,
      description: 'Sockets of one user, over all instances. One more is closed with 4429.',
      default: 50,
      'x-oc-gateway': true,
    },
    maxSocketsPerAddress: {
      type: 'integer',
      minimum: 1,
      maximum: 1_000_000,
      description:
        'Sockets from one client address that speak for no admitted user and wait to be told so. One more is closed with 4429.',
      default: 20,
      'x-oc-gateway': true,
    },
    maxPendingSockets: {
      type: 'integer',
      minimum: 1,
      maximum: 1_000_000,
      description:
        'Sockets that have not finished `connect`. One more cuts the oldest of them, those without an admitted user first.',
      default: 5_000,
      'x-oc-gateway': true,
    },
    requestsPerSecond: {
      type: 'integer',
      minimum: 0,
      maximum: 1_000_000,
      description:
        'Requests that one socket gets served per second, after twice as many at once. More wait; a socket with 5,000 waiting ones, or more bytes of them than `maxPayloadBytes`, is closed. 0: no limit.',
      default: 100,
      'x-oc-gateway': true,
    },
    sendsPerMinute: {
      type: 'integer',
      minimum: 0,
      maximum: 1_000_000,
      description:
        'Messages that one user may send per minute, over all sockets; as many may come at once. New sessions and forks count too. 0: no limit.',
      default: 120,
      'x-oc-gateway': true,
    },
    maxAnswerChars: {
      type: 'integer',
      minimum: 1_000,
      maximum: 100_000_000,
      default: 1_000_000,
      description:
        'Characters of one answer, thoughts and tool arguments included. A longer one is cut off, kept, and marked as an error.',
      'x-oc-gateway': true,
    },
    maxRunsPerUser: {
      type: 'integer',
      minimum: 0,
      maximum: 1_000_000,
      description:
        'Answers that stream at the same time for one user. More wait, and users take turns. 0: no limit.',
      default: 10,
      'x-oc-gateway': true,
    },
    maxStoredBytesPerUser: {
      type: 'integer',
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        'Bytes of messages and attachments that one user may have stored. Beyond it new messages are refused; reading goes on, and deleting makes room. 0: no limit.',
      default: 1_073_741_824,
      'x-oc-gateway': true,
    },
  },
} as const satisfies ConfigSchema;
