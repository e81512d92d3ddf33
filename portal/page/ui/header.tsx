import { useEffect, useState } from 'preact/hooks';
import type { Actions, Branch } from '../actions.ts';
import type { Chat } from '../chat.ts';
import type { ConnectionState } from '../connection.ts';
import { texts } from '../i18n.ts';
import { Dialog } from './dialog.tsx';
import { Branch as BranchIcon, Menu } from './icons.tsx';

interface Props {
  readonly chat: Chat;
  readonly actions: Actions;
  readonly onMenu: () => void;
}

export function Header({ chat, actions, onMenu }: Props) {
  const t = texts.value;
  return (
    <header class="head">
      <button type="button" class="quiet icon only-narrow" aria-label={t.openMenu} onClick={onMenu}>
        <Menu />
      </button>
      <h1 dir="auto">{chat.instance.value.name}</h1>
      <Dot state={chat.connection.state.value} />
      <span class="grow" />
      <Branches chat={chat} actions={actions} />
      <ModelPicker chat={chat} actions={actions} />
    </header>
  );
}

function Dot({ state }: { readonly state: ConnectionState }) {
  const t = texts.value;
  const said =
    state.kind === 'connected' ? t.connected : state.kind === 'offline' ? t.offline : t.connecting;
  const label = state.kind === 'stopped' ? t.stopReasons[state.reason] : said;
  const again = state.kind === 'connecting' && state.after !== undefined;
  return (
    <i
      class={again ? 'dot again' : 'dot'}
      data-state={state.kind}
      role="img"
      aria-label={label}
      title={label}
    />
  );
}

function ModelPicker({ chat, actions }: Pick<Props, 'chat' | 'actions'>) {
  const t = texts.value;
  const models = chat.models.value;
  if (models.length === 0) return null;
  const { key, messages } = chat.current.value;
  const own = chat.sessions.sessions.value.find((each) => each.key === key)?.model;
  const begun = messages.value.length > 0;
  const preset = models.find((model) => model.isDefault)?.ref;
  const ref = (begun ? own : chat.chosenModel.value) ?? chat.chosenModel.value ?? own ?? preset;
  if (models.length === 1) return <span class="model">{models[0]?.name}</span>;
  return (
    <select
      class="model"
      aria-label={t.model}
      value={ref ?? ''}
      onChange={(event) => actions.chooseModel(event.currentTarget.value)}
    >
      {models.map((model) => (
        <option key={model.ref} value={model.ref}>
          {model.name}
        </option>
      ))}
    </select>
  );
}

/** The other ways that this conversation took, if there are any. */
function Branches({ chat, actions }: Pick<Props, 'chat' | 'actions'>) {
  const t = texts.value;
  const [branches, setBranches] = useState<readonly Branch[]>([]);
  const [isOpen, setOpen] = useState(false);
  const transcript = chat.current.value;
  const state = chat.connection.state.value;
  const served = state.kind === 'connected' && state.hello.methods.has('sessions.branches.list');
  // Versions come and go with questions, so they are asked for when the last question changes.
  const lastAsked = transcript.messages.value.findLast((each) => each.role === 'user')?.id;
  useEffect(() => {
    setBranches([]);
    if (!served || !lastAsked) return undefined;
    let wanted = true;
    actions.branches().then(
      (found) => wanted && setBranches(found),
      () => undefined,
    );
    return () => {
      wanted = false;
    };
  }, [transcript.key, lastAsked, served]);
  if (branches.length < 2) return null;
  return (
    <>
      <button type="button" class="quiet with-text" onClick={() => setOpen(true)}>
        <BranchIcon />
        <span>{t.branches(branches.length)}</span>
      </button>
      {isOpen && (
        <Dialog label={t.branchesTitle} class="pick" onClose={() => setOpen(false)}>
          <h2>{t.branchesTitle}</h2>
          <p class="note">{t.branchesBody}</p>
          <ul>
            {branches.map((branch) => (
              <li key={branch.leafId}>
                <button
                  type="button"
                  class="pick-row"
                  aria-current={branch.active ? 'true' : undefined}
                  onClick={() => {
                    setOpen(false);
                    if (!branch.active) actions.switchBranch(branch.leafId);
                  }}
                >
                  <span dir="auto">{branch.headline}</span>
                  <small>
                    {t.branchMessages(branch.messageCount)}
                    {branch.active && ` · ${t.currentBranch}`}
                  </small>
                </button>
              </li>
            ))}
          </ul>
        </Dialog>
      )}
    </>
  );
}
