import { openSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import { temporaryFile } from './samples.ts';
import { describeSessionStore } from './store-contract.ts';

describeSessionStore(() => {
  const path = temporaryFile();
  return { open: () => openSessionStore({ path }) };
});
