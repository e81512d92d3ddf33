/** Which of the three pages is shown: sign-in, choice of an instance, chat. */

import { useEffect, useMemo, useState } from 'preact/hooks';
import { type Actions, createActions } from '../actions.ts';
import type { Address } from '../address.ts';
import type { Portal } from '../api.ts';
import { type Chat, createChat } from '../chat.ts';
import { dropTokens, forgetEverything, storedTokens, storedUser } from '../sign-in.ts';
import { ChatView } from './chat-view.tsx';
import { InstancePicker } from './instance-picker.tsx';
import { SignInPage } from './sign-in-page.tsx';

interface Props {
  readonly portal: Portal;
  readonly address: Address;
  readonly badTicket: boolean;
}

export function App({ portal, address, badTicket }: Props) {
  const [signedIn, setSignedIn] = useState(() => storedTokens() !== undefined);
  const [ended, setEnded] = useState(false);
  if (!signedIn) {
    const notice = ended ? 'session_ended' : badTicket ? 'bad_ticket' : undefined;
    return <SignInPage portal={portal} notice={notice} onSignedIn={() => setSignedIn(true)} />;
  }
  const signInAgain = () => {
    dropTokens();
    setEnded(true);
    setSignedIn(false);
  };
  if (address.instanceId === undefined) {
    return <InstancePicker portal={portal} onSignedOut={signInAgain} />;
  }
  const signOut = () => {
    void portal.logout();
    forgetEverything();
    setEnded(false);
    setSignedIn(false);
  };
  return (
    <InstanceChat
      key={address.instanceId}
      portal={portal}
      address={address}
      instanceId={address.instanceId}
      onSignIn={signInAgain}
      onSignOut={signOut}
    />
  );
}

interface ChatProps {
  readonly portal: Portal;
  readonly address: Address;
  readonly instanceId: string;
  readonly onSignIn: () => void;
  readonly onSignOut: () => void;
}

function InstanceChat({ portal, address, instanceId, onSignIn, onSignOut }: ChatProps) {
  const made = useMemo((): { chat: Chat; actions: Actions } => {
    const chat = createChat({
      portal,
      instanceId,
      userId: storedUser()?.id ?? '',
      shownName: address.name,
      wantedModel: address.model,
    });
    return { chat, actions: createActions(chat) };
  }, [instanceId]);
  useEffect(() => {
    made.chat.start();
    return () => made.chat.end();
  }, [made]);
  return (
    <ChatView chat={made.chat} actions={made.actions} onSignIn={onSignIn} onSignOut={onSignOut} />
  );
}
