/** `sessions.rewind`, `.fork`, `.branches.*`: other ways that a conversation took, or may take. */

import type { MessageRecord, Moved, MoveRefusal } from '../../agents/sessions/store.ts';
import { type Caller, method, refuse, type Services } from './method.ts';
import {
  countSend,
  expectAgent,
  freshKey,
  keyOf,
  SESSION_KEY,
  sessionNotFound,
  storageFull,
} from './sessions-shared.ts';

const AGENT_ID = { type: 'string', minLength: 1 } as const;
const ENTRY_ID = { type: 'string', minLength: 1, maxLength: 64 } as const;

const ENTRY = {
  type: 'object',
  properties: { sessionKey: SESSION_KEY, agentId: AGENT_ID, entryId: ENTRY_ID },
  required: ['sessionKey', 'entryId'],
} as const;

export const sessionsRewind = method(
  'sessions.rewind',
  'operator.write',
  ENTRY,
  async (params, caller, services) => {
    const { principal } = caller;
    const { key, agentId } = keyOf(caller, params.sessionKey);
    expectAgent('sessions.rewind', caller, params.agentId, agentId);
    await services.runs.cleared(principal, key);
    const moved = orRefuse(
      services,
      key,
      await services.store.rewind(principal, key, params.entryId),
    );
    services.hub.sessionChanged(principal, key, 'rewind', moved.session);
    return forEditor(services, caller, key, moved.message);
  },
);

export const sessionsFork = method(
  'sessions.fork',
  'operator.write',
  ENTRY,
  async (params, caller, services) => {
    const { principal } = caller;
    const { key, agentId } = keyOf(caller, params.sessionKey);
    expectAgent('sessions.fork', caller, params.agentId, agentId);
    countSend(caller, services);
    await services.runs.cleared(principal, key);
    const to = { key: freshKey(agentId), agentId, timestamp: services.now() };
    const made = orRefuse(
      services,
      key,
      await services.store.fork(principal, key, params.entryId, to),
    );
    services.hub.sessionChanged(principal, to.key, 'fork', made.session);
    return { sessionKey: to.key, ...forEditor(services, caller, key, made.message) };
  },
);

/** What a client puts into its editor: the message that is to be written again. */
function forEditor(
  { store }: Services,
  { principal }: Caller,
  key: string,
  message: MessageRecord | undefined,
) {
  if (!message) return {};
  const text = message.content.flatMap((block) => (block.type === 'text' ? [block.text] : []));
  const files = message.content.flatMap((block) => {
    if (block.type !== 'image') return [];
    const file = store.attachment(principal, key, message.seq, block.attachment);
    const data = file && Buffer.from(file.bytes).toString('base64');
    return data === undefined ? [] : [{ mimeType: block.mimeType, data }];
  });
  return {
    editorText: text.join('\n'),
    ...(files.length > 0 && { editorAttachments: files }),
  };
}

const SESSION = {
  type: 'object',
  properties: { sessionKey: SESSION_KEY, agentId: AGENT_ID },
  required: ['sessionKey'],
} as const;

export const sessionsBranchesList = method(
  'sessions.branches.list',
  'operator.read',
  SESSION,
  (params, caller, services) => {
    const { key, agentId } = keyOf(caller, params.sessionKey);
    expectAgent('sessions.branches.list', caller, params.agentId, agentId);
    const branches = services.store.branches(caller.principal, key) ?? sessionNotFound(key);
    return {
      branches: branches.map((branch) => ({
        leafEntryId: branch.leafId,
        headline: branch.headline,
        messageCount: branch.messageCount,
        updatedAt: new Date(branch.updatedAt).toISOString(),
        active: branch.active,
      })),
    };
  },
);

const SWITCH = {
  type: 'object',
  properties: { sessionKey: SESSION_KEY, agentId: AGENT_ID, leafEntryId: ENTRY_ID },
  required: ['sessionKey', 'leafEntryId'],
} as const;

export const sessionsBranchesSwitch = method(
  'sessions.branches.switch',
  'operator.write',
  SWITCH,
  async (params, caller, services) => {
    const { principal } = caller;
    const { key, agentId } = keyOf(caller, params.sessionKey);
    expectAgent('sessions.branches.switch', caller, params.agentId, agentId);
    await services.runs.cleared(principal, key);
    const { store, hub } = services;
    const moved = orRefuse(
      services,
      key,
      await store.switchBranch(principal, key, params.leafEntryId),
    );
    hub.sessionChanged(principal, key, 'switch', moved.session);
    return {};
  },
);

function orRefuse(
  services: Services,
  key: string,
  moved: Moved,
): Extract<Moved, { outcome: 'moved' }> {
  return moved.outcome === 'moved' ? moved : refuseMove(services, key, moved.reason);
}

function refuseMove(services: Services, key: string, reason: MoveRefusal): never {
  switch (reason) {
    case 'not_found':
      return sessionNotFound(key);
    case 'no_message':
      return refuse('ENTRY_NOT_FOUND', 'The conversation has no message of this id.');
    case 'not_user':
      return refuse('ENTRY_NOT_FOUND', "entryId must be the id of one of the user's messages.");
    case 'stale_leaf':
      return refuse('STALE_LEAF', 'The conversation has moved on; load it and try again.');
    case 'busy': {
      const message = 'An answer is under way; abort it, or wait for its end, and try again.';
      return refuse('SESSION_BUSY', message);
    }
    case 'exists':
      return refuse('SESSION_EXISTS', 'A session of that key exists already.');
    case 'storage_full':
      return storageFull(services);
  }
}
