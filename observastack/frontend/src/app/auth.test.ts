import { describe, expect, it } from "vitest";

import { Api } from "./api";
import { Auth, type Surroundings } from "./auth";
import { ApiError } from "./errors";
import { claimsOf } from "./oidc";

interface Call {
  url: string;
  method: string;
  headers: Record<string, string>;
  body: string;
}

/** A server of sessions: refresh tokens are good once, access tokens until `dead` names them. */
class Server {
  calls: Call[] = [];
  dead = new Set<string>();
  issued = 0;
  refresh = "r0";
  oidc = false;
  down = false;

  readonly fetch = async (url: string, init: RequestInit = {}): Promise<Response> => {
    await Promise.resolve();
    if (this.down) throw new TypeError("no network");
    const headers = (init.headers ?? {}) as Record<string, string>;
    const body = init.body instanceof URLSearchParams ? init.body.toString() : String(init.body ?? "");
    this.calls.push({ url, method: init.method ?? "GET", headers, body });
    if (url.endsWith("/auth-info")) return json(this.oidc ? OIDC : LOCAL);
    if (url.endsWith("/auth/login")) return json(this.pair());
    if (url.endsWith("/auth/refresh")) {
      const sent = (JSON.parse(body) as { refresh_token: string }).refresh_token;
      return sent === this.refresh ? json(this.pair()) : refused(401);
    }
    if (url === OIDC.token_endpoint) return json({ ...this.pair(), id_token: this.idToken });
    const token = headers.authorization?.replace("Bearer ", "") ?? "";
    return token === "" || this.dead.has(token) ? refused(401) : json({ token });
  };

  idToken = "";

  pair() {
    this.issued += 1;
    this.refresh = `r${this.issued}`;
    return { access_token: `a${this.issued}`, refresh_token: this.refresh, token_type: "bearer", expires_in: 300 };
  }

  count(path: string): number {
    return this.calls.filter((call) => call.url.includes(path)).length;
  }
}

const LOCAL = { method: "local", issuer: "i", audience: "a", jwks_uri: null, client_id: null, authorization_endpoint: null, token_endpoint: null, end_session_endpoint: null, scopes: null };
const OIDC = {
  ...LOCAL,
  method: "oidc",
  client_id: "pages",
  authorization_endpoint: "https://id.test/auth",
  token_endpoint: "https://id.test/token",
  end_session_endpoint: "https://id.test/end",
  scopes: "openid profile email",
};

function json(document: unknown): Response {
  return new Response(JSON.stringify(document), { status: 200, headers: { "content-type": "application/json" } });
}

function refused(status: number): Response {
  const error = { code: "unauthenticated", message: "no", request_id: "q1", details: [] };
  return new Response(JSON.stringify({ error }), { status });
}

class Shelf {
  kept = new Map<string, string>();
  getItem = (key: string) => this.kept.get(key) ?? null;
  setItem = (key: string, value: string) => void this.kept.set(key, value);
  removeItem = (key: string) => void this.kept.delete(key);
}

/** Tabs of one browser: messages reach all others. */
class Wire {
  private readonly ends: { onmessage: ((event: MessageEvent) => void) | null }[] = [];
  private queue: Promise<unknown> = Promise.resolve();

  end(): NonNullable<Surroundings["channel"]> {
    const end = {
      onmessage: null as ((event: MessageEvent) => void) | null,
      postMessage: (data: unknown) => {
        for (const other of this.ends) {
          if (other !== end) void Promise.resolve().then(() => other.onmessage?.({ data } as MessageEvent));
        }
      },
    };
    this.ends.push(end);
    return end;
  }

  exclusively = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = this.queue.then(work, work);
    this.queue = turn.catch(() => undefined);
    return turn;
  };
}

function tab(server: Server, wire: Wire | null = null, storage = new Shelf(), now = () => 1_000_000) {
  const went: string[] = [];
  const auth = new Auth({
    fetch: server.fetch,
    storage,
    channel: wire?.end() ?? null,
    exclusively: wire?.exclusively ?? ((work) => work()),
    now,
    go: (url) => void went.push(url),
    origin: "https://pages.test",
  });
  return { auth, api: new Api(() => auth, server.fetch), storage, went };
}

describe("the API client", () => {
  it("sends the token and a request id of its own", async () => {
    const server = new Server();
    const { auth, api } = tab(server);
    await auth.login("ada", "secret");
    await api.get("/thing", { a: 1, absent: null });
    const call = server.calls.at(-1);
    expect(call?.url).toBe("/api/v1/thing?a=1");
    expect(call?.headers.authorization).toBe("Bearer a1");
    expect(call?.headers["x-request-id"]).toMatch(/^[0-9a-f]{32}$/);
  });

  it("renews a refused token once and asks again", async () => {
    const server = new Server();
    const { auth, api } = tab(server);
    await auth.login("ada", "secret");
    server.dead.add("a1");
    expect(await api.get("/thing")).toEqual({ token: "a2" });
    expect(server.count("/auth/refresh")).toBe(1);
  });

  it("renews once for requests that were refused together", async () => {
    const server = new Server();
    const { auth, api } = tab(server);
    await auth.login("ada", "secret");
    server.dead.add("a1");
    const answers = await Promise.all([api.get("/one"), api.get("/two"), api.get("/three")]);
    expect(answers).toEqual([{ token: "a2" }, { token: "a2" }, { token: "a2" }]);
    expect(server.count("/auth/refresh")).toBe(1);
  });

  it("ends the session when the renewed token is refused, too", async () => {
    const server = new Server();
    const { auth, api } = tab(server);
    await auth.login("ada", "secret");
    server.dead.add("a1").add("a2");
    await expect(api.get("/thing")).rejects.toMatchObject({ status: 401, requestId: "q1" });
    expect(auth.snapshot()).toBe("expired");
    expect(server.count("/auth/refresh")).toBe(1);
  });

  it("keeps the session when the renewal cannot be asked for", async () => {
    const server = new Server();
    const { auth, api, storage } = tab(server);
    await auth.login("ada", "secret");
    server.down = true;
    await expect(api.get("/thing")).rejects.toMatchObject({ status: 0 });
    expect(auth.snapshot()).toBe("signed-in");
    expect(storage.getItem("observastack.refresh")).toBe("r1");
  });

  it("names an error by the envelope, and by its status without one", async () => {
    const api = new Api(
      () => ({ token: async () => null, renew: async () => false, expire: () => undefined }),
      async (url) =>
        url.includes("plain")
          ? new Response("<html>", { status: 502, headers: { "retry-after": "7" } })
          : new Response(JSON.stringify({ error: { code: "bad_filter", message: "no such field", request_id: "q9", details: [{ at: 1 }] } }), { status: 422 }),
    );
    await expect(api.get("/envelope")).rejects.toMatchObject({ status: 422, code: "bad_filter", requestId: "q9", details: [{ at: 1 }] });
    await expect(api.get("/plain")).rejects.toMatchObject({ status: 502, code: "unknown", retryAfterS: 7 });
  });
});

describe("a session", () => {
  it("keeps the access token out of storage", async () => {
    const { auth, storage } = tab(new Server());
    await auth.login("ada", "secret");
    expect([...storage.kept.values()].join()).not.toContain("a1");
  });

  it("goes on after a reload", async () => {
    const server = new Server();
    const storage = new Shelf();
    await tab(server, null, storage).auth.login("ada", "secret");
    const reloaded = tab(server, null, storage);
    await reloaded.auth.start();
    expect(reloaded.auth.snapshot()).toBe("signed-in");
    expect(await reloaded.auth.token()).toBe("a2");
  });

  it("is signed out after a reload with a token that is no longer good", async () => {
    const server = new Server();
    const storage = new Shelf();
    storage.setItem("observastack.refresh", "stolen");
    const { auth } = tab(server, null, storage);
    await auth.start();
    expect(auth.snapshot()).toBe("signed-out");
    expect(storage.kept.size).toBe(0);
  });

  it("is taken over by a new tab without a second sign-in", async () => {
    const server = new Server();
    const wire = new Wire();
    const first = tab(server, wire);
    await first.auth.login("ada", "secret");
    const second = tab(server, wire);
    expect(await second.auth.token()).toBe("a1");
    expect(server.count("/auth/login")).toBe(1);
  });

  it("uses each refresh token once, also from two tabs at the same time", async () => {
    const server = new Server();
    const wire = new Wire();
    const first = tab(server, wire);
    await first.auth.login("ada", "secret");
    const second = tab(server, wire);
    await second.auth.start();
    server.dead.add("a1");
    const answers = await Promise.all([first.api.get("/one"), second.api.get("/two")]);
    expect(answers).toEqual([{ token: "a2" }, { token: "a2" }]);
    expect(server.count("/auth/refresh")).toBe(1);
  });

  it("ends in every tab", async () => {
    const server = new Server();
    const wire = new Wire();
    const first = tab(server, wire);
    await first.auth.login("ada", "secret");
    const second = tab(server, wire);
    await second.auth.start();
    await first.auth.logout();
    expect(first.auth.snapshot()).toBe("signed-out");
    expect(second.auth.snapshot()).toBe("expired");
    expect(server.calls.at(-1)).toMatchObject({ url: "/api/v1/auth/logout", headers: { authorization: "Bearer a1" } });
  });
});

describe("single sign-on", () => {
  const idToken = (nonce: string) => `x.${btoa(JSON.stringify({ nonce })).replaceAll("=", "")}.y`;

  async function started() {
    const server = new Server();
    server.oidc = true;
    const opened = tab(server);
    Object.assign(globalThis, { isSecureContext: true });
    await opened.auth.beginSingleSignOn("/alerts?status=active");
    return { server, ...opened, url: new URL(opened.went[0] ?? "") };
  }

  it("asks for a code with PKCE, state and nonce", async () => {
    const { url } = await started();
    expect(url.origin + url.pathname).toBe("https://id.test/auth");
    expect(url.searchParams.get("code_challenge_method")).toBe("S256");
    expect(url.searchParams.get("code_challenge")).toMatch(/^[\w-]{43}$/);
    expect(url.searchParams.get("redirect_uri")).toBe("https://pages.test/auth/callback");
    expect(url.searchParams.get("state")).not.toBe(url.searchParams.get("nonce"));
  });

  it("exchanges the code and returns to where the person wanted to go", async () => {
    const { server, auth, url } = await started();
    server.idToken = idToken(url.searchParams.get("nonce") ?? "");
    const next = await auth.completeSingleSignOn(new URLSearchParams({ code: "c1", state: url.searchParams.get("state") ?? "" }));
    expect(next).toBe("/alerts?status=active");
    expect(auth.snapshot()).toBe("signed-in");
    const sent = new URLSearchParams(server.calls.at(-1)?.body);
    expect(sent.get("code")).toBe("c1");
    expect(sent.get("code_verifier")).toMatch(/^[\w-]{43}$/);
  });

  it("refuses an answer with another state, another nonce, or that comes twice", async () => {
    const first = await started();
    await expect(first.auth.completeSingleSignOn(new URLSearchParams({ code: "c", state: "other" }))).rejects.toMatchObject({ code: "state" });
    const second = await started();
    second.server.idToken = idToken("other");
    const query = new URLSearchParams({ code: "c", state: second.url.searchParams.get("state") ?? "" });
    await expect(second.auth.completeSingleSignOn(query)).rejects.toMatchObject({ code: "nonce" });
    await expect(second.auth.completeSingleSignOn(query)).rejects.toBeInstanceOf(ApiError);
    expect(second.auth.snapshot()).not.toBe("signed-in");
  });

  it("reads claims beyond ASCII", () => {
    const bytes = new TextEncoder().encode(JSON.stringify({ name: "Žofie" }));
    expect(claimsOf(`x.${btoa(String.fromCharCode(...bytes))}.y`).name).toBe("Žofie");
  });
});
