/** Images of a message, as small squares that open. Those of the past are fetched when they are seen. */

import { useEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from '../chat.ts';
import { texts } from '../i18n.ts';
import type { Message } from '../messages.ts';
import type { Outgoing } from '../store/outbox.ts';
import { pictureId } from '../store/pictures.ts';
import { Dialog } from './dialog.tsx';
import { Close, Image } from './icons.tsx';

export interface Picture {
  /** The same before and after the gateway has the message. */
  readonly id: string;
  readonly name: string;
  readonly bytes: number;
  readonly artifactId: string | undefined;
}

export function picturesOfMessage({ parts, runId }: Message): Picture[] {
  return parts
    .filter((part) => part.type === 'image')
    .map(({ name = '', bytes, artifactId }, at) => ({
      id: runId === undefined ? (artifactId ?? '') : pictureId(runId, at),
      name,
      bytes,
      artifactId,
    }));
}

export function picturesOfEntry({ runId, attachments }: Outgoing): Picture[] {
  return attachments.map(({ name }, at) => ({
    id: pictureId(runId, at),
    name,
    bytes: 0,
    artifactId: undefined,
  }));
}

interface Props {
  readonly chat: Chat;
  readonly pictures: readonly Picture[];
}

export function Pictures({ chat, pictures }: Props) {
  if (pictures.length === 0) return null;
  return (
    <ul class="thumbs">
      {pictures.map((picture) => (
        <li key={picture.id}>
          <Thumb chat={chat} picture={picture} />
        </li>
      ))}
    </ul>
  );
}

/** A larger one is fetched when it is asked for: on a slow line it holds up everything else. */
const MOST_UNASKED_BYTES = 1_048_576;

function Thumb({ chat, picture }: { readonly chat: Chat; readonly picture: Picture }) {
  const t = texts.value;
  const [isOpen, setOpen] = useState(false);
  const { place, address, load } = usePicture(chat, picture);
  const name = picture.name || t.image('');
  if (address === undefined) {
    return (
      <button
        ref={place}
        type="button"
        class="thumb"
        disabled={load === undefined}
        aria-label={t.image(picture.name)}
        title={name}
        onClick={load}
      >
        <Image />
        <span>{name}</span>
      </button>
    );
  }
  return (
    <>
      <button type="button" class="thumb" title={name} onClick={() => setOpen(true)}>
        <img src={address} alt={name} />
      </button>
      {isOpen && (
        <Dialog label={name} class="picture" onClose={() => setOpen(false)}>
          <img src={address} alt={name} />
          <button
            type="button"
            class="round"
            aria-label={t.close}
            title={t.close}
            onClick={() => setOpen(false)}
          >
            <Close />
          </button>
        </Dialog>
      )}
    </>
  );
}

/** Where it is, once it is here; `load` fetches it, if that is possible now. */
function usePicture(chat: Chat, picture: Picture) {
  const { id, artifactId, bytes } = picture;
  const place = useRef<HTMLButtonElement>(null);
  const [loaded, setLoaded] = useState<string>();
  const address = loaded ?? chat.pictures.known(id);
  const state = chat.connection.state.value;
  const served = state.kind === 'connected' && state.hello.methods.has('artifacts.download');
  const sessionKey = chat.current.value.key;
  const load =
    artifactId !== undefined && served
      ? () =>
          void chat.pictures
            .fetch({ id, sessionKey, artifactId }, () => place.current !== null)
            .then(setLoaded)
      : undefined;
  const isDue = address === undefined && load !== undefined && bytes <= MOST_UNASKED_BYTES;
  useEffect(() => {
    if (!isDue || !place.current) return undefined;
    const seen = new IntersectionObserver(([entry]) => {
      if (!entry?.isIntersecting) return;
      seen.disconnect();
      load?.();
    });
    seen.observe(place.current);
    return () => seen.disconnect();
  }, [isDue, artifactId]);
  return { place, address, load };
}
