import { describe, expect, it } from "vitest";

import type { Filter, LogItem } from "../types";
import { choose, chosen, decodeFilter, encodeFilter, passes, takeFilters, toggleFilter, valueText } from "./filters";

const all: Filter[] = [
  { field: "service", operator: "equals", value: "payments" },
  { field: "attributes.route", operator: "not_equals", value: "/healthz?x=1&y=~2" },
  { field: "body", operator: "contains", value: "a=b [c] \"d\"" },
  { field: "name", operator: "regex", value: "^GET .*$" },
  { field: "duration_ns", operator: "gt", value: 1_000_000 },
  { field: "value", operator: "lt", value: -0.5 },
  { field: "duration_ns", operator: "range", value: [1, 2_000] },
  { field: "attributes.user.id", operator: "exists", value: true },
  { field: "attributes.user.id", operator: "exists", value: false },
  { field: "attributes.http.status", operator: "equals", value: 504 },
  { field: "attributes.http.status", operator: "equals", value: "504" },
  { field: "attributes.retried", operator: "equals", value: true },
  { field: "attributes.retried", operator: "equals", value: "true" },
  { field: "attributes.odd=key!~<>?%", operator: "equals", value: "" },
  { field: "body", operator: "contains", value: "two\nlines" },
];

describe("a filter in the address", () => {
  it.each(all)("is read as it was written: $field $operator $value", (filter) => {
    expect(decodeFilter(encodeFilter(filter))).toEqual(filter);
  });

  it("is short and legible", () => {
    expect(encodeFilter(all[0] as Filter)).toBe("service=payments");
    expect(encodeFilter({ field: "severity", operator: "range", value: [17, 24] })).toBe("severity=[17..24]");
  });

  it("has no meaning when it is damaged", () => {
    for (const text of ["", "service", "=x", "severity=[1..", "severity=[a..b]", "?"]) expect(decodeFilter(text)).toBeNull();
  });
});

describe("typed text", () => {
  it("gives up conditions on known fields", () => {
    expect(takeFilters('timeout service=payments severity=error duration_ns>1000000 "quoted service=x" attributes.pool!="acquirer eu"')).toEqual({
      text: 'timeout "quoted service=x"',
      filters: [
        { field: "service", operator: "equals", value: "payments" },
        { field: "severity", operator: "equals", value: "error" },
        { field: "duration_ns", operator: "gt", value: 1_000_000 },
        { field: "attributes.pool", operator: "not_equals", value: "acquirer eu" },
      ],
    });
  });

  it("stays text where logs are full of key=value", () => {
    expect(takeFilters("attempt=3/3 pool=acquirer-eu")).toEqual({ text: "attempt=3/3 pool=acquirer-eu", filters: [] });
  });

  it("asks for ids as texts, also when they look like numbers", () => {
    expect(takeFilters("span_id=1234567890123456").filters).toEqual([{ field: "span_id", operator: "equals", value: "1234567890123456" }]);
  });
});

describe("values of a facet", () => {
  it("are one condition, one pattern for several, and come back", () => {
    const one = choose([], "service", ["payments"]);
    expect(one).toEqual([{ field: "service", operator: "equals", value: "payments" }]);
    const two = choose(one, "service", ["payments", "cart.api|x"]);
    expect(two).toEqual([{ field: "service", operator: "regex", value: "^(payments|cart\\.api\\|x)$" }]);
    expect(chosen(two, "service")).toEqual(["payments", "cart.api|x"]);
    expect(choose(two, "service", [])).toEqual([]);
    expect(valueText(two[0] as Filter)).toBe("payments or cart.api|x");
  });

  it("of severity are a range without those between", () => {
    const filters = choose([], "severity", ["info", "error"]);
    expect(chosen(filters, "severity")).toEqual(["info", "error"]);
    const log = (severity_number: number) => ({ source: "logs", content: { severity_number, attributes: {}, resource: {} } }) as unknown as LogItem;
    const kept = [1, 5, 9, 12, 13, 16, 17, 20, 21].filter((number) => filters.every((filter) => passes(log(number), filter)));
    expect(kept).toEqual([9, 12, 17, 20]);
  });

  it("leave other filters alone", () => {
    const others: Filter[] = [{ field: "service", operator: "contains", value: "pay" }, { field: "body", operator: "contains", value: "x" }];
    expect(choose(others, "service", ["payments"]).slice(0, 2)).toEqual(others);
  });
});

it("adding a condition takes out its opposite, adding it again takes it out", () => {
  const is: Filter = { field: "service", operator: "equals", value: "a" };
  const isNot: Filter = { ...is, operator: "not_equals" };
  expect(toggleFilter([is], isNot)).toEqual([isNot]);
  expect(toggleFilter([isNot], isNot)).toEqual([]);
});

describe("live lines", () => {
  const line = {
    id: "1", timestamp: "", time_unix_nano: "0", source: "logs", service: "payments", trace_id: null,
    content: { body: "Timeout after 2 s", severity_number: 17, severity_text: "ERROR", attributes: { "http.status": 504, pool: "eu" }, resource: { region: "eu-west-1" }, span_id: null },
  } satisfies LogItem;

  it.each<[Filter, boolean]>([
    [{ field: "service", operator: "equals", value: "payments" }, true],
    [{ field: "service", operator: "regex", value: "^(payments|x)$" }, true],
    [{ field: "severity", operator: "equals", value: "error" }, true],
    [{ field: "severity", operator: "gt", value: "error" }, false],
    [{ field: "severity", operator: "gt", value: "warn" }, true],
    [{ field: "severity", operator: "lt", value: "error" }, false],
    [{ field: "body", operator: "contains", value: "timeout" }, true],
    [{ field: "attributes.http.status", operator: "equals", value: "504" }, true],
    [{ field: "attributes.http.status", operator: "equals", value: 504 }, true],
    [{ field: "attributes.http.status", operator: "range", value: [500, 503] }, false],
    [{ field: "attributes.absent", operator: "not_equals", value: "x" }, true],
    [{ field: "attributes.absent", operator: "exists", value: true }, false],
    [{ field: "attributes.absent", operator: "exists", value: false }, true],
    [{ field: "resource.region", operator: "not_equals", value: "eu-west-1" }, false],
    [{ field: "trace_id", operator: "exists", value: true }, false],
    [{ field: "body", operator: "regex", value: "(" }, false],
  ])("pass %j: %s", (filter, expected) => {
    expect(passes(line, filter)).toBe(expected);
  });
});
