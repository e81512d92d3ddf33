/** An answer: plain text on the page, with its thoughts and tools folded away. */

import type { Token } from 'marked';
import type { Actions } from '../actions.ts';
import type { Chat } from '../chat.ts';
import { texts } from '../i18n.ts';
import { parseMarkdown } from '../markdown/blocks.ts';
import { type Message, type Part, plainText } from '../messages.ts';
import type { Live } from '../store/transcript.ts';
import type { Texts } from '../text-en.ts';
import { CopyButton } from './copy-button.tsx';
import { rescueFocus } from './focus.ts';
import { Again, Alert, Fork } from './icons.tsx';
import type { Item } from './items.ts';
import { Blocks } from './markdown.tsx';

interface Props {
  readonly item: Extract<Item, { kind: 'answer' | 'live' }>;
  readonly chat: Chat;
  readonly actions: Actions;
}

/**
 * The same component while it is written and after, with the same parts in the same places: when an
 * answer ends, nothing is built anew.
 */
export function Answer({ item, chat, actions }: Props) {
  const isLive = item.kind === 'live';
  return (
    <article class={isLive ? 'answer live' : 'answer'} aria-busy={isLive}>
      <h2 class="unseen">{texts.value.assistant}</h2>
      {isLive ? livingParts(item.live) : finishedParts(item.message)}
      {item.kind === 'answer' && <End message={item.message} chat={chat} actions={actions} />}
    </article>
  );
}

/** Drawn once per frame, and only what is new. */
function livingParts(live: Live) {
  const { closed, open } = live.parsed.value;
  const thinking = live.thinking.value;
  const silent = closed.length === 0 && open.length === 0;
  return [
    thinking !== '' && <Thoughts key="thinking 0" text={thinking} now={silent} />,
    silent && thinking === '' && <Dots key="dots" />,
    !silent && <Prose key="text 0" tokens={[...closed, ...open]} />,
  ];
}

function finishedParts(message: Message) {
  const seen = new Map<string, number>();
  return message.parts.map((part) => {
    const nth = seen.get(part.type) ?? 0;
    seen.set(part.type, nth + 1);
    return partOf(part, `${part.type} ${nth}`);
  });
}

function partOf(part: Part, key: string) {
  const t = texts.value;
  switch (part.type) {
    case 'text':
      return <Prose key={key} tokens={parseMarkdown(part.text)} />;
    case 'thinking':
      return <Thoughts key={key} text={part.text} now={false} />;
    case 'tool':
      return (
        <details key={key} class="fold">
          <summary>{part.failed ? t.toolFailed(part.name) : t.tool(part.name)}</summary>
          {part.input !== '' && <Lines label={t.toolInput} text={part.input} />}
          {part.output !== undefined && <Lines label={t.toolOutput} text={part.output} />}
        </details>
      );
    case 'image':
      return (
        <p key={key} class="note">
          {t.image(part.name ?? '')}
        </p>
      );
  }
}

function Dots() {
  return (
    <p class="dots" role="img" aria-label={texts.value.thinking}>
      <i />
      <i />
      <i />
    </p>
  );
}

function Prose({ tokens }: { readonly tokens: readonly Token[] }) {
  return (
    <div class="prose">
      <Blocks tokens={tokens} />
    </div>
  );
}

interface EndProps extends Omit<Props, 'item'> {
  readonly message: Message;
}

/** What stands below a finished answer: how it ended, and what can be done with it. */
function End({ message, chat, actions }: EndProps) {
  const t = texts.value;
  const words = plainText(message);
  const { state } = message;
  return (
    <>
      {message.truncated && (
        <p class="note">
          {t.truncated}{' '}
          <button type="button" class="link" onClick={() => void actions.wholeMessage(message)}>
            {t.showAll}
          </button>
        </p>
      )}
      {state === 'error' && <Failure message={message} actions={actions} />}
      {state === 'aborted' && <p class="note">{t.stopped}</p>}
      {state === 'interrupted' && <p class="note">{t.interrupted}</p>}
      <div class="actions">
        {words !== '' && <CopyButton text={words} label={t.copy} />}
        {state !== 'error' && canRegenerate(chat, message) && (
          <button
            type="button"
            class="quiet icon"
            aria-label={t.regenerate}
            title={t.regenerate}
            onClick={() => again(actions, message)}
          >
            <Again />
          </button>
        )}
        {state !== 'error' && message.id !== '' && serves(chat, 'sessions.fork') && (
          <button
            type="button"
            class="quiet icon"
            aria-label={t.fork}
            title={t.fork}
            onClick={() => actions.fork(message)}
          >
            <Fork />
          </button>
        )}
        {message.outputTokens !== undefined && (
          <span class="figures" title={speedOf(message)}>
            {t.tokens(message.outputTokens)}
          </span>
        )}
      </div>
    </>
  );
}

/** The answer goes, and the button with it. */
function again(actions: Actions, { runId }: Message): void {
  actions.regenerate(runId);
  rescueFocus();
}

/** How fast it came, for those who ask. */
function speedOf({ timing, outputTokens }: Message): string | undefined {
  if (!timing || outputTokens === undefined) return undefined;
  const seconds = Math.max(0.001, (timing.totalMs - timing.firstTextMs) / 1000);
  const rate = Math.round(outputTokens / seconds);
  return texts.value.speed((timing.firstTextMs / 1000).toFixed(1), String(rate));
}

function canRegenerate(chat: Chat, message: Message): boolean {
  return message.runId !== undefined && serves(chat, 'sessions.rewind');
}

/** As far as is known: without a connection, what is asked for is said not to be possible now. */
function serves(chat: Chat, method: string): boolean {
  const state = chat.connection.state.value;
  return state.kind !== 'connected' || state.hello.methods.has(method);
}

function Failure({ message, actions }: Pick<EndProps, 'message' | 'actions'>) {
  const t = texts.value;
  const { title, body } = failureOf(message, t);
  return (
    <div class="failure" role="alert">
      <Alert />
      <div>
        <strong>{title}</strong>
        <p>{body}</p>
        {/* For whoever runs this: it names what customers have never heard of. */}
        {message.error !== undefined && (
          <details>
            <summary>{t.more}</summary>
            <p>{message.error}</p>
          </details>
        )}
      </div>
      {message.runId !== undefined && (
        <button type="button" class="plain" onClick={() => again(actions, message)}>
          {t.retry}
        </button>
      )}
    </div>
  );
}

/** Kinds that say something of the question, however much of an answer there is. */
const OF_THE_QUESTION: ReadonlySet<string> = new Set(['context_length', 'refusal']);

function failureOf(message: Message, t: Texts): { title: string; body: string } {
  const { errorKind = '' } = message;
  if (plainText(message) !== '' && !OF_THE_QUESTION.has(errorKind)) {
    return { title: t.brokeOff, body: t.brokeOffBody };
  }
  const kinds: Readonly<Record<string, string>> = t.failedKinds;
  return { title: t.failed, body: kinds[errorKind] ?? t.failedSomehow };
}

function Thoughts({ text, now }: { readonly text: string; readonly now: boolean }) {
  const t = texts.value;
  return (
    <details class="fold">
      <summary class={now ? 'busy' : undefined}>{now ? t.thinking : t.thought}</summary>
      <p class="thoughts" dir="auto">
        {text}
      </p>
    </details>
  );
}

function Lines({ label, text }: { readonly label: string; readonly text: string }) {
  return (
    <>
      <p class="note">{label}</p>
      {/* What scrolls must be reachable by keyboard. */}
      <pre tabIndex={0} role="region" aria-label={label} dir="auto">
        {text}
      </pre>
    </>
  );
}
