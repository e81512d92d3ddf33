/** Finds conversations by title and messages by their words. */

import { useEffect, useState } from 'preact/hooks';
import type { Actions, Hit } from '../actions.ts';
import type { Chat } from '../chat.ts';
import { texts } from '../i18n.ts';
import type { Session } from '../store/sessions.ts';
import { Dialog } from './dialog.tsx';

interface Props {
  readonly chat: Chat;
  readonly actions: Actions;
  readonly onOpen: (sessionKey: string, messageId: string | undefined) => void;
  readonly onClose: () => void;
}

interface Found {
  readonly sessions: readonly Session[];
  readonly hits: readonly Hit[];
}

/** Milliseconds without a key before the gateway is asked. */
const PAUSE_MS = 150;

export function SearchDialog({ chat, actions, onOpen, onClose }: Props) {
  const t = texts.value;
  const [query, setQuery] = useState('');
  const [found, setFound] = useState<Found>();
  const [at, setAt] = useState(0);
  useEffect(() => {
    setAt(0);
    if (query.trim() === '') {
      setFound(undefined);
      return undefined;
    }
    let wanted = true;
    const timer = setTimeout(() => {
      void find(chat, actions, query.trim()).then((result) => wanted && setFound(result));
    }, PAUSE_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [query]);

  const sessions =
    found?.sessions ?? (query.trim() === '' ? chat.sessions.sessions.value.slice(0, 8) : []);
  const hits = found?.hits ?? [];
  const choices = [
    ...sessions.map((session) => ({ key: session.key, messageId: undefined })),
    ...hits.map((hit) => ({ key: hit.sessionKey, messageId: hit.messageId })),
  ];
  const choose = (index: number) => {
    const choice = choices[index];
    if (choice) onOpen(choice.key, choice.messageId);
  };
  const titleOf = (key: string) =>
    chat.sessions.sessions.value.find((each) => each.key === key)?.title ?? t.untitled;
  return (
    <Dialog label={t.search} class="search" onClose={onClose}>
      <input
        type="text"
        role="combobox"
        list={undefined}
        aria-expanded={choices.length > 0}
        aria-controls="found"
        aria-activedescendant={choices.length > 0 ? `found-${at}` : undefined}
        aria-label={t.searchPlaceholder}
        placeholder={t.searchPlaceholder}
        value={query}
        onInput={(event) => setQuery(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.isComposing || event.keyCode === 229) return;
          if (event.key === 'ArrowDown') setAt(Math.min(at + 1, choices.length - 1));
          else if (event.key === 'ArrowUp') setAt(Math.max(at - 1, 0));
          else if (event.key === 'Enter') choose(at);
          else return;
          event.preventDefault();
        }}
      />
      {choices.length === 0 && found && <p class="note">{t.nothingFound}</p>}
      {choices.length > 0 && (
        <ul id="found" role="listbox" aria-label={t.search}>
          {choices.map((choice, index) => {
            const hit = hits[index - sessions.length];
            return [
              hits.length > 0 && index === sessions.length && (
                <li key="messages" class="head-line" role="presentation">
                  {t.foundMessages}
                </li>
              ),
              <li
                key={`${choice.key} ${choice.messageId ?? ''}`}
                id={`found-${index}`}
                role="option"
                aria-selected={index === at}
                onMouseMove={() => setAt(index)}
                onClick={() => choose(index)}
              >
                <span dir="auto">{titleOf(choice.key)}</span>
                {hit && <small dir="auto">{hit.snippet}</small>}
              </li>,
            ];
          })}
        </ul>
      )}
    </Dialog>
  );
}

/** Asks the gateway; without it, the titles that are known here. */
async function find(chat: Chat, actions: Actions, query: string): Promise<Found> {
  const state = chat.connection.state.value;
  const methods = state.kind === 'connected' ? state.hello.methods : new Set<string>();
  const [sessions, hits] = await Promise.all([
    actions.findSessions(query).catch(() => knownTitles(chat, query)),
    methods.has('sessions.search') ? actions.findMessages(query).catch(() => []) : [],
  ]);
  return { sessions, hits };
}

function knownTitles(chat: Chat, query: string): Session[] {
  const wanted = query.toLowerCase();
  return chat.sessions.sessions.value.filter((each) => each.title?.toLowerCase().includes(wanted));
}
