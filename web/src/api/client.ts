// One door to the server: paths below <base href>, JSON both ways, errors as the server words them.

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

type Value = string | number | boolean | undefined | null;
export type Params = Record<string, Value | Value[]>;

/** url returns the address of a path of the API, with parameters; undefined and empty ones are left out. */
export function url(path: string, params: Params = {}, base: string = document.baseURI): string {
  const target = new URL(path.replace(/^\//, ''), base);
  for (const [key, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null && item !== '' && item !== false) target.searchParams.append(key, String(item));
    }
  }
  return target.toString();
}

/** seg makes a value one segment of a path. */
export const seg = (value: string) => encodeURIComponent(value);

const signedOut = new EventTarget();

/** onSignedOut calls back when the server no longer knows who we are. */
export function onSignedOut(listener: () => void): () => void {
  signedOut.addEventListener('signed-out', listener);
  return () => signedOut.removeEventListener('signed-out', listener);
}

/** failure turns an answer that is no success into an error. */
export async function failure(response: Response): Promise<ApiError> {
  let message = response.statusText || `the server answered ${response.status}`;
  let code = String(response.status);
  try {
    const body = (await response.json()) as { error?: string; message?: string; code?: string | number };
    message = body.message || body.error || message;
    code = String(body.code ?? code);
  } catch {
    // Not JSON: a proxy answered in place of the server.
  }
  return new ApiError(response.status, code, message);
}

interface Options {
  params?: Params;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

/** open sends a request and returns an answer that is a success. */
export async function open(method: string, path: string, options: Options = {}): Promise<Response> {
  const init: RequestInit = { method, credentials: 'same-origin', headers: { Accept: 'application/json' } };
  if (options.signal) init.signal = options.signal;
  if (options.body !== undefined) {
    init.headers = { Accept: 'application/json', 'Content-Type': 'application/json' };
    init.body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(url(path, options.params), init);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(0, 'Unreachable', 'The server cannot be reached. Check the connection, then try again.');
  }
  if (response.ok) return response;
  const error = await failure(response);
  if (response.status === 401 && !path.endsWith('/session')) signedOut.dispatchEvent(new Event('signed-out'));
  throw error;
}

/** call sends a request and decodes the answer. */
export async function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const response = await open(method, path, options);
  // A blob gathers the answer outside of the page's thread: of an answer of 2 MB that takes Chromium a third of the time
  // that text() and json() do, which read it there piece by piece.
  const text = await (await response.blob()).text();
  return (text ? JSON.parse(text) : {}) as T;
}

export const get = <T>(path: string, params: Params = {}, signal?: AbortSignal) => call<T>('GET', path, { params, signal });
