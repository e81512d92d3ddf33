/** The whole of a signed-in page: rail, header, conversation, composer. */

import { useEffect, useState } from 'preact/hooks';
import type { Actions } from '../actions.ts';
import type { Chat } from '../chat.ts';
import { texts } from '../i18n.ts';
import { Composer } from './composer.tsx';
import { rescueFocus } from './focus.ts';
import { Header } from './header.tsx';
import { Rail } from './rail.tsx';
import { SearchDialog } from './search.tsx';
import { StatusLine } from './status-line.tsx';
import { TranscriptView } from './transcript-view.tsx';
import { canEdit } from './user-message.tsx';

interface Props {
  readonly chat: Chat;
  readonly actions: Actions;
  readonly userId: string;
  readonly onSignIn: () => void;
  readonly onSignOut: () => void;
}

export function ChatView({ chat, actions, userId, onSignIn, onSignOut }: Props) {
  const [railOpen, setRailOpen] = useState(false);
  const [searching, setSearching] = useState(false);
  const [editing, setEditing] = useState<string>();
  const [wanted, setWanted] = useState<string>();
  const transcript = chat.current.value;
  useTitle(chat);
  useKeys({
    search: () => setSearching(true),
    escape: () => {
      if (railOpen) setRailOpen(false);
      else actions.stop();
    },
  });
  useEffect(() => {
    setEditing(undefined);
    setWanted(undefined);
  }, [transcript.key]);

  const openFound = (key: string, messageId: string | undefined) => {
    setSearching(false);
    chat.open(key);
    if (messageId === undefined) return;
    void (async () => {
      await chat.reload(key);
      if (chat.current.value.key !== key) return;
      if (await actions.reach(messageId)) setWanted(messageId);
    })();
  };
  const editLast = (): boolean => {
    const last = transcript.messages.value.findLast((each) => each.role === 'user');
    if (!last || !canEdit(chat, last)) return false;
    edit(`u:${last.runId ?? last.id}`);
    return true;
  };
  /** What was cut short for reading is edited whole, or not at all. */
  const edit = (key: string | undefined) => {
    const message = transcript.messages.value.find(
      (each) => each.role === 'user' && key === `u:${each.runId ?? each.id}`,
    );
    if (!message?.truncated) {
      setEditing(key);
      return;
    }
    void actions.wholeMessage(message).then((whole) => {
      if (whole && chat.current.value === transcript) setEditing(key);
    });
  };
  // Until it is known whether there is something, things stand where they will most likely stay.
  const mayBeEmpty = transcript.loaded.value === 'yes' || chat.isFirstVisit;
  const isEmpty =
    mayBeEmpty &&
    transcript.messages.value.length === 0 &&
    transcript.lives.value.length === 0 &&
    !chat.outbox.entries.value.some((each) => each.sessionKey === transcript.key);
  return (
    <div class="page">
      <Rail
        chat={chat}
        actions={actions}
        userId={userId}
        isOpen={railOpen}
        onClose={() => setRailOpen(false)}
        onSearch={() => {
          setRailOpen(false);
          setSearching(true);
        }}
        onSignOut={onSignOut}
      />
      {railOpen && <div class="shade" onClick={() => setRailOpen(false)} />}
      <div class="main">
        <Header chat={chat} actions={actions} onMenu={() => setRailOpen(true)} />
        <main class={isEmpty ? 'chat empty' : 'chat'}>
          {isEmpty ? (
            <Greeting chat={chat} actions={actions} />
          ) : (
            <TranscriptView
              chat={chat}
              actions={actions}
              editing={editing}
              onEdit={edit}
              wanted={wanted}
              onShown={() => setWanted(undefined)}
            />
          )}
          <div class="foot">
            <Composer chat={chat} actions={actions} editLast={editLast} />
            <StatusLine chat={chat} onSignIn={onSignIn} />
          </div>
        </main>
      </div>
      <p class="unseen" aria-live="polite">
        {chat.announcement.value}
      </p>
      {searching && (
        <SearchDialog
          chat={chat}
          actions={actions}
          onOpen={openFound}
          onClose={() => setSearching(false)}
        />
      )}
    </div>
  );
}

function Greeting({ chat, actions }: Pick<Props, 'chat' | 'actions'>) {
  const t = texts.value;
  const { name, starters, granted } = chat.instance.value;
  // A greeting that goes away again would jump.
  const known = chat.current.value.loaded.value === 'yes';
  const state = chat.connection.state.value;
  const stuck =
    state.kind === 'connecting' ? state.after !== undefined : state.kind !== 'connected';
  const begin = (starter: string) => {
    actions.send(starter, []);
    rescueFocus();
  };
  // Nor is anything promised in a name that is only the address's word.
  if (!granted || (!known && !stuck)) return <div class="greeting" />;
  return (
    <div class="greeting">
      <h2 dir="auto">{t.greeting(name)}</h2>
      <ul class="starters">
        {starters.slice(0, 3).map((starter) => (
          <li key={starter}>
            <button type="button" dir="auto" onClick={() => begin(starter)}>
              {starter}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function useTitle(chat: Chat): void {
  const { key } = chat.current.value;
  const session = chat.sessions.sessions.value.find((each) => each.key === key);
  const title = [session?.title, chat.instance.value.name].filter(Boolean).join(' · ');
  useEffect(() => {
    document.title = title;
  }, [title]);
}

function useKeys(keys: { readonly search: () => void; readonly escape: () => void }): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.isComposing) return;
      if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        keys.search();
      } else if (event.key === 'Escape' && !document.querySelector('dialog[open]')) {
        keys.escape();
      }
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  });
}
