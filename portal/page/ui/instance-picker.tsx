import { useEffect, useState } from 'preact/hooks';
import { addressOf } from '../address.ts';
import { type Instance, type Portal, PortalError } from '../api.ts';
import { texts } from '../i18n.ts';
import { LanguageSwitch } from './settings.tsx';
import { Mark, problemText } from './sign-in-page.tsx';

interface Props {
  readonly portal: Portal;
  readonly onSignedOut: () => void;
}

/** The address names no instance: says so, and offers those that the user has. */
export function InstancePicker({ portal, onSignedOut }: Props) {
  const t = texts.value;
  const [instances, setInstances] = useState<readonly Instance[]>();
  const [problem, setProblem] = useState<unknown>();
  const load = () => {
    setProblem(undefined);
    portal.instances().then(setInstances, (error: unknown) => {
      if (error instanceof PortalError && error.status === 401) onSignedOut();
      else setProblem(error);
    });
  };
  useEffect(load, []);
  return (
    <main class="gate">
      <div class="card">
        <Mark />
        <h1>{t.noInstanceTitle}</h1>
        <p class="lead">{instances?.length === 0 ? t.noInstances : t.noInstance}</p>
        {problem !== undefined && (
          <p class="notice problem" role="alert">
            {problemText(problem, t)}{' '}
            <button type="button" class="link" onClick={load}>
              {t.tryAgain}
            </button>
          </p>
        )}
        {!instances && problem === undefined && <p class="note">{t.loading}</p>}
        {instances && instances.length > 0 && (
          <ul class="choices">
            {instances.map((instance) => (
              <li key={instance.id}>
                <a href={addressOf(instance.id)}>
                  <strong dir="auto">{instance.name}</strong>
                  <small>{instance.id}</small>
                </a>
              </li>
            ))}
          </ul>
        )}
      </div>
      <div class="gate-foot">
        <LanguageSwitch />
      </div>
    </main>
  );
}
