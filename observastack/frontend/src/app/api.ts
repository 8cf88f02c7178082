/** The typed client of the API: bearer token, one renewal on 401, the error envelope, a request id of its own. */
import { type Auth, auth } from "./auth";
import { ApiError, errorOf } from "./errors";

export { ApiError, isStatus } from "./errors";

type Session = Pick<Auth, "token" | "renew" | "expire">;
type Parameters = Record<string, string | number | boolean | null | undefined>;

export interface Options {
  signal?: AbortSignal;
  /** Makes a repeated POST harmless: alerts' actions, silences, users, tenants. */
  idempotencyKey?: string;
}

const PREFIX = "/api/v1";

export class Api {
  constructor(
    private readonly session: () => Session,
    private readonly fetcher: (input: string, init?: RequestInit) => Promise<Response> = (input, init) =>
      fetch(input, init),
  ) {}

  async get<T>(path: string, parameters: Parameters = {}, options: Options = {}): Promise<T> {
    return (await this.send("GET", withQuery(path, parameters), undefined, options)).json() as Promise<T>;
  }

  async post<T>(path: string, body?: unknown, options: Options = {}): Promise<T> {
    return read<T>(await this.send("POST", path, body, options));
  }

  async put<T>(path: string, body?: unknown, options: Options = {}): Promise<T> {
    return read<T>(await this.send("PUT", path, body, options));
  }

  async del(path: string, options: Options = {}): Promise<void> {
    await this.send("DELETE", path, undefined, options);
  }

  /** An answer to read as it comes (exports, events). Raises ApiError like the others. */
  async send(method: string, path: string, body?: unknown, options: Options = {}): Promise<Response> {
    const session = this.session();
    const token = await session.token();
    let answer = await this.once(method, path, body, options, token);
    if (answer.status === 401 && token !== null) {
      if (!(await session.renew(token))) throw await errorOf(answer);
      answer = await this.once(method, path, body, options, await session.token());
      if (answer.status === 401) session.expire();
    }
    if (!answer.ok) throw await errorOf(answer);
    return answer;
  }

  private async once(
    method: string,
    path: string,
    body: unknown,
    options: Options,
    token: string | null,
  ): Promise<Response> {
    const id = requestId();
    const headers: Record<string, string> = { accept: "application/json", "x-request-id": id };
    if (token !== null) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    if (options.idempotencyKey) headers["idempotency-key"] = options.idempotencyKey;
    const init: RequestInit = { method, headers };
    if (body !== undefined) init.body = JSON.stringify(body);
    if (options.signal) init.signal = options.signal;
    try {
      return await this.fetcher(PREFIX + path, init);
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new ApiError(0, "network", "the server cannot be reached", id);
    }
  }
}

async function read<T>(answer: Response): Promise<T> {
  return answer.status === 204 ? (undefined as T) : ((await answer.json()) as T);
}

export function withQuery(path: string, parameters: Parameters): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** 128 random bits in hexadecimal: for X-Request-ID and Idempotency-Key. Works without a secure context. */
export function requestId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The client of this page. */
export const api = new Api(auth);
