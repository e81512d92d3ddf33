import type { Actions } from '../actions.ts';
import type { Chat } from '../chat.ts';
import { Answer } from './answer.tsx';
import type { Item } from './items.ts';
import { UserMessage } from './user-message.tsx';

interface Props {
  readonly item: Item;
  readonly chat: Chat;
  readonly actions: Actions;
  readonly isEditing: boolean;
  readonly isLast: boolean;
  readonly onEdit: (key: string | undefined) => void;
}

/** One row of the conversation. Its key stays when an answer ends, so that nothing is built anew. */
export function Row({ item, chat, actions, isEditing, isLast, onEdit }: Props) {
  return (
    <div class={isLast ? 'row last' : 'row'} data-key={item.key} data-kind={item.kind}>
      {(item.kind === 'live' || item.kind === 'answer') && (
        <Answer item={item} chat={chat} actions={actions} />
      )}
      {(item.kind === 'user' || item.kind === 'outgoing') && (
        <UserMessage
          item={item}
          chat={chat}
          actions={actions}
          isEditing={isEditing}
          onEdit={onEdit}
        />
      )}
    </div>
  );
}
