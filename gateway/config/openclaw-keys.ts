/**
 * Keys of openclaw.json that OpenClaw (2026.9.6, from its printed schema) accepts and this gateway
 * does not serve. They load, have no effect and are listed as ignored. A key is listed at the
 * highest level that is not served; what lies below it is not looked at.
 */

/** By the path of the object that holds them; `*` stands for any name, `[]` for any item. */
export const notServed: Readonly<Record<string, readonly string[]>> = {
  '': words(
    'accessGroups acp approvals attachments auth bindings broadcast browser channels cloudWorkers',
    'commands cron desktop diagnostics discovery hooks mcp memory messages meta nodeHost plugins',
    'proxy secrets security skills surfaces talk telemetry tools transcripts tts ui update wizard',
    'worktreeAcceleration worktreeRoot',
  ),
  gateway: words(
    'cliAgents http nodes portals publicOrigin push reload remote roles tailscale terminal tls tools',
  ),
  'gateway.auth': words('allowTailscale password rateLimit token'),
  'gateway.auth.trustedProxy': words('cloudflareAccessOidc deviceAutoApprove'),
  'gateway.controlUi': words(
    'allowExternalEmbedUrls automaticallyFetchFavicons basePath communityInvite',
    'dangerouslyAllowHostHeaderOriginFallback embedSandbox enabled environment experimental github',
    'root sessionObserver',
  ),
  agents: words('ownership'),
  'agents.defaults': words(
    'authInheritance blockStreamingBreak blockStreamingChunk blockStreamingCoalesce',
    'blockStreamingDefault bootstrapMaxChars bootstrapTotalMaxChars compaction contextInjection',
    'contextLimits contextPruning cwd decisionModel elevatedDefault embeddedAgent experimental',
    'fastModeDefault heartbeat humanDelay imageMaxDimensionPx imageModel imageQuality maxConcurrent',
    'mediaModels modelPolicy modelSelectionScope models params pdfMaxMb pdfMaxPages pdfModel',
    'repoRoot sandbox sessionStore silentReply skills skipBootstrap',
    'skipOptionalBootstrapFiles startupContext subagents systemAgent',
    'toolProgressDetail typingIntervalSeconds typingMode userTimezone utilityModel verboseDefault',
    'voiceModel workspace',
  ),
  'agents.entries.*': words(
    'agentDir bootstrapMaxChars bootstrapTotalMaxChars contextInjection contextLimits cwd',
    'decisionModel embeddedAgent experimental fastModeDefault groupChat heartbeat humanDelay memory',
    'modelPolicy models params runtime sandbox skills skillsLimits subagents',
    'thinkingDefault toolProgressDetail tools tts typingMode utilityModel verboseDefault workspace',
  ),
  models: words('catalogRefresh'),
  'models.providers.*': words(
    'agentRuntime auth authHeader injectNumCtxForOpenAICompat localService maxTokens params region',
    'request',
  ),
  'models.providers.*.models[]': words(
    'agentRuntime api baseUrl cost headers mediaInput metadataSource params thinkingLevelMap',
  ),
  session: words(
    'dmScope groupScope identityLinks notifyOnCreate reset resetByChannel resetByType',
    'resetTriggers scope sendPolicy sharing store threadBindings',
  ),
  'session.maintenance': words(
    'archiveDashboardAfter coldStorage highWaterBytes maxDiskBytes preserveRecent',
    'resetArchiveRetention',
  ),
  env: words('shellEnv'),
  logging: words('audit consoleLevel consoleStyle file maxFileBytes redactPatterns'),
};

/** Keys of older files, with what became of them; by full path. */
export const moved: Readonly<Record<string, string>> = {
  'agents.list': 'write the agents as agents.entries: { "<id>": { … } }',
  agent: 'it is agents.defaults now',
  'gateway.token': 'it is gateway.auth.token now, and is not served here: remove it',
};

function words(...lines: string[]): readonly string[] {
  return lines.join(' ').split(' ');
}
