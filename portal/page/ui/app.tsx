/** Which of the three pages is shown: sign-in, choice of an instance, chat. */

import { useEffect, useLayoutEffect, useMemo, useState } from 'preact/hooks';
import { type Actions, createActions } from '../actions.ts';
import type { Address } from '../address.ts';
import type { Portal } from '../api.ts';
import { type Chat, createChat } from '../chat.ts';
import {
  dropTokens,
  forgetUser,
  isUserKnown,
  onSignInElsewhere,
  signedInUser,
} from '../sign-in.ts';
import { ChatView } from './chat-view.tsx';
import { InstancePicker } from './instance-picker.tsx';
import { SignInPage } from './sign-in-page.tsx';

interface Props {
  readonly portal: Portal;
  readonly address: Address;
  readonly badTicket: boolean;
}

export function App({ portal, address, badTicket }: Props) {
  const [userId, setUserId] = useState(() => signedInUser()?.id);
  const [ended, setEnded] = useState(false);
  const look = () => setUserId(signedInUser()?.id);
  // Nothing of one user's stays on the screen, or is sent, in the name of the next.
  useEffect(() => {
    return onSignInElsewhere(() => {
      setEnded(isUserKnown());
      look();
    });
  }, []);
  if (userId === undefined) {
    const notice = ended ? 'session_ended' : badTicket ? 'bad_ticket' : undefined;
    return <SignInPage portal={portal} notice={notice} onSignedIn={look} />;
  }
  const signInAgain = () => {
    dropTokens();
    setEnded(true);
    look();
  };
  if (address.instanceId === undefined) {
    return <InstancePicker key={userId} portal={portal} onSignedOut={signInAgain} />;
  }
  const signOut = () => {
    void portal.logout();
    forgetUser(userId);
    setEnded(false);
    look();
  };
  return (
    <InstanceChat
      key={`${address.instanceId} ${userId}`}
      userId={userId}
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
  readonly userId: string;
  readonly onSignIn: () => void;
  readonly onSignOut: () => void;
}

function InstanceChat(props: ChatProps) {
  const { portal, address, instanceId, userId, onSignIn, onSignOut } = props;
  const made = useMemo((): { chat: Chat; actions: Actions } => {
    const chat = createChat({
      portal,
      instanceId,
      userId,
      shownName: address.name,
      wantedModel: address.model,
    });
    return { chat, actions: createActions(chat) };
  }, [instanceId, userId]);
  useLayoutEffect(() => {
    made.chat.start();
    return () => made.chat.end();
  }, [made]);
  return (
    <ChatView
      chat={made.chat}
      actions={made.actions}
      userId={userId}
      onSignIn={onSignIn}
      onSignOut={onSignOut}
    />
  );
}
