import { expect, it } from "vitest";

import { aligned, seriesLabel, seriesOf } from "./queries";
import { firstMetric, pickable, questionTo } from "./suggest";

const names = ["up", "http_requests_total", "rpc_seconds_bucket", "rpc_seconds_sum", "rpc_seconds_count", "other_count"];

it("a histogram is one metric, a lone _count stays", () => {
  expect(pickable(names)).toEqual(["http_requests_total", "other_count", "rpc_seconds", "up"]);
});

it("the question fits the kind of metric", () => {
  expect(questionTo("rpc_seconds", names).reduction).toBe("p95");
  expect(questionTo("http_requests_total", names).reduction).toBe("rate");
  expect(questionTo("up", names).reduction).toBe("avg");
});

it("the page opens with a duration when there is one", () => {
  expect(firstMetric(names)).toBe("rpc_seconds");
  expect(firstMetric(["up", "http_requests_total"])).toBe("http_requests_total");
  expect(firstMetric([])).toBeNull();
});

it("a window starts and ends on steps", () => {
  expect(aligned(1_000_123, 2_000_456, 15)).toEqual({ from: 990_000, to: 1_995_000, step_s: 15 });
});

it("a series is named by what tells it from others", () => {
  expect(seriesLabel({ __name__: "up" })).toBe("up");
  expect(seriesLabel({ service: "payments" })).toBe("payments");
  expect(seriesLabel({ service: "payments", region: "eu" })).toBe("service=payments region=eu");
  expect(seriesLabel({})).toBe("value");
});

it("series come highest first, in milliseconds, and NaN is a gap", () => {
  const [first, second] = seriesOf([
    { metric: { service: "low" }, values: [[10, "1"], [20, "NaN"]] },
    { metric: { service: "high" }, values: [[10, "5"], [20, "+Inf"]] },
  ]);
  expect(first).toMatchObject({ label: "high", points: [[10_000, 5], [20_000, null]] });
  expect(second).toMatchObject({ label: "low", points: [[10_000, 1], [20_000, null]] });
  expect(first?.colour).not.toBe(second?.colour);
});
