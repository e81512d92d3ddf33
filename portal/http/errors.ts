/** Every error that the API answers with: its status and its two sentences. The table is closed. */

interface ErrorRow {
  readonly status: number;
  readonly en: string;
  readonly zh: string;
}

const ERRORS = {
  bad_request: { status: 400, en: 'the request is not valid', zh: '请求无效' },
  instance_id_required: { status: 400, en: 'instance_id is required', zh: 'instance_id 不能为空' },
  invalid_credentials: {
    status: 401,
    en: 'the user name or the password is wrong',
    zh: '用户名或密码错误',
  },
  ticket_invalid: {
    status: 401,
    en: 'this sign-in link has expired or was used; ask for a new one',
    zh: '登录链接已过期或已使用，请重新获取',
  },
  refresh_invalid: {
    status: 401,
    en: 'the login has ended; sign in again',
    zh: '登录已失效，请重新登录',
  },
  unauthorized: { status: 401, en: 'sign in first', zh: '请先登录' },
  token_expired: {
    status: 401,
    en: 'the access token has expired; refresh it',
    zh: '访问令牌已过期，请刷新',
  },
  user_disabled: { status: 403, en: 'this user is disabled', zh: '该用户已被停用' },
  no_permission: {
    status: 403,
    en: 'you have no right to this instance',
    zh: '您没有该实例的使用权限',
  },
  instance_disabled: { status: 403, en: 'this instance is disabled', zh: '该实例已停用' },
  not_found: { status: 404, en: 'there is nothing here', zh: '未找到该资源' },
  method_not_allowed: {
    status: 405,
    en: 'this address does not take that method',
    zh: '不支持该请求方法',
  },
  payload_too_large: { status: 413, en: 'the request is too large', zh: '请求内容过大' },
  unsupported_media_type: {
    status: 415,
    en: 'send the body as application/json',
    zh: '请求体须为 application/json',
  },
  rate_limited: {
    status: 429,
    en: 'too many requests; wait a moment',
    zh: '请求过于频繁，请稍候再试',
  },
  internal: { status: 500, en: 'something went wrong here; try again', zh: '服务内部错误，请重试' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** All codes, for whoever checks the documentation against them. */
export const ERROR_CODES = Object.keys(ERRORS);

/** Thrown by a route, answered by the app. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  /** Seconds, sent as Retry-After. */
  readonly retryAfter: number | undefined;
  /** More than the table's sentence, in English: which field, and what it should be. */
  readonly detail: string | undefined;
  constructor(code: ErrorCode, more: { retryAfter?: number; detail?: string } = {}) {
    super(code);
    this.code = code;
    this.status = ERRORS[code].status;
    this.retryAfter = more.retryAfter;
    this.detail = more.detail;
  }
}

export function errorBody({ code, detail }: Pick<ApiError, 'code' | 'detail'>) {
  const { en, zh } = ERRORS[code];
  return {
    error: { code, message: detail === undefined ? en : `${en}: ${detail}`, message_zh: zh },
  };
}

/** The framework's own refusals, as rows of the table. */
export function fromFramework(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const status = statusOf(error);
  if (status === 413) return new ApiError('payload_too_large');
  if (status === 415) return new ApiError('unsupported_media_type');
  if (status !== undefined && status >= 400 && status < 500) return new ApiError('bad_request');
  return new ApiError('internal');
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}
