/** Where a message is written. */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Actions } from '../actions.ts';
import type { Chat } from '../chat.ts';
import { texts } from '../i18n.ts';
import type { Attachment } from '../store/outbox.ts';
import { Close, Image, Stop, Up } from './icons.tsx';
import { judgeFiles, type Limits } from './images.ts';

interface Props {
  readonly chat: Chat;
  readonly actions: Actions;
  /** Of the last message, for the key ↑. */
  readonly editLast: () => boolean;
}

/** Most units of UTF-16; what is longer would not fit a frame. */
const SPARE_BYTES = 4_096;

export function Composer({ chat, actions, editLast }: Props) {
  const t = texts.value;
  const { key } = chat.current.value;
  const [draft, setDraft] = useDraft(chat, key);
  const [images, setImages] = useState<readonly Attachment[]>([]);
  const [problem, setProblem] = useState<string>();
  const [dragging, setDragging] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const limits = limitsOf(chat);
  const running = chat.current.value.lives.value.length > 0;
  const empty = draft.trim() === '' && images.length === 0;

  useLayoutEffect(() => fit(area.current), [draft, key]);
  useEffect(() => {
    setImages([]);
    setProblem(undefined);
    if (matchMedia('(hover: hover)').matches) area.current?.focus();
  }, [key]);

  const add = async (files: readonly File[]) => {
    const judged = await judgeFiles(files, images, limits, texts.value);
    setImages(judged.images);
    setProblem(judged.problem);
  };
  const send = () => {
    if (empty) return;
    const bytes = new Blob([draft, ...images.map((each) => each.base64)]).size;
    if (bytes > limits.maxPayload - SPARE_BYTES) {
      setProblem(t.messageTooLong);
      return;
    }
    actions.send(draft, images);
    setDraft('');
    setImages([]);
    setProblem(undefined);
    area.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // During a composition Enter picks a word; Safari ends it before the key, hence the old code 229.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      send();
    } else if (event.key === 'ArrowUp' && draft === '' && editLast()) {
      event.preventDefault();
    }
  };

  return (
    <form
      class={dragging ? 'composer dragging' : 'composer'}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onDragOver={(event) => {
        event.preventDefault();
        setDragging(true);
      }}
      onDragLeave={() => setDragging(false)}
      onDrop={(event) => {
        event.preventDefault();
        setDragging(false);
        void add([...(event.dataTransfer?.files ?? [])]);
      }}
    >
      {dragging && <p class="drop-hint">{t.dropHere}</p>}
      {images.length > 0 && (
        <ul class="thumbs">
          {images.map((image, at) => (
            <li key={at}>
              <img src={`data:${image.mimeType};base64,${image.base64}`} alt={image.name} />
              <button
                type="button"
                aria-label={t.removeImage(image.name)}
                onClick={() => setImages(images.toSpliced(at, 1))}
              >
                <Close />
              </button>
            </li>
          ))}
        </ul>
      )}
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <textarea
        ref={area}
        rows={1}
        value={draft}
        dir="auto"
        aria-label={t.messageLabel}
        placeholder={t.placeholder(chat.instance.value.name)}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onPaste={(event) => {
          const files = [...(event.clipboardData?.files ?? [])];
          if (files.length === 0) return;
          event.preventDefault();
          void add(files);
        }}
      />
      <div class="composer-row">
        <AttachButton
          enabled={limits.maxImageBytes !== undefined}
          onFiles={(files) => void add(files)}
        />
        <span class="grow" />
        {running && (
          <button
            type="button"
            class="round stop"
            aria-label={t.stop}
            title={`${t.stop} (Esc)`}
            onClick={actions.stop}
          >
            <Stop />
          </button>
        )}
        {(!running || !empty) && (
          <button
            type="submit"
            class="round send"
            aria-label={t.send}
            title={t.send}
            disabled={empty}
          >
            <Up />
          </button>
        )}
      </div>
    </form>
  );
}

function AttachButton({
  enabled,
  onFiles,
}: {
  enabled: boolean;
  onFiles: (files: File[]) => void;
}) {
  const t = texts.value;
  const input = useRef<HTMLInputElement>(null);
  if (!enabled) return null;
  return (
    <>
      <button
        type="button"
        class="quiet icon"
        aria-label={t.attach}
        title={t.attach}
        onClick={() => input.current?.click()}
      >
        <Image />
      </button>
      <input
        ref={input}
        type="file"
        hidden={true}
        multiple={true}
        accept="image/png,image/jpeg,image/gif,image/webp"
        aria-label={t.attach}
        onChange={(event) => {
          onFiles([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = '';
        }}
      />
    </>
  );
}

/** What is being written, kept per conversation and over a reload. */
function useDraft(chat: Chat, key: string): [string, (text: string) => void] {
  const read = () => {
    const kept = chat.shelf.read(`draft:${key}`);
    return typeof kept === 'string' ? kept : '';
  };
  const [state, setState] = useState(() => ({ key, text: read() }));
  const text = state.key === key ? state.text : read();
  const write = (next: string) => {
    setState({ key, text: next });
    if (next === '') chat.shelf.remove(`draft:${key}`);
    else chat.shelf.write(`draft:${key}`, next);
  };
  return [text, write];
}

function limitsOf(chat: Chat): Limits {
  const state = chat.connection.state.value;
  if (state.kind !== 'connected') return { maxPayload: 1024 * 1024, maxImageBytes: 512 * 1024 };
  return { maxPayload: state.hello.maxPayload, maxImageBytes: state.hello.maxImageBytes };
}

/** Grows with its text up to what the style sheet allows. */
function fit(area: HTMLTextAreaElement | null): void {
  if (!area) return;
  area.style.height = 'auto';
  area.style.height = `${area.scrollHeight}px`;
}
