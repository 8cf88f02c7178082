/**
 * Live tail over a WebSocket: the token goes in the first message and is renewed before it ends; after a break the
 * stream goes on from the last cursor.
 */
import type { Auth } from "../app/auth";
import type { Alert, Item, LiveMessage } from "../types";

export type LiveStatus =
  | { kind: "connecting" }
  | { kind: "live"; since: number }
  | { kind: "reconnecting"; inS: number }
  | { kind: "stopped"; reason: "expired" | "forbidden" | "refused" | "crowded"; message: string };

export interface Handlers {
  onStatus: (status: LiveStatus) => void;
  onItems: (items: Item[], dropped: number) => void;
  /** An alert changed or is new. */
  onAlert?: (alert: Alert) => void;
  /** The session is over; the cursor is where to go on. */
  onExpired: (cursor: string | null) => void;
}

/** What of a WebSocket is used; tests pass their own. */
export interface Socket {
  send: (text: string) => void;
  close: (code?: number) => void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
}

export interface Means {
  connect: (parameters: URLSearchParams) => Socket;
  session: Pick<Auth, "token" | "renew">;
  now: () => number;
}

/** Heartbeats come every 15 s; after two and a bit of silence the connection counts as dead. */
const SILENCE_MS = 35_000;
const LONGEST_WAIT_S = 15;
const EXPIRED = 4401;

export class LiveClient {
  private socket: Socket | null = null;
  private token: string | null = null;
  private tries = 0;
  private cursorLost = false;
  private ended = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly parameters: URLSearchParams,
    private cursor: string | null,
    private readonly handlers: Handlers,
    private readonly means: Means,
  ) {}

  start(): void {
    this.handlers.onStatus({ kind: "connecting" });
    void this.open();
  }

  stop(): void {
    this.ended = true;
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    this.drop();
  }

  private async open(): Promise<void> {
    try {
      this.token = await this.means.session.token();
    } catch {
      this.again();
      return;
    }
    if (this.ended) return;
    if (this.token === null) {
      this.expired();
      return;
    }
    const socket = this.means.connect(this.parameters);
    this.socket = socket;
    socket.onopen = () => this.authenticate(this.cursor);
    socket.onmessage = (event) => this.hear(JSON.parse(String(event.data)) as LiveMessage);
    socket.onclose = (event) => {
      if (this.socket === socket) void this.closed(event.code, event.reason);
    };
    this.watch();
  }

  private authenticate(cursor: string | null): void {
    const message: Record<string, unknown> = { type: "auth", token: this.token };
    if (cursor !== null) message.cursor = cursor;
    this.socket?.send(JSON.stringify(message));
  }

  private hear(message: LiveMessage): void {
    this.watch();
    switch (message.type) {
      case "hello":
        this.tries = 0;
        this.cursor = message.cursor;
        this.handlers.onStatus({ kind: "live", since: this.means.now() });
        break;
      case "items":
        this.cursor = message.cursor;
        this.handlers.onItems(message.items, message.dropped);
        break;
      case "alert":
        this.cursor = message.cursor;
        this.handlers.onAlert?.(message.alert);
        break;
      case "expiring":
        void this.renew();
        break;
      case "heartbeat":
        if (message.cursor) this.cursor = message.cursor;
        break;
      case "error":
        // Too old to go on from: the stream goes on from now.
        if (message.code === "bad_cursor") this.cursor = null;
        this.cursorLost = message.code === "bad_cursor";
        break;
      case "pong":
        break;
    }
  }

  private async renew(): Promise<void> {
    try {
      if (!(await this.means.session.renew(this.token))) return this.expired();
      this.token = await this.means.session.token();
      this.authenticate(null);
    } catch {
      // The identity service cannot be reached: the server closes when the token ends, then this tries again.
    }
  }

  private async closed(code: number, reason: string): Promise<void> {
    clearTimeout(this.watchdog);
    this.socket = null;
    if (this.ended) return;
    if (code === EXPIRED) {
      try {
        if (this.tries < 3 && (await this.means.session.renew(this.token))) return this.again();
        return this.expired();
      } catch {
        return this.again();
      }
    }
    if (code === 4403) return this.halt("forbidden", reason || "you may not read this live");
    if (code === 4400 && this.cursorLost) {
      this.cursorLost = false;
      return this.again();
    }
    if (code === 4400) return this.halt("refused", reason || "the server does not accept this query live");
    if (code === 4429) return this.halt("crowded", reason || "too many live connections are open");
    this.again();
  }

  private again(): void {
    if (this.ended) return;
    const inS = Math.min(LONGEST_WAIT_S, 0.5 * 2 ** this.tries);
    this.tries += 1;
    this.handlers.onStatus({ kind: "reconnecting", inS });
    // Everybody lost the same server: spread the return.
    this.timer = setTimeout(() => void this.open(), inS * 1000 * (0.75 + Math.random() / 2));
  }

  private watch(): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => {
      this.drop();
      this.again();
    }, SILENCE_MS);
  }

  private expired(): void {
    this.handlers.onExpired(this.cursor);
    this.halt("expired", "the session ended");
  }

  private halt(reason: Extract<LiveStatus, { kind: "stopped" }>["reason"], message: string): void {
    this.stop();
    this.handlers.onStatus({ kind: "stopped", reason, message });
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onclose = null;
      socket.close(1000);
    }
  }
}

/** A WebSocket to the API of this page. */
export function connect(parameters: URLSearchParams): Socket {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const url = `${scheme}://${location.host}/api/v1/stream?${parameters.toString()}`;
  return new WebSocket(url, ["observastack.v1"]) as unknown as Socket;
}
