import type { Language } from '../i18n.ts';
import type { Session } from '../store/sessions.ts';
import type { Texts } from '../text-en.ts';

export interface DayGroup {
  readonly title: string;
  readonly sessions: readonly Session[];
}

/** Conversations under the words that people have for when: today, yesterday, last week, the month. */
export function groupByDay(
  sessions: readonly Session[],
  language: Language,
  t: Texts,
  now = new Date(),
): DayGroup[] {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const day = 24 * 60 * 60 * 1000;
  // Made when it is needed: the first one takes long to make, at the page's first moment.
  let month: Intl.DateTimeFormat | undefined;
  const titleOf = (at: number): string => {
    if (at >= midnight) return t.today;
    if (at >= midnight - day) return t.yesterday;
    if (at >= midnight - 7 * day) return t.lastWeek;
    month ??= new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en', {
      year: 'numeric',
      month: 'long',
    });
    return month.format(at);
  };
  const groups = Map.groupBy(sessions, (session) => titleOf(session.updatedAt));
  return [...groups].map(([title, members]) => ({ title, sessions: members }));
}
