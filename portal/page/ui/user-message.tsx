/** What the user said: a short bubble on the right, or an editor in its place. */

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Actions } from '../actions.ts';
import type { Chat } from '../chat.ts';
import { texts } from '../i18n.ts';
import { type Message, plainText } from '../messages.ts';
import type { Outgoing } from '../store/outbox.ts';
import { CopyButton } from './copy-button.tsx';
import { rescueFocus } from './focus.ts';
import { Pencil } from './icons.tsx';
import type { Item } from './items.ts';
import { useLater } from './later.ts';
import { Pictures, picturesOfEntry, picturesOfMessage } from './pictures.tsx';

interface Props {
  readonly item: Extract<Item, { kind: 'user' | 'outgoing' }>;
  readonly chat: Chat;
  readonly actions: Actions;
  readonly isEditing: boolean;
  readonly onEdit: (key: string | undefined) => void;
}

export function UserMessage({ item, chat, actions, isEditing, onEdit }: Props) {
  const t = texts.value;
  const words = item.kind === 'user' ? plainText(item.message) : item.entry.text;
  const entry = item.kind === 'user' ? item.unacknowledged : item.entry;
  if (isEditing && item.kind === 'user') {
    return (
      <Editor
        words={words}
        onCancel={() => onEdit(undefined)}
        onSend={(changed) => {
          onEdit(undefined);
          actions.resend(item.message, changed);
        }}
      />
    );
  }
  return (
    <article class="user">
      <h2 class="unseen">{t.you}</h2>
      <Pictures
        chat={chat}
        pictures={
          item.kind === 'user' ? picturesOfMessage(item.message) : picturesOfEntry(item.entry)
        }
      />
      {words !== '' && <Bubble words={words} />}
      {item.kind === 'user' && item.message.truncated && (
        <p class="note">
          {t.truncated}{' '}
          <button
            type="button"
            class="link"
            onClick={() => void actions.wholeMessage(item.message)}
          >
            {t.showAll}
          </button>
        </p>
      )}
      {entry && <Fate entry={entry} isShown={item.kind === 'user'} chat={chat} actions={actions} />}
      {item.kind === 'user' && item.queued && <p class="note">{t.queued}</p>}
      {item.kind === 'user' && (
        <div class="actions">
          <CopyButton text={words} label={t.copy} />
          {canEdit(chat, item.message) && (
            <button
              type="button"
              class="quiet icon"
              aria-label={t.edit}
              title={t.edit}
              onClick={() => onEdit(item.key)}
            >
              <Pencil />
            </button>
          )}
        </div>
      )}
    </article>
  );
}

/** Very long words scroll in their bubble, so that the answer to them is not a mile away. */
function Bubble({ words }: { readonly words: string }) {
  if (words.length < MANY_CHARS) {
    return (
      <div class="bubble" dir="auto">
        {words}
      </div>
    );
  }
  return (
    // What scrolls must be reachable by keyboard.
    <div class="bubble tall" dir="auto" tabIndex={0} role="region" aria-label={texts.value.you}>
      {words}
    </div>
  );
}

const MANY_CHARS = 2_000;

export function canEdit(chat: Chat, message: Message): boolean {
  const state = chat.connection.state.value;
  if (state.kind === 'connected' && !state.hello.methods.has('sessions.rewind')) return false;
  return message.id !== '';
}

/** How it stands with a message that the gateway has not acknowledged yet. */
function Fate({
  entry,
  isShown,
  chat,
  actions,
}: {
  readonly entry: Outgoing;
  /** The conversation has it already, so that nothing here would take it back. */
  readonly isShown: boolean;
  readonly chat: Chat;
  readonly actions: Actions;
}) {
  const t = texts.value;
  const discard = () => {
    actions.discard(entry);
    rescueFocus();
  };
  const retry = () => {
    actions.retry(entry);
    rescueFocus();
  };
  if (entry.failed !== undefined) {
    return (
      <p class="note problem" role="alert">
        {t.notSent}: {reasonOf(entry)}{' '}
        <button type="button" class="link" onClick={retry}>
          {t.retry}
        </button>{' '}
        <button type="button" class="link" onClick={discard}>
          {t.discard}
        </button>
      </p>
    );
  }
  const connected = chat.connection.state.value.kind === 'connected';
  if (connected) return <Sending />;
  return (
    <p class="note">
      {t.waiting}{' '}
      {!isShown && (
        <button type="button" class="link" onClick={discard}>
          {t.discard}
        </button>
      )}
    </p>
  );
}

/** Milliseconds without an acknowledgement after which it is said that this takes long. */
const SLOW_MS = 5_000;

/** A link may be dead for as long as the gateway's next sign of life is due before anybody knows. */
function Sending() {
  const t = texts.value;
  const slow = useLater(SLOW_MS);
  return <p class={slow ? 'note' : 'note late'}>{slow ? t.sendingSlowly : t.sending}</p>;
}

/** In the reader's language, where the code is one that a reader can do something about. */
function reasonOf({ failed, failedCode }: Outgoing): string | undefined {
  const known: Readonly<Record<string, string>> = texts.value.notSentReasons;
  return (failedCode === undefined ? undefined : known[failedCode]) ?? failed;
}

function Editor({
  words,
  onCancel,
  onSend,
}: {
  readonly words: string;
  readonly onCancel: () => void;
  readonly onSend: (words: string) => void;
}) {
  const t = texts.value;
  const [draft, setDraft] = useState(words);
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(words.length, words.length);
    return rescueFocus;
  }, []);
  useLayoutEffect(() => {
    if (!area.current) return;
    area.current.style.height = 'auto';
    area.current.style.height = `${area.current.scrollHeight}px`;
  }, [draft]);
  const send = () => {
    if (draft.trim() !== '') onSend(draft);
  };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={area}
        value={draft}
        dir="auto"
        aria-label={t.editLabel}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.isComposing || event.keyCode === 229) return;
          if (event.key === 'Enter' && !event.shiftKey) {
            event.preventDefault();
            send();
          } else if (event.key === 'Escape') {
            event.stopPropagation();
            onCancel();
          }
        }}
      />
      <div class="editor-row">
        <button type="button" class="plain" onClick={onCancel}>
          {t.cancel}
        </button>
        <button type="submit" class="primary" disabled={draft.trim() === ''}>
          {t.sendEdited}
        </button>
      </div>
    </form>
  );
}
