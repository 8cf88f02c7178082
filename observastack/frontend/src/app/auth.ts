/**
 * The session of this browser: tokens, their renewal, signing in and out.
 *
 * The access token lives in memory only. The refresh token is also in sessionStorage, so that a reload goes on. A new
 * tab asks the others for the session; tabs renew one at a time, because a refresh token is good for one use.
 */
import type { AuthInfo, TokenPair } from "../types";
import { ApiError, errorOf } from "./errors";
import { authorizationUrl, claimsOf, type Pending, randomText, safeNext } from "./oidc";

export type Status = "starting" | "signed-out" | "signed-in" | "expired";

interface Tokens {
  access: string;
  refresh: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
  id: string | null;
}

type Message = { kind: "ask" } | { kind: "tell"; tokens: Tokens } | { kind: "ended" };

/** What a browser gives; tests pass their own. */
export interface Surroundings {
  fetch: (input: string, init?: RequestInit) => Promise<Response>;
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  channel: Pick<BroadcastChannel, "postMessage" | "onmessage"> | null;
  exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  now: () => number;
  go: (url: string) => void;
  origin: string;
}

const REFRESH = "observastack.refresh";
const ID_TOKEN = "observastack.id_token";
const PENDING = "observastack.signin";
const ASK_MS = 120;
/** A token that ends this soon is renewed before it is used. */
const MARGIN_MS = 5_000;

export class Auth {
  private tokens: Tokens | null = null;
  private status: Status = "starting";
  private readonly listeners = new Set<() => void>();
  private started: Promise<void> | null = null;
  private renewing: Promise<boolean> | null = null;
  private known: Promise<AuthInfo> | null = null;
  private answered: (() => void) | null = null;

  constructor(private readonly around: Surroundings) {
    if (around.channel) around.channel.onmessage = (event: MessageEvent<Message>) => this.hear(event.data);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): Status => this.status;

  /** Goes on with the session of this tab or of another one. */
  start(): Promise<void> {
    this.started ??= this.resume();
    return this.started;
  }

  /** How to sign in here. Raises ApiError. */
  info(): Promise<AuthInfo> {
    this.known ??= this.ask("/api/v1/auth/auth-info")
      .then(async (answer) => (await answer.json()) as AuthInfo)
      .catch((error: unknown) => {
        this.known = null;
        throw error;
      });
    return this.known;
  }

  /** A token to call the API with; null without a session. */
  async token(): Promise<string | null> {
    await this.start();
    if (this.tokens && this.tokens.expiresAt - MARGIN_MS <= this.around.now()) await this.renew(this.tokens.access);
    return this.tokens?.access ?? null;
  }

  /** Who the session belongs to; null without one. */
  get subject(): string | null {
    try {
      return this.tokens ? String(claimsOf(this.tokens.access).sub) : null;
    } catch {
      return null;
    }
  }

  /** Gets a new pair unless someone did so since `used`. False: the session is over. Raises ApiError when unknown. */
  async renew(used: string | null): Promise<boolean> {
    if (this.tokens && this.tokens.access !== used) return true;
    this.renewing ??= this.around
      .exclusively(() => this.exchange(used))
      .finally(() => {
        this.renewing = null;
      });
    return this.renewing;
  }

  /** Name and password for a session. Raises ApiError. */
  async login(username: string, password: string): Promise<void> {
    const body = JSON.stringify({ username, password });
    const answer = await this.ask("/api/v1/auth/login", { method: "POST", body, headers: JSON_BODY });
    this.accept((await answer.json()) as TokenPair);
  }

  /** Leaves for the identity provider. Raises ApiError. */
  async beginSingleSignOn(next: string): Promise<void> {
    const info = await this.info();
    if (!info.authorization_endpoint || !info.client_id) {
      throw new ApiError(501, "not_supported", "single sign-on is not set up here");
    }
    if (!globalThis.isSecureContext) {
      throw new ApiError(501, "insecure", "single sign-on needs HTTPS or an address of this machine");
    }
    const redirectUri = `${this.around.origin}/auth/callback`;
    const pending: Pending = { state: randomText(), nonce: randomText(), verifier: randomText(), redirectUri, next };
    this.around.storage.setItem(PENDING, JSON.stringify(pending));
    const scopes = info.scopes ?? "openid profile email";
    this.around.go(await authorizationUrl(info.authorization_endpoint, info.client_id, scopes, pending));
  }

  /** What the identity provider sent back; resolves to where the person wanted to go. Raises ApiError. */
  async completeSingleSignOn(query: URLSearchParams): Promise<string> {
    const stored = this.around.storage.getItem(PENDING);
    this.around.storage.removeItem(PENDING);
    const pending = stored === null ? null : (JSON.parse(stored) as Pending);
    if (pending === null || query.get("state") !== pending.state) {
      throw new ApiError(400, "state", "this sign-in was not started in this tab, or was used before");
    }
    const refused = query.get("error");
    if (refused !== null) throw new ApiError(403, refused, query.get("error_description") ?? "sign-in was refused");
    const pair = await this.tokenEndpoint({
      grant_type: "authorization_code",
      code: query.get("code") ?? "",
      redirect_uri: pending.redirectUri,
      code_verifier: pending.verifier,
    });
    if (!pair.id_token || claimsOf(pair.id_token).nonce !== pending.nonce) {
      throw new ApiError(400, "nonce", "the answer of the identity provider does not belong to this sign-in");
    }
    this.accept(pair, pair.id_token);
    return safeNext(pending.next);
  }

  /** Ends the session here, in the other tabs and on the server. */
  async logout(): Promise<void> {
    const tokens = this.tokens;
    const info = await this.info().catch(() => null);
    this.around.channel?.postMessage({ kind: "ended" } satisfies Message);
    this.forget("signed-out");
    if (tokens) {
      const headers = { authorization: `Bearer ${tokens.access}` };
      await this.around.fetch("/api/v1/auth/logout", { method: "POST", headers }).catch(() => undefined);
    }
    if (info?.method === "oidc" && info.end_session_endpoint) {
      const url = new URL(info.end_session_endpoint);
      if (tokens?.id) url.searchParams.set("id_token_hint", tokens.id);
      if (info.client_id) url.searchParams.set("client_id", info.client_id);
      url.searchParams.set("post_logout_redirect_uri", `${this.around.origin}/login`);
      this.around.go(url.toString());
    }
  }

  /** The server does not accept the session any more: the page stays, a dialog asks to sign in again. */
  expire(): void {
    if (this.status === "signed-in") this.forget("expired");
  }

  /** From expired to signed out: the dialog was answered, the sign-in follows. */
  leave(): void {
    this.forget("signed-out");
  }

  private async resume(): Promise<void> {
    if (this.tokens) return;
    const refresh = this.around.storage.getItem(REFRESH);
    if (refresh !== null) {
      this.tokens = { access: "", refresh, expiresAt: 0, id: this.around.storage.getItem(ID_TOKEN) };
      try {
        if (await this.renew("")) return;
      } catch {
        // Unknown is not refused: the first request says why, and the refresh token stays for a reload.
        this.become("signed-in");
        return;
      }
    } else if (this.around.channel) {
      const heard = new Promise<void>((resolve) => {
        this.answered = resolve;
      });
      this.around.channel.postMessage({ kind: "ask" } satisfies Message);
      await Promise.race([heard, new Promise((resolve) => setTimeout(resolve, ASK_MS))]);
      if (this.tokens) return;
    }
    this.become("signed-out");
  }

  private hear(message: Message): void {
    if (message.kind === "ask" && this.tokens?.access) this.tell();
    if (message.kind === "ended" && this.tokens) this.forget("expired");
    if (message.kind === "tell" && this.status !== "signed-out") {
      this.keep(message.tokens);
      this.answered?.();
    }
  }

  private tell(): void {
    if (this.tokens) this.around.channel?.postMessage({ kind: "tell", tokens: this.tokens } satisfies Message);
  }

  private async exchange(used: string | null): Promise<boolean> {
    // Another tab may have renewed while this one waited for its turn.
    if (this.tokens === null || this.tokens.access !== used) return this.tokens !== null;
    const { refresh, id } = this.tokens;
    try {
      const info = await this.info();
      if (info.method === "oidc") {
        const pair = await this.tokenEndpoint({ grant_type: "refresh_token", refresh_token: refresh });
        this.accept({ ...pair, refresh_token: pair.refresh_token || refresh }, pair.id_token ?? id);
      } else {
        const body = JSON.stringify({ refresh_token: refresh });
        const answer = await this.ask("/api/v1/auth/refresh", { method: "POST", body, headers: JSON_BODY });
        this.accept((await answer.json()) as TokenPair);
      }
      return true;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0 || error.status >= 429) throw error;
      this.forget(this.status === "starting" ? "signed-out" : "expired");
      return false;
    }
  }

  private async tokenEndpoint(form: Record<string, string>): Promise<TokenPair & { id_token?: string }> {
    const info = await this.info();
    if (!info.token_endpoint || !info.client_id) throw new ApiError(501, "not_supported", "no token endpoint");
    const body = new URLSearchParams({ ...form, client_id: info.client_id });
    const answer = await this.ask(info.token_endpoint, { method: "POST", body });
    return (await answer.json()) as TokenPair & { id_token?: string };
  }

  private async ask(url: string, init?: RequestInit): Promise<Response> {
    const answer = await this.around.fetch(url, init).catch(() => {
      throw new ApiError(0, "network", "the server cannot be reached");
    });
    if (!answer.ok) throw await errorOf(answer);
    return answer;
  }

  private accept(pair: TokenPair, id: string | null = null): void {
    const expiresAt = this.around.now() + pair.expires_in * 1000;
    this.keep({ access: pair.access_token, refresh: pair.refresh_token, expiresAt, id });
    this.tell();
  }

  private keep(tokens: Tokens): void {
    this.tokens = tokens;
    this.around.storage.setItem(REFRESH, tokens.refresh);
    if (tokens.id) this.around.storage.setItem(ID_TOKEN, tokens.id);
    this.become("signed-in");
  }

  private forget(status: Status): void {
    this.tokens = null;
    this.around.storage.removeItem(REFRESH);
    this.around.storage.removeItem(ID_TOKEN);
    this.become(status);
  }

  private become(status: Status): void {
    if (this.status === status) return;
    this.status = status;
    for (const listener of this.listeners) listener();
  }
}

const JSON_BODY = { "content-type": "application/json" };

function browser(): Surroundings {
  return {
    fetch: (input, init) => fetch(input, init),
    storage: sessionStorage,
    channel: "BroadcastChannel" in globalThis ? new BroadcastChannel("observastack.session") : null,
    exclusively: (work) => (navigator.locks ? navigator.locks.request("observastack.renew", work) : work()),
    now: () => Date.now(),
    go: (url) => location.assign(url),
    origin: location.origin,
  };
}

let shared: Auth | null = null;

/** The session of this page. */
export function auth(): Auth {
  shared ??= new Auth(browser());
  return shared;
}
