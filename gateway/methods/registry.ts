/** Every method that is served, and every event that is sent: what hello-ok advertises. */

import * as artifacts from './artifacts.ts';
import * as catalog from './catalog.ts';
import * as history from './chat-history.ts';
import * as send from './chat-send.ts';
import type { Method } from './method.ts';
import * as branches from './sessions-branches.ts';
import * as read from './sessions-read.ts';
import * as search from './sessions-search.ts';
import * as write from './sessions-write.ts';
import * as system from './system.ts';

const ALL: readonly Method[] = [
  system.health,
  system.status,
  system.usersSelf,
  send.chatSend,
  send.chatAbort,
  send.chatInject,
  history.chatHistory,
  history.chatStartup,
  history.chatMetadata,
  history.chatMessageGet,
  artifacts.artifactsDownload,
  read.sessionsList,
  read.sessionsDescribe,
  read.sessionsSubscribe,
  read.sessionsMessagesSubscribe,
  read.sessionsMessagesUnsubscribe,
  write.sessionsCreate,
  write.sessionsPatch,
  write.sessionsReset,
  write.sessionsDelete,
  write.sessionsAbort,
  branches.sessionsRewind,
  branches.sessionsFork,
  branches.sessionsBranchesList,
  branches.sessionsBranchesSwitch,
  search.sessionsSearch,
  catalog.agentsList,
  catalog.agentIdentityGet,
  catalog.modelsList,
  catalog.commandsList,
  catalog.questionList,
];

export const METHODS: ReadonlyMap<string, Method> = new Map(ALL.map((each) => [each.name, each]));

export const EVENTS = [
  'connect.challenge',
  'chat',
  'agent',
  'tick',
  'shutdown',
  'sessions.changed',
  'session.message',
] as const;
