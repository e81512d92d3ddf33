import { useState } from 'preact/hooks';
import { type Portal, PortalError } from '../api.ts';
import { texts } from '../i18n.ts';
import type { Texts } from '../text-en.ts';
import { LanguageSwitch } from './settings.tsx';

interface Props {
  readonly portal: Portal;
  /** Why the page asks again, if it does. */
  readonly notice: 'session_ended' | 'bad_ticket' | undefined;
  readonly onSignedIn: () => void;
}

export function SignInPage({ portal, notice, onSignedIn }: Props) {
  const t = texts.value;
  const [problem, setProblem] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const submit = async (form: HTMLFormElement) => {
    const given = new FormData(form);
    setBusy(true);
    setProblem(undefined);
    try {
      await portal.login(fieldOf(given, 'username').trim(), fieldOf(given, 'password'));
      onSignedIn();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  const said = problem === undefined ? noticeText(notice, t) : problemText(problem, t);
  return (
    <main class="gate">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <Mark />
        <h1>{t.signIn}</h1>
        <p class="lead">{t.signInLead}</p>
        {said !== undefined && (
          <p class={problem === undefined ? 'notice' : 'notice problem'} role="alert">
            {said}
          </p>
        )}
        <label>
          <span>{t.userName}</span>
          <input
            name="username"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            required={true}
            autofocus={true}
          />
        </label>
        <label>
          <span>{t.password}</span>
          <input name="password" type="password" autocomplete="current-password" required={true} />
        </label>
        <button type="submit" class="primary wide" disabled={busy}>
          {busy ? t.signingIn : t.signIn}
        </button>
      </form>
      <div class="gate-foot">
        <LanguageSwitch />
      </div>
    </main>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="40" height="40" aria-hidden="true">
      <rect width="32" height="32" rx="9" fill="currentColor" />
      <path
        d="M9 12.5A3.5 3.5 0 0 1 12.5 9h7a3.5 3.5 0 0 1 3.5 3.5v4a3.5 3.5 0 0 1-3.5 3.5H16l-4.5 3.5V20A3.5 3.5 0 0 1 9 16.5z"
        fill="var(--paper)"
      />
    </svg>
  );
}

function fieldOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value : '';
}

function noticeText(notice: Props['notice'], t: Texts): string | undefined {
  switch (notice) {
    case 'session_ended':
      return t.sessionEnded;
    case 'bad_ticket':
      return t.badTicket;
    case undefined:
      return undefined;
  }
}

export function problemText(problem: unknown, t: Texts): string {
  if (!(problem instanceof PortalError)) return t.portalBroken;
  if (problem.status === 0) return t.portalUnreachable;
  if (problem.status === 429) return t.tooManyTries(Math.ceil((problem.retryAfterMs ?? 0) / 1000));
  return problem.status < 500 ? t.wrongPassword : t.portalBroken;
}
