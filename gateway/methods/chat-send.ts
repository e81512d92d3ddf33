/** `chat.send`, `chat.abort`, `chat.inject`: what changes a conversation. */

import type { AgentDefinition } from '../../agents/definition.ts';
import { imageBudget } from '../../agents/image-budget.ts';
import type { SendResult } from '../../agents/lanes.ts';
import { noModelMessage } from '../../agents/runs.ts';
import type { NewTurn, RunRecord } from '../../agents/sessions/store.ts';
import { ATTACHMENTS, decodeAttachments, type WireAttachment } from '../attachments.ts';
import { effortOf } from '../catalog.ts';
import { protocolError } from '../protocol/errors.ts';
import { messageBody } from '../session-events.ts';
import { unknownAgent } from '../session-keys.ts';
import { type Caller, method, RequestError, refuse, type Services } from './method.ts';
import {
  countSend,
  expectAgent,
  keyOf,
  mustExist,
  SESSION_KEY,
  sessionNotFound,
  storageFull,
} from './sessions-shared.ts';

/** The bound is the published schema's for run ids (`ChatHistoryParams.inputRunIds`). */
const RUN_ID = { type: 'string', minLength: 1, maxLength: 256 } as const;

const SEND = {
  type: 'object',
  properties: {
    sessionKey: SESSION_KEY,
    agentId: { type: 'string', minLength: 1 },
    sessionId: { type: 'string', minLength: 1 },
    message: { type: 'string' },
    idempotencyKey: RUN_ID,
    attachments: ATTACHMENTS,
    queueMode: { enum: ['steer', 'followup', 'collect', 'interrupt'] },
    timeoutMs: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    thinking: { type: 'string' },
    expectedLeafEntryId: { type: ['string', 'null'], minLength: 1 },
  },
  required: ['sessionKey', 'message', 'idempotencyKey'],
} as const;

export const chatSend = method(
  'chat.send',
  'operator.write',
  SEND,
  async (params, caller, services) => {
    const { key, agentId } = keyOf(caller, params.sessionKey);
    expectAgent('chat.send', caller, params.agentId, agentId);
    return startTurn(services, caller, {
      key,
      agentId,
      runId: params.idempotencyKey.toWellFormed(),
      message: params.message,
      attachments: params.attachments,
      interrupt: params.queueMode === 'interrupt',
      timeoutMs: params.timeoutMs,
      thinking: params.thinking,
      expectedLeafId: params.expectedLeafEntryId ?? undefined,
      expectedSessionId: params.sessionId,
    });
  },
);

export interface TurnRequest {
  key: string;
  agentId: string;
  runId: string;
  message: string;
  attachments?: readonly WireAttachment[] | undefined;
  interrupt?: boolean;
  timeoutMs?: number | undefined;
  thinking?: string | undefined;
  expectedLeafId?: string | undefined;
  expectedSessionId?: string | undefined;
}

/** Makes a turn durable and queues its run; the answer is the acknowledgement that clients know. */
export async function startTurn(services: Services, caller: Caller, turn: TurnRequest) {
  const { principal } = caller;
  const { store, runs } = services;
  // First of all: a page that resends what it is unsure of gets its answer, whatever was configured or chosen since.
  const known = store.run(principal, turn.key, turn.runId);
  const durable = known && (await store.durableRun(principal, turn.key, turn.runId));
  if (durable) return duplicateAck(durable);
  const agent = services.catalog().agents.get(turn.agentId);
  if (!agent) throw new RequestError(unknownAgent(turn.agentId));
  if (agent.models.length === 0 && !store.describe(principal, turn.key)?.model) {
    const configKey = 'agents.defaults.model';
    return refuse('MODEL_NOT_CONFIGURED', noModelMessage(agent.id), { configKey });
  }
  const attachments = decodeAttachments(turn.attachments ?? [], {
    maxBytes: agent.mediaMaxBytes,
    maxTotalBytes: imageBudget(agent),
  });
  if (attachments.length > 0) expectsImages(services, caller, turn, agent);
  const text = turn.message.toWellFormed();
  if (text.trim() === '' && attachments.length === 0) {
    const problem = 'invalid chat.send params: a message or an attachment is required';
    throw new RequestError(protocolError('INVALID_REQUEST', problem));
  }
  countSend(caller, services);
  const thinking = turn.thinking === undefined ? undefined : effortOf(turn.thinking);
  const newTurn: NewTurn = {
    runId: turn.runId,
    agentId: turn.agentId,
    text,
    attachments,
    options: {
      ...(turn.timeoutMs ? { timeoutMs: turn.timeoutMs } : {}),
      ...(thinking !== undefined && { thinking }),
    },
    timestamp: services.now(),
    ...(turn.expectedLeafId !== undefined && { expectedLeafId: turn.expectedLeafId }),
    ...(turn.expectedSessionId !== undefined && { expectedSessionId: turn.expectedSessionId }),
  };
  const how = { interrupt: turn.interrupt ?? false };
  const sent = await runs.send(principal, turn.key, newTurn, how);
  return acknowledge(services, caller, turn.key, sent);
}

/** Refuses what the model that answers would refuse, before it is stored: it would stand in the way for ever. */
function expectsImages(
  { store, catalog }: Services,
  { principal }: Caller,
  turn: TurnRequest,
  agent: AgentDefinition,
): void {
  const chosen = store.describe(principal, turn.key)?.model ?? '';
  const model = catalog().models.get(chosen) ?? agent.models[0];
  if (!model || model.info.input.includes('image')) return;
  const message = `the model ${model.ref} reads text only; choose another model, or send no image`;
  refuse('ATTACHMENT_INVALID', message, { model: model.ref });
}

function acknowledge(services: Services, caller: Caller, key: string, sent: SendResult) {
  const { hub, store } = services;
  const { principal } = caller;
  switch (sent.outcome) {
    case 'accepted': {
      hub.messageAdded(principal, key, () => {
        const id = `${sent.run.sessionId.slice(0, 8)}-${sent.run.messageSeq}`;
        return messageBody(sent.run, store.message(principal, key, id));
      });
      hub.sessionChanged(principal, key, sent.created ? 'create' : 'message');
      return { runId: sent.run.runId, status: 'started', messageSeq: sent.run.messageSeq };
    }
    case 'duplicate':
      return duplicateAck(sent.run);
    case 'refused':
      return refuseSend(services, key, sent.reason);
  }
}

/** The same run id again: its state, never a second run. */
function duplicateAck(run: RunRecord) {
  const { runId, messageSeq } = run;
  switch (run.state) {
    case 'queued':
    case 'running':
      return { runId, status: 'in_flight', messageSeq };
    case 'final':
      return { runId, status: 'ok', messageSeq };
    case 'aborted':
    case 'interrupted':
    case 'error': {
      const summary = run.errorMessage ?? `The run ended as ${run.state}.`;
      return { runId, status: 'error', messageSeq, summary };
    }
  }
}

function refuseSend(
  services: Services,
  key: string,
  reason: Extract<SendResult, { outcome: 'refused' }>['reason'],
): never {
  switch (reason) {
    case 'queue_full': {
      const message = 'Too many messages wait in this session; let some be answered first.';
      return refuse('QUEUE_FULL', message, {}, { retryAfterMs: 2_000 });
    }
    case 'draining': {
      const message = 'The gateway is shutting down; connect again in a moment.';
      return refuse(
        'GATEWAY_DRAINING',
        message,
        { reason: 'gateway-restarting' },
        { retryAfterMs: 1_000 },
      );
    }
    case 'stale_leaf':
      return refuse(
        'STALE_LEAF',
        'The conversation has moved on; load its history and send again.',
      );
    case 'stale_session':
      return refuse(
        'STALE_SESSION',
        'The session was reset meanwhile; load its history and send again.',
      );
    case 'storage_full':
      return storageFull(services);
    case 'not_found':
    case 'exists':
      return sessionNotFound(key);
  }
}

const ABORT = {
  type: 'object',
  properties: { sessionKey: SESSION_KEY, runId: RUN_ID },
  required: ['sessionKey'],
} as const;

export const chatAbort = method(
  'chat.abort',
  'operator.write',
  ABORT,
  async (params, caller, services) => {
    const { key } = keyOf(caller, params.sessionKey);
    const runId = params.runId?.toWellFormed();
    const runIds = await services.runs.abort(caller.principal, key, runId);
    if (runIds.length === 0) mustExist(caller, services, key);
    return { ok: true, aborted: runIds.length > 0, runIds };
  },
);

const INJECT = {
  type: 'object',
  properties: {
    sessionKey: SESSION_KEY,
    message: { type: 'string', minLength: 1 },
    label: { type: 'string', maxLength: 100 },
  },
  required: ['sessionKey', 'message'],
} as const;

export const chatInject = method(
  'chat.inject',
  'operator.admin',
  INJECT,
  async (params, caller, services) => {
    const { key } = keyOf(caller, params.sessionKey);
    const { hub, runs, store } = services;
    await runs.cleared(caller.principal, key);
    const message = await store.inject(caller.principal, key, {
      text: params.message.toWellFormed(),
      timestamp: services.now(),
      ...(params.label !== undefined && { label: params.label.toWellFormed() }),
    });
    if (!message) return sessionNotFound(key);
    hub.messageAdded(caller.principal, key, () => messageBody({ sessionKey: key }, message));
    hub.sessionChanged(caller.principal, key, 'message');
    return { ok: true, messageId: message.id };
  },
);
