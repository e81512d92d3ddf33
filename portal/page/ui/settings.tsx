import { useState } from 'preact/hooks';
import { chooseLanguage, language, texts } from '../i18n.ts';
import { signedInUser } from '../sign-in.ts';
import { countUnsent } from '../store/outbox.ts';
import { chooseTheme, theme } from '../theme.ts';
import { Confirm } from './confirm.tsx';

interface Props {
  readonly userId: string;
  readonly onSignOut: () => void;
}

/** Who is signed in, the language, the appearance. */
export function Settings({ userId, onSignOut }: Props) {
  const t = texts.value;
  const user = signedInUser();
  const [unsent, setUnsent] = useState(0);
  const signOut = () => {
    const waiting = countUnsent(userId);
    if (waiting > 0) setUnsent(waiting);
    else onSignOut();
  };
  return (
    <footer class="rail-foot">
      <div class="switches">
        <ThemeSwitch />
        <LanguageSwitch />
      </div>
      <div class="who">
        <span class="who-name">{user?.name}</span>
        <button type="button" class="link" onClick={signOut}>
          {t.signOut}
        </button>
      </div>
      {unsent > 0 && (
        <Confirm
          title={t.signOutTitle}
          body={t.signOutBody(unsent)}
          action={t.signOutDiscard}
          onConfirm={onSignOut}
          onClose={() => setUnsent(0)}
        />
      )}
    </footer>
  );
}

export function LanguageSwitch() {
  return (
    <select
      aria-label={texts.value.language}
      value={language.value}
      onChange={(event) => chooseLanguage(event.currentTarget.value === 'zh' ? 'zh' : 'en')}
    >
      <option value="en">English</option>
      <option value="zh">中文</option>
    </select>
  );
}

function ThemeSwitch() {
  const t = texts.value;
  return (
    <select
      aria-label={t.theme}
      value={theme.value}
      onChange={(event) => {
        const wanted = event.currentTarget.value;
        chooseTheme(wanted === 'light' || wanted === 'dark' ? wanted : 'auto');
      }}
    >
      <option value="auto">{t.themeAuto}</option>
      <option value="light">{t.themeLight}</option>
      <option value="dark">{t.themeDark}</option>
    </select>
  );
}
