/** One line that says what is so. */

import { useEffect, useState } from 'preact/hooks';
import type { Chat } from '../chat.ts';
import type { ConnectionState } from '../connection.ts';
import { texts } from '../i18n.ts';
import { rescueFocus } from './focus.ts';
import { itemsOf } from './items.ts';
import { useLater } from './later.ts';

interface Props {
  readonly chat: Chat;
  readonly onSignIn: () => void;
}

export function StatusLine({ chat, onSignIn }: Props) {
  const state = chat.connection.state.value;
  return (
    <div class="status" role="status" data-state={state.kind}>
      <Said state={state} chat={chat} onSignIn={onSignIn} />
      <Told chat={chat} />
    </div>
  );
}

const NOTICE_MS = 8_000;

/** Why something was not done. It goes by itself: nothing depends on it. */
function Told({ chat }: Pick<Props, 'chat'>) {
  const notice = chat.notice.value;
  useEffect(() => {
    if (notice === undefined) return undefined;
    const timer = setTimeout(() => {
      chat.notice.value = undefined;
    }, NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  return notice === undefined ? null : <span class="told">{texts.value.notices[notice]}</span>;
}

function Said({ state, chat, onSignIn }: Props & { readonly state: ConnectionState }) {
  const t = texts.value;
  switch (state.kind) {
    case 'connecting':
      if (state.after !== undefined) {
        return <span>{t.retrying(t.retryReasons[state.after], 0)}</span>;
      }
      return <Late>{t.connecting}</Late>;
    case 'connected':
      return <Connected chat={chat} modelConfigured={state.hello.modelConfigured} />;
    case 'offline':
      return (
        <>
          <span>{t.offline}</span>
          <TryNow chat={chat} />
        </>
      );
    case 'retrying':
      return (
        <>
          <Countdown reason={t.retryReasons[state.reason]} at={state.at} />
          {state.code !== undefined && <code>{state.code}</code>}
          <TryNow chat={chat} />
        </>
      );
    case 'stopped': {
      const signedOut = state.reason === 'signed_out';
      return (
        <>
          <span class="problem">
            {t.stopReasons[state.reason]}
            {state.detail && state.detail !== state.reason && <code>{state.detail}</code>}
          </span>
          <button
            type="button"
            class="link"
            onClick={() => {
              if (signedOut) onSignIn();
              else tryNow(chat);
            }}
          >
            {signedOut ? t.signIn : t.tryAgain}
          </button>
        </>
      );
    }
  }
}

/** The button that asked for it goes meanwhile. */
function tryNow(chat: Chat): void {
  chat.connection.retryNow();
  rescueFocus();
}

function TryNow({ chat }: Pick<Props, 'chat'>) {
  return (
    <button type="button" class="link" onClick={() => tryNow(chat)}>
      {texts.value.retryNow}
    </button>
  );
}

function Connected({
  chat,
  modelConfigured,
}: {
  readonly chat: Chat;
  readonly modelConfigured: boolean;
}) {
  const t = texts.value;
  const { messages, lives } = chat.current.value;
  const queued = itemsOf(messages.value, lives.value, []).some(
    (item) => item.kind === 'user' && item.queued,
  );
  if (!modelConfigured) return <span class="problem">{t.noModel}</span>;
  return queued ? <span>{t.busy}</span> : null;
}

/** A connection that takes no time is not worth a word. */
function Late({ children }: { readonly children: string }) {
  const due = useLater(400);
  return due ? <span>{children}</span> : null;
}

function Countdown({ reason, at }: { readonly reason: string; readonly at: number }) {
  const left = () => Math.max(0, Math.ceil((at - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    const timer = setInterval(() => setSeconds(left()), 250);
    return () => clearInterval(timer);
  }, [at]);
  // Told once to a screen reader, not every second.
  return (
    <>
      <span aria-hidden="true">{texts.value.retrying(reason, seconds)}</span>
      <span class="unseen">{reason}</span>
    </>
  );
}
