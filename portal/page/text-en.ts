/** What the page says, in English. The other languages have the same entries. */

export const en = {
  language: 'Language',
  theme: 'Appearance',
  themeAuto: 'Automatic',
  themeLight: 'Light',
  themeDark: 'Dark',

  signIn: 'Sign in',
  signInLead: 'to continue to your assistants',
  signingIn: 'Signing in…',
  userName: 'User name',
  password: 'Password',
  signOut: 'Sign out',
  signOutTitle: 'Sign out without sending?',
  signOutBody: (n: number) =>
    n === 1
      ? 'One message has not been sent yet. Signing out discards it.'
      : `${n} messages have not been sent yet. Signing out discards them.`,
  signOutDiscard: 'Discard and sign out',
  wrongPassword: 'The user name or the password is not right.',
  badTicket:
    'This sign-in link has been used or has expired. Ask for a new one, or sign in with your password.',
  tooManyTries: (seconds: number) =>
    seconds > 0
      ? `Too many attempts. Try again in ${seconds} s.`
      : 'Too many attempts. Try again in a minute.',
  portalUnreachable: 'The portal cannot be reached. Check your network and try again.',
  portalBroken: 'The portal reports a fault. Try again in a moment.',
  sessionEnded: 'Your sign-in has ended. Sign in again to go on; nothing is lost.',

  noInstanceTitle: 'Which assistant?',
  noInstance:
    'The address of this page names no assistant (instance_id is missing). Choose one of yours.',
  noInstances: 'No assistant is shared with you yet. Ask your administrator for one.',
  loading: 'Loading…',

  newChat: 'New conversation',
  conversations: 'Conversations',
  search: 'Search',
  searchPlaceholder: 'Find a conversation or a message',
  nothingFound: 'Nothing found.',
  foundMessages: 'Messages',
  untitled: 'Untitled',
  today: 'Today',
  yesterday: 'Yesterday',
  lastWeek: 'Previous 7 days',
  older: 'Older',
  more: 'Show more',
  openMenu: 'Open conversations',
  closeMenu: 'Close conversations',
  close: 'Close',
  rename: 'Rename',
  remove: 'Delete',
  removeTitle: 'Delete this conversation?',
  removeBody: (title: string) => `“${title}” and all its messages will be gone for good.`,
  cancel: 'Cancel',
  answering: 'answering',
  unread: 'new answer',

  model: 'Model',
  branches: (n: number) => `${n} versions`,
  branchesTitle: 'Versions of this conversation',
  branchesBody: 'Each edit or new answer keeps what was there before.',
  branchMessages: (n: number) => (n === 1 ? '1 message' : `${n} messages`),
  currentBranch: 'shown now',

  greeting: (name: string) => `What can ${name} do for you?`,
  messageLabel: 'Message',
  placeholder: (name: string) => `Message ${name}`,
  send: 'Send',
  stop: 'Stop',
  attach: 'Add images',
  removeImage: (name: string) => `Remove ${name}`,
  imageTooLarge: (name: string, mib: string) =>
    `${name} is larger than ${mib} MB, the most that is taken.`,
  imageType: (name: string) => `${name} is no PNG, JPEG, GIF or WebP image.`,
  imagesTooMany: (n: number) => `At most ${n} images fit into one message.`,
  noImages: 'Images are not taken here.',
  dropHere: 'Drop images to add them',
  messageTooLong: 'This message is too long to be sent.',

  you: 'You',
  assistant: 'Assistant',
  copy: 'Copy',
  copied: 'Copied',
  copyCode: 'Copy code',
  edit: 'Edit',
  regenerate: 'New answer',
  fork: 'Continue from here in a copy',
  retry: 'Try again',
  discard: 'Discard',
  sendEdited: 'Send',
  editLabel: 'Edit the message',
  thinking: 'Thinking…',
  thought: 'Thoughts',
  tool: (name: string) => `Used ${name}`,
  toolFailed: (name: string) => `${name} failed`,
  toolInput: 'Input',
  toolOutput: 'Result',
  image: (name: string) => `Image ${name}`,
  truncated: 'This message is very long and was shortened.',
  showAll: 'Show all of it',
  stopped: 'Stopped',
  interrupted: 'This answer was interrupted when the server restarted.',
  waiting: 'Waits for the connection',
  sending: 'Sending…',
  sendingSlowly: 'The connection seems slow. Your message is kept here and will be sent.',
  queued: 'Queued',
  notSent: 'Not sent',
  notSentReasons: {
    FRAME_TOO_LARGE: 'it is too large to be sent.',
    STALE_LEAF: 'the conversation has changed meanwhile.',
    ENTRY_NOT_FOUND: 'the conversation has changed meanwhile.',
    SESSION_NOT_FOUND: 'this conversation has been deleted.',
    MODEL_NOT_CONFIGURED: 'no model is configured.',
    UNKNOWN_MODEL: 'the chosen model is not offered any more.',
    ATTACHMENT_INVALID: 'an image cannot be read.',
    ATTACHMENT_TOO_LARGE: 'an image is too large.',
    STORAGE_FULL: 'your storage is full. Delete conversations to make room.',
  },
  toEnd: 'Latest',
  loadingOlder: 'Loading earlier messages…',
  table: 'Table',
  code: (language: string) => (language ? `Code, ${language}` : 'Code'),
  speed: (first: string, rate: string) => `First word after ${first} s · ${rate} tokens/s`,
  tokens: (n: number) => `${n} tokens`,

  failed: 'The answer failed',
  failedSomehow: 'No answer came. You can ask for it again.',
  brokeOff: 'The answer broke off',
  brokeOffBody: 'What came of it stands above. You can ask for it again.',
  failedKinds: {
    auth: 'The assistant may not use its model at the moment. Its operator has to look at it.',
    rate_limit:
      'The model takes no more questions at the moment. Try again later; if it goes on, tell who runs this service.',
    context_length:
      'The conversation has become too long for this model. Begin a new one, or shorten the message.',
    refusal: 'The model declined to answer this.',
    timeout: 'The model took too long to answer.',
    unavailable: 'The model cannot be reached at the moment.',
    bad_request: 'The model did not accept the request.',
  },

  connected: 'Connected',
  connecting: 'Connecting…',
  retryNow: 'Try now',
  tryAgain: 'Try again',
  retrying: (reason: string, seconds: number) =>
    seconds > 0 ? `${reason} Trying again in ${seconds} s.` : `${reason} Trying again…`,
  offline: 'You are offline. Messages wait here and go out when the network is back.',
  busy: 'Your message is queued and will be answered next.',
  notices: {
    needs_connection: 'That needs the connection. Try it again when it is back.',
    stops_later: 'The answer will be stopped as soon as the connection is back.',
    busy: 'An answer is under way. Stop it first.',
    failed: 'That did not work. Try it again.',
  },
  noModel:
    'Connected, but no model is configured. The operator has to set agents.defaults.model in openclaw.json.',
  retryReasons: {
    portal_unreachable: 'The portal cannot be reached.',
    portal_error: 'The portal reports a fault.',
    portal_down: 'The connection was refused: the portal, which checks it, is down.',
    set_up_wrong:
      'The chat is not set up correctly. Its operator finds the reason in the portal’s log.',
    rate_limited: 'Too many connections at once.',
    handshake_failed:
      'The connection did not come about: it was refused, or a network on the way blocks it.',
    gateway_down: 'The assistant cannot be reached at the moment.',
    gateway_mute: 'The assistant’s server is there but does not answer.',
    token_refused: 'The connection was refused twice.',
    restarting: 'The assistant’s server is restarting.',
    silent: 'The connection fell silent.',
    cut: 'The connection was cut.',
  },
  stopReasons: {
    signed_out: 'You are signed out.',
    no_permission: 'You have no right to use this assistant. Ask your administrator for it.',
    instance_disabled: 'This assistant is switched off at the moment.',
    user_disabled: 'Your account is switched off. Ask your administrator.',
    unknown_instance: 'There is no assistant of this name. Check the address of this page.',
    device_identity:
      'This assistant does not let the page in (“device identity required”). Its operator has to set gateway.controlUi.dangerouslyDisableDeviceAuth to true.',
    origin:
      'This assistant takes no pages from this address. Its operator has to add the address to gateway.controlUi.allowedOrigins.',
    origin_at_proxy:
      'The chat takes no pages from this address. Its operator has to add the address to the allowed ones.',
    identity:
      'The chat is not set up correctly: it was not told who you are. Its operator finds more in the log of refused connections.',
    gateway_refused: 'The assistant refused the connection. Tell its operator the reason.',
    protocol: 'This page and the assistant’s server are of different versions. Reload the page.',
  },
} as const;

type Widened<T> = T extends string
  ? string
  : T extends (...given: infer Given) => string
    ? (...given: Given) => string
    : { readonly [K in keyof T]: Widened<T[K]> };

/** The entries of a language. */
export type Texts = Widened<typeof en>;
