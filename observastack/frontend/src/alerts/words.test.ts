import { describe, expect, it } from "vitest";

import type { AlertActionResult } from "../types";
import { durationLabel, expressionOf, firingFor, fits, humane, matchersFor, outcome, safeLink, step } from "./words";

const answer = (...statuses: number[]): AlertActionResult => ({
  results: statuses.map((status, index) => ({
    id: String(index), ok: status === 200, status, message: status === 200 ? null : "already resolved", alert: null,
  })),
  succeeded: statuses.filter((status) => status === 200).length,
  failed: statuses.filter((status) => status !== 200).length,
});

describe("after a bulk action", () => {
  it("only what the server confirmed is called done", () => {
    expect(outcome("acknowledge", answer(200, 200, 409), "utc")).toEqual({
      tone: "warn", title: "2 alerts acknowledged", text: "One was refused: already resolved (409).",
    });
  });

  it("a success without a refusal has nothing to add", () => {
    expect(outcome("silence", answer(200), "utc")).toEqual({ tone: "ok", title: "1 alert silenced", text: null });
  });

  it("nothing done is an error", () => {
    expect(outcome("resolve", answer(409, 404), "utc")).toMatchObject({ tone: "error", title: "No alert was resolved" });
  });
});

it("the history says who, and quotes what they wrote", () => {
  const entry = { ts: "", user: "jonas", note: "Known: nightly maintenance." };
  expect(step({ ...entry, action: "acknowledged" })).toMatchObject({ title: "Acknowledged by jonas", text: "“Known: nightly maintenance.”" });
  expect(step({ ...entry, action: "refired", user: null, note: null })).toMatchObject({ title: "Fired again", text: null });
});

it("an alert fires until now, or until it was resolved", () => {
  const now = Date.parse("2026-11-23T09:30:00Z");
  const alert = { starts_at: "2026-11-23T09:16:00Z", ends_at: null, resolved_at: null };
  expect(firingFor({ ...alert, status: "active" }, now)).toBe(840);
  expect(firingFor({ ...alert, status: "resolved", resolved_at: "2026-11-23T09:17:00Z" }, now)).toBe(60);
});

describe("a matcher", () => {
  const labels = { alertname: "CheckoutErrorRatio", region: "eu-west-1" };
  it.each([
    [{ name: "region", value: "eu-west-1", is_regex: false, is_equal: true }, true],
    [{ name: "region", value: "eu", is_regex: true, is_equal: true }, false],
    [{ name: "region", value: "eu-.*", is_regex: true, is_equal: true }, true],
    [{ name: "region", value: "us-.*", is_regex: true, is_equal: false }, true],
    [{ name: "absent", value: "", is_regex: false, is_equal: true }, true],
    [{ name: "region", value: "(", is_regex: true, is_equal: true }, false],
  ])("%j fits: %s", (matcher, expected) => {
    expect(fits(matcher, labels)).toBe(expected);
  });
});

it("a silence starts from what names the alert", () => {
  expect(matchersFor({ labels: { alertname: "A", service: "payments", region: "eu" }, service: "payments" }).map(({ name, value }) => `${name}=${value}`))
    .toEqual(["alertname=A", "service=payments"]);
});

it("moments in messages are written as the page writes them", () => {
  expect(humane("already resolved by jonas at 2020-01-02T03:04:05.123Z", "utc")).toBe("already resolved by jonas at 2020-01-02 03:04:05 UTC");
});

it("the query behind an alert comes from an annotation or from the link to Prometheus", () => {
  expect(expressionOf({ annotations: {}, generator_url: "http://p:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1" })).toBe("up == 0");
  expect(expressionOf({ annotations: { expr: "a > 1" }, generator_url: null })).toBe("a > 1");
  expect(expressionOf({ annotations: {}, generator_url: "not a url" })).toBeNull();
});

it("only web addresses become links", () => {
  expect(safeLink("https://runbooks.example/a")).toBe("https://runbooks.example/a");
  expect(safeLink("javascript:alert(1)")).toBeNull();
  expect(safeLink("runbook")).toBeNull();
});

it("a silence's length says when it ends", () => {
  const now = Date.parse("2026-11-23T09:30:00Z");
  expect(durationLabel(3600, now, "utc")).toBe("1 hour, until 10:30 UTC");
  expect(durationLabel(86_400, now, "utc")).toBe("1 day, until 2026-11-24 09:30 UTC");
});
