import { describe, expect, it } from "vitest";

import { build, parse, REDUCTIONS, splitThreshold, tokens, toOneSeries, type Built } from "./promql";

const built: Built = {
  metric: "http_server_duration_seconds", reduction: "p95", by: ["service"], window: "5m",
  filters: [{ label: "env", operator: "=", value: "prod" }],
};

it("a quantile is taken over the rate of the buckets, with le kept", () => {
  expect(build(built)).toBe('histogram_quantile(0.95, sum by (le, service) (rate(http_server_duration_seconds_bucket{env="prod"}[5m])))');
});

describe("every choice comes back from its query", () => {
  const choices = REDUCTIONS.flatMap(({ value }) => [[], ["service"], ["service", "region"]].map((by) => [value, by] as const));
  it.each(choices)("%s by %j, of a name with dots", (reduction, by) => {
    const choice: Built = { metric: "http.server.request.duration", reduction, by: reduction === "value" ? [] : by, window: "5m", filters: built.filters };
    expect(build(choice)).toContain('{__name__="http.server.request.duration');
    expect(parse(build(choice))).toEqual(choice);
  });

  it.each(choices)("%s by %j", (reduction, by) => {
    const windowed = REDUCTIONS.find(({ value }) => value === reduction)?.windowed;
    const choice: Built = {
      ...built, reduction, by: reduction === "value" ? [] : by, window: windowed ? "15m" : "5m",
      filters: [{ label: "route", operator: "=~", value: '/v2/"a{b}",.*\\d' }, { label: "env", operator: "!=", value: "" }],
    };
    expect(parse(build(choice))).toEqual(choice);
  });
});

it.each(["sum(a) / sum(b)", "predict_linear(a[1h], 60)", "histogram_quantile(0.42, sum by (le) (rate(a_bucket[5m])))", "a offset 5m", "{job=\"x\"}", "sum by (a) (rate(b{c=d}[5m]))"])(
  "%s is left to the editor", (expression) => {
    expect(parse(expression)).toBeNull();
  },
);

it("tokens are the query, in pieces", () => {
  const text = 'histogram_quantile(0.95, sum by (le) (rate(a_bucket{env="prod"}[5m])))';
  expect(tokens(text).map((token) => token.text).join("")).toBe(text);
  const kinds = new Map(tokens(text).map((token) => [token.text, token.kind]));
  expect([kinds.get("rate"), kinds.get("0.95"), kinds.get("5m"), kinds.get('"prod"'), kinds.get("by")]).toEqual(["word", "number", "number", "text", "word"]);
});

it("a trend of several series is one of their sum, or of the highest where a sum has no meaning", () => {
  expect(toOneSeries("a", { ...built, reduction: "rate" })).toEqual({ expression: "sum(a)", how: "the sum of all series" });
  expect(toOneSeries("a", built).expression).toBe("max(a)");
  expect(toOneSeries("a / b", null).expression).toBe("max(a / b)");
});

describe("the threshold of an alert's expression", () => {
  it("is the comparison at its end", () => {
    expect(splitThreshold('sum(rate(a{code=~"5.."}[5m])) / sum(rate(a[5m])) > 0.05')).toEqual({
      expression: 'sum(rate(a{code=~"5.."}[5m])) / sum(rate(a[5m]))', threshold: 0.05, above: true,
    });
    expect(splitThreshold("free < 1e9").threshold).toBe(1e9);
    expect(splitThreshold("free < 1e9").above).toBe(false);
  });

  it("is not one inside a bracket or of a part of the expression", () => {
    for (const text of ["sum(a > 3)", "count(a > 5", "a > 1 and b > 2", "up"]) expect(splitThreshold(text)).toMatchObject({ expression: text, threshold: null });
  });
});
