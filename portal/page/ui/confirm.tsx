import { texts } from '../i18n.ts';
import { Dialog } from './dialog.tsx';

interface Props {
  readonly title: string;
  readonly body: string;
  /** What the button says that does it. */
  readonly action: string;
  readonly onConfirm: () => void;
  /** After either button too. */
  readonly onClose: () => void;
}

/** Asks before something is done that cannot be undone. */
export function Confirm({ title, body, action, onConfirm, onClose }: Props) {
  return (
    <Dialog label={title} class="ask" onClose={onClose}>
      <h2>{title}</h2>
      <p>{body}</p>
      <div class="editor-row">
        <button type="button" class="plain" onClick={onClose}>
          {texts.value.cancel}
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            onConfirm();
            onClose();
          }}
        >
          {action}
        </button>
      </div>
    </Dialog>
  );
}
