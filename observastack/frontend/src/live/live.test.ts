import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Item } from "../types";
import { add, CAPACITY, EMPTY, Rate, release } from "./buffer";
import { LiveClient, type LiveStatus, type Socket } from "./client";

const item = (id: number) => ({ id: String(id), source: "logs", time_unix_nano: String(id) }) as unknown as Item;
const ids = (items: readonly Item[]) => items.map((one) => Number(one.id));

describe("the buffer", () => {
  it("shows the newest first", () => {
    expect(ids(add(add(EMPTY, [item(1), item(3)], 0, false), [item(2)], 0, false).shown)).toEqual([2, 3, 1]);
  });

  it("holds back what arrives while somebody reads, and then puts it on top", () => {
    const held = add(add(EMPTY, [item(1)], 0, false), [item(2), item(3)], 0, true);
    expect([ids(held.shown), ids(held.waiting)]).toEqual([[1], [3, 2]]);
    expect(ids(release(held).shown)).toEqual([3, 2, 1]);
  });

  it("takes a line once, also when the stream goes on from an earlier cursor", () => {
    expect(ids(add(add(EMPTY, [item(1)], 0, false), [item(1), item(2)], 0, false).shown)).toEqual([2, 1]);
  });

  it("is bounded, and counts what was left out", () => {
    const many = Array.from({ length: CAPACITY + 10 }, (_, index) => item(index));
    expect(add(EMPTY, many, 0, false).shown).toHaveLength(CAPACITY);
    expect(add(EMPTY, many, 3, true).dropped).toBe(13);
  });
});

it("the rate is that of the last seconds", () => {
  const rate = new Rate(5);
  rate.count(1_000, 50);
  rate.count(5_000, 10);
  expect(rate.perSecond(5_500)).toBe(12);
  expect(rate.perSecond(9_000)).toBe(2);
});

class FakeSocket implements Socket {
  sent: Record<string, unknown>[] = [];
  closed = false;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  send = (text: string) => void this.sent.push(JSON.parse(text) as Record<string, unknown>);
  close = () => {
    this.closed = true;
  };
  says(message: Record<string, unknown>) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

describe("the connection", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  async function opened(cursor: string | null = null, renew: () => Promise<boolean> = async () => true) {
    const sockets: FakeSocket[] = [];
    const seen = { status: [] as LiveStatus[], items: [] as Item[], expired: [] as (string | null)[] };
    let token = 0;
    const client = new LiveClient(new URLSearchParams("types=logs"), cursor, {
      onStatus: (status) => void seen.status.push(status),
      onItems: (items) => void seen.items.push(...items),
      onExpired: (at) => void seen.expired.push(at),
    }, {
      connect: () => {
        const socket = new FakeSocket();
        sockets.push(socket);
        return socket;
      },
      session: { token: async () => `t${token}`, renew: async () => { token += 1; return renew(); } },
      now: () => 0,
    });
    client.start();
    await vi.advanceTimersByTimeAsync(0);
    sockets[0]?.onopen?.();
    return { client, sockets, seen, first: sockets[0] as FakeSocket };
  }

  it("authenticates in the first message and is live after the greeting", async () => {
    const { first, seen } = await opened();
    expect(first.sent).toEqual([{ type: "auth", token: "t0" }]);
    first.says({ type: "hello", cursor: "c0", types: ["logs"] });
    expect(seen.status.at(-1)).toMatchObject({ kind: "live" });
  });

  it("goes on from the last cursor after a break", async () => {
    const { first, sockets, seen } = await opened("kept");
    expect(first.sent[0]).toMatchObject({ cursor: "kept" });
    first.says({ type: "hello", cursor: "c0", types: ["logs"] });
    first.says({ type: "items", source: "logs", items: [item(1)], cursor: "c1", dropped: 0 });
    first.onclose?.({ code: 1012, reason: "" });
    expect(seen.status.at(-1)).toMatchObject({ kind: "reconnecting" });
    await vi.advanceTimersByTimeAsync(1_000);
    sockets[1]?.onopen?.();
    expect(sockets[1]?.sent).toEqual([{ type: "auth", token: "t0", cursor: "c1" }]);
  });

  it("renews the token before it ends, without a new connection", async () => {
    const { first, sockets } = await opened();
    first.says({ type: "hello", cursor: "c0", types: ["logs"] });
    first.says({ type: "expiring", in_s: 30 });
    await vi.advanceTimersByTimeAsync(0);
    expect(first.sent.at(-1)).toEqual({ type: "auth", token: "t1" });
    expect(sockets).toHaveLength(1);
  });

  it("stops when the session is over, and keeps the cursor", async () => {
    const { first, seen } = await opened(null, async () => false);
    first.says({ type: "hello", cursor: "c7", types: ["logs"] });
    first.onclose?.({ code: 4401, reason: "" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen.expired).toEqual(["c7"]);
    expect(seen.status.at(-1)).toMatchObject({ kind: "stopped", reason: "expired" });
  });

  it("does not knock again where it is not allowed", async () => {
    const { first, sockets, seen } = await opened();
    first.onclose?.({ code: 4403, reason: "" });
    await vi.advanceTimersByTimeAsync(120_000);
    expect(seen.status.at(-1)).toMatchObject({ kind: "stopped", reason: "forbidden" });
    expect(sockets).toHaveLength(1);
  });

  it("goes on from now when its cursor is too old", async () => {
    const { first, sockets } = await opened("old");
    first.says({ type: "error", code: "bad_cursor", message: "too old" });
    first.onclose?.({ code: 4400, reason: "" });
    await vi.advanceTimersByTimeAsync(1_000);
    sockets[1]?.onopen?.();
    expect(sockets[1]?.sent).toEqual([{ type: "auth", token: "t0" }]);
  });

  it("takes silence for a dead connection", async () => {
    const { first, sockets } = await opened();
    first.says({ type: "hello", cursor: "c0", types: ["logs"] });
    await vi.advanceTimersByTimeAsync(30_000);
    first.says({ type: "heartbeat", ts: "" });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(first.closed).toBe(true);
    expect(sockets).toHaveLength(2);
  });

  it("waits longer after each failure, fifteen seconds at most", async () => {
    const { sockets, seen } = await opened();
    for (let index = 0; index < 8; index++) {
      sockets.at(-1)?.onclose?.({ code: 1006, reason: "" });
      await vi.advanceTimersByTimeAsync(20_000);
    }
    const waits = seen.status.flatMap((status) => (status.kind === "reconnecting" ? [status.inS] : []));
    expect(waits).toEqual([0.5, 1, 2, 4, 8, 15, 15, 15]);
  });
});
