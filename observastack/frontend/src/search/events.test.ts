import { expect, it } from "vitest";

import { EventCutter } from "./events";

const STREAM = 'event: source\ndata: {"name":"logs"}\n\n: comment\n\nevent: end\r\ndata: {"a":1,\r\ndata: "b":2}\r\n\r\n';

it("cuts events wherever the chunks end", () => {
  for (let size = 1; size <= STREAM.length; size++) {
    const cutter = new EventCutter();
    const events = [];
    for (let at = 0; at < STREAM.length; at += size) events.push(...cutter.push(STREAM.slice(at, at + size)));
    expect(events).toEqual([
      { name: "source", data: '{"name":"logs"}' },
      { name: "end", data: '{"a":1,\n"b":2}' },
    ]);
  }
});

it("keeps an unfinished event", () => {
  expect(new EventCutter().push("event: end\ndata: {}\n")).toEqual([]);
});
