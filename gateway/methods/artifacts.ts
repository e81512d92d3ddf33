/** `artifacts.download`: the bytes of an image in a conversation, which history only names. */

import type { ContentBlock, MessageRecord } from '../../agents/sessions/store.ts';
import { artifactId } from '../rows.ts';
import { method, refuse } from './method.ts';
import { expectAgent, keyOf, mustExist, SESSION_KEY } from './sessions-shared.ts';

const DOWNLOAD = {
  type: 'object',
  properties: {
    sessionKey: SESSION_KEY,
    agentId: { type: 'string', minLength: 1 },
    artifactId: { type: 'string', minLength: 1, maxLength: 80 },
  },
  required: ['sessionKey', 'artifactId'],
} as const;

type ImageBlock = Extract<ContentBlock, { type: 'image' }>;

/** One image per request: its size was bounded by `policy.attachments` when it came. */
export const artifactsDownload = method(
  'artifacts.download',
  'operator.read',
  DOWNLOAD,
  (params, caller, services) => {
    const { principal } = caller;
    const { store } = services;
    const { key, agentId } = keyOf(caller, params.sessionKey);
    expectAgent('artifacts.download', caller, params.agentId, agentId);
    mustExist(caller, services, key);
    const messageId = params.artifactId.replace(/\.\d+$/, '');
    const message = store.message(principal, key, messageId);
    const image = message && imageOf(message, params.artifactId);
    const file = image && store.attachment(principal, key, message.seq, image.attachment);
    if (!file) {
      return refuse('ENTRY_NOT_FOUND', 'The conversation has no artifact of this id.');
    }
    return {
      artifact: {
        id: params.artifactId,
        type: 'image',
        title: image.fileName || 'image',
        mimeType: image.mimeType,
        sizeBytes: image.sizeBytes,
        sessionKey: key,
        messageSeq: message.seq,
        ...(message.runId !== undefined && { runId: message.runId }),
        download: { mode: 'bytes' },
      },
      encoding: 'base64',
      data: Buffer.from(file.bytes).toString('base64'),
    };
  },
);

function imageOf(message: MessageRecord, id: string): ImageBlock | undefined {
  return message.content.find(
    (block): block is ImageBlock => block.type === 'image' && artifactId(message, block) === id,
  );
}
