/** The conversations, newest first. */

import { useRef, useState } from 'preact/hooks';
import type { Actions } from '../actions.ts';
import type { Chat } from '../chat.ts';
import { language, texts } from '../i18n.ts';
import type { Session } from '../store/sessions.ts';
import { Confirm } from './confirm.tsx';
import { groupByDay } from './days.ts';
import { rescueFocus } from './focus.ts';
import { Close, NewChat, Pencil, Search, Trash } from './icons.tsx';
import { Settings } from './settings.tsx';

interface Props {
  readonly chat: Chat;
  readonly actions: Actions;
  readonly userId: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly onSearch: () => void;
  readonly onSignOut: () => void;
}

export function Rail(props: Props) {
  const { chat, actions, userId, isOpen, onClose, onSearch, onSignOut } = props;
  const t = texts.value;
  const { sessions, hasMore } = chat.sessions;
  const [removing, setRemoving] = useState<Session>();
  const groups = groupByDay(sessions.value, language.value, t);
  return (
    <nav class={isOpen ? 'rail open' : 'rail'} aria-label={t.conversations}>
      <div class="rail-head">
        <button
          type="button"
          class="rail-button"
          onClick={() => {
            chat.openNew();
            onClose();
          }}
        >
          <NewChat />
          <span>{t.newChat}</span>
        </button>
        <button
          type="button"
          class="quiet icon only-narrow"
          aria-label={t.closeMenu}
          onClick={onClose}
        >
          <Close />
        </button>
      </div>
      <button
        type="button"
        class="rail-button"
        onClick={onSearch}
        aria-keyshortcuts="Control+K Meta+K"
      >
        <Search />
        <span>{t.search}</span>
        <kbd>{/Mac|iP/.test(navigator.platform) ? '⌘K' : 'Ctrl K'}</kbd>
      </button>
      <div class="rail-list">
        {groups.map((group) => (
          <section key={group.title} aria-label={group.title}>
            <h2>{group.title}</h2>
            <ul>
              {group.sessions.map((session) => (
                <SessionRow
                  key={session.key}
                  session={session}
                  isCurrent={session.key === chat.current.value.key}
                  onOpen={() => {
                    chat.open(session.key);
                    onClose();
                  }}
                  onRename={(label) => actions.rename(session.key, label)}
                  onRemove={() => setRemoving(session)}
                />
              ))}
            </ul>
          </section>
        ))}
        {hasMore.value && (
          <button type="button" class="link" onClick={actions.moreSessions}>
            {t.more}
          </button>
        )}
      </div>
      <Settings userId={userId} onSignOut={onSignOut} />
      {removing && (
        <Confirm
          title={t.removeTitle}
          body={t.removeBody(removing.title ?? t.untitled)}
          action={t.remove}
          onConfirm={() => void actions.remove(removing.key).then(rescueFocus)}
          onClose={() => setRemoving(undefined)}
        />
      )}
    </nav>
  );
}

interface RowProps {
  readonly session: Session;
  readonly isCurrent: boolean;
  readonly onOpen: () => void;
  readonly onRename: (label: string) => void;
  readonly onRemove: () => void;
}

function SessionRow({ session, isCurrent, onOpen, onRename, onRemove }: RowProps) {
  const t = texts.value;
  const [renaming, setRenaming] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const title = session.title ?? t.untitled;
  if (renaming) {
    return (
      <li>
        <RenameField
          title={title}
          onDone={(label) => {
            setRenaming(false);
            if (label !== undefined) onRename(label);
            // The field that had the focus is gone; the row takes it back.
            requestAnimationFrame(() => opener.current?.focus());
          }}
        />
      </li>
    );
  }
  return (
    <li class={isCurrent ? 'session current' : 'session'}>
      <button
        ref={opener}
        type="button"
        class="session-open"
        aria-current={isCurrent ? 'page' : undefined}
        onClick={onOpen}
      >
        <span class="session-title" dir="auto">
          {title}
        </span>
        {session.running && <i class="pulse" role="img" aria-label={t.answering} />}
        {!session.running && session.unread && !isCurrent && (
          <i class="dot-unread" role="img" aria-label={t.unread} />
        )}
      </button>
      <span class="session-tools">
        <button
          type="button"
          class="quiet icon"
          aria-label={`${t.rename}: ${title}`}
          title={t.rename}
          onClick={() => setRenaming(true)}
        >
          <Pencil />
        </button>
        <button
          type="button"
          class="quiet icon"
          aria-label={`${t.remove}: ${title}`}
          title={t.remove}
          onClick={onRemove}
        >
          <Trash />
        </button>
      </span>
    </li>
  );
}

function RenameField({
  title,
  onDone,
}: {
  readonly title: string;
  readonly onDone: (label: string | undefined) => void;
}) {
  const over = useRef(false);
  const done = (label: string | undefined) => {
    if (over.current) return;
    over.current = true;
    onDone(label);
  };
  return (
    <input
      class="rename"
      aria-label={texts.value.rename}
      defaultValue={title}
      maxLength={200}
      ref={(input) => {
        if (input && document.activeElement !== input) {
          input.focus();
          input.select();
        }
      }}
      onKeyDown={(event) => {
        if (event.isComposing || event.keyCode === 229) return;
        if (event.key === 'Enter') done(event.currentTarget.value);
        if (event.key === 'Escape') {
          event.stopPropagation();
          done(undefined);
        }
      }}
      onBlur={(event) => done(event.currentTarget.value)}
    />
  );
}
