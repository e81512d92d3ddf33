import { chooseLanguage, language, texts } from '../i18n.ts';
import { signedInUser } from '../sign-in.ts';
import { chooseTheme, theme } from '../theme.ts';

/** Who is signed in, the language, the appearance. */
export function Settings({ onSignOut }: { readonly onSignOut: () => void }) {
  const t = texts.value;
  const user = signedInUser();
  return (
    <footer class="rail-foot">
      <div class="switches">
        <ThemeSwitch />
        <LanguageSwitch />
      </div>
      <div class="who">
        <span class="who-name">{user?.name}</span>
        <button type="button" class="link" onClick={onSignOut}>
          {t.signOut}
        </button>
      </div>
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
