/** Metrics: a query by choices or by hand, its lines and numbers. The whole state is in the address. */
import { useMemo, useRef, useState, type KeyboardEvent } from "react";
import { useSearchParams } from "react-router";

import { isStatus } from "../../app/errors";
import { sentence } from "../../app/Failure";
import { useZone } from "../../app/Moment";
import { Page } from "../../app/Page";
import { Guard, ViewFailure } from "../../app/Refused";
import { useMe } from "../../app/session";
import { useShortcuts } from "../../app/shortcuts";
import { queryStep } from "../../charts";
import { useNarrow } from "../../charts/useNarrow";
import { Button, ButtonGroup, Icon, TimeRangePicker } from "../../components";
import { unitOfMetric, type Unit } from "../../format/quantity";
import { build, parse, REDUCTIONS, toOneSeries, type Built } from "../../metrics/promql";
import { aligned, useLabelValues, useRangeQuery } from "../../metrics/queries";
import { firstMetric, pickable, questionTo } from "../../metrics/suggest";
import { last, resolve, secondsBack, type Range } from "../../time/range";
import { Query } from "../Alert/AlertChart";
import { MetricList, TrendPanel } from "./Below";
import { Builder } from "./Builder";
import { Chart } from "./Chart";

const NOTHING: Built = { metric: "", reduction: "avg", by: ["service"], window: "5m", filters: [] };

function rangeOf(parameters: URLSearchParams, default_s: number): Range {
  const bound = (text: string | null) => (text !== null && (secondsBack(text) !== null || !Number.isNaN(Date.parse(text))) ? text : null);
  const from = bound(parameters.get("from"));
  return from === null ? last(default_s) : { from, to: bound(parameters.get("to")) ?? "now" };
}

function unitOf(built: Built | null): Unit {
  if (!built) return "none";
  if (built.reduction === "count") return "count";
  return unitOfMetric(built.metric, built.reduction === "rate");
}

function titleOf(built: Built | null): string {
  if (!built) return "Result";
  const name = built.metric.replace(/_(seconds|bytes|total|ratio)$/, "").replaceAll("_", " ");
  const what = REDUCTIONS.find(({ value }) => value === built.reduction)?.label.replace(" of histogram", "") ?? built.reduction;
  return `${built.reduction === "value" ? name : `${what} of ${name}`}${built.by.length > 0 ? ` by ${built.by.join(", ")}` : ""}`;
}

function Metrics() {
  const me = useMe();
  const zone = useZone();
  const narrow = useNarrow();
  const [parameters, setParameters] = useSearchParams();
  const names = useLabelValues("__name__");
  const all = useMemo(() => names.data ?? [], [names.data]);
  const usual = useMemo(() => {
    const metric = firstMetric(all);
    return metric ? build(questionTo(metric, all)) : "";
  }, [all]);
  const expression = parameters.get("expr") ?? usual;
  const range = useMemo(() => rangeOf(parameters, me.preferences.default_range_s), [parameters, me.preferences.default_range_s]);
  // The moment that “now” means: set by each run, so that the chart does not creep while it is read.
  const [now, setNow] = useState(() => Date.now());
  const [draft, setDraft] = useState<string | null>(null);
  const [editor, setEditor] = useState<"builder" | "promql" | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);

  const text = draft ?? expression;
  const built = useMemo(() => parse(text), [text]);
  const mode = editor ?? (text !== "" && built === null ? "promql" : "builder");
  const span = resolve(range, now);
  const window = useMemo(() => aligned(span.from, span.to, queryStep((span.to - span.from) / 1000, narrow ? 320 : 1000)), [span.from, span.to, narrow]);
  const threshold = parameters.has("threshold") && Number.isFinite(Number(parameters.get("threshold"))) ? Number(parameters.get("threshold")) : null;
  const answer = useRangeQuery(expression, window);
  const ran = useMemo(() => parse(expression), [expression]);
  const unit = unitOf(ran);
  const trend = useMemo(() => {
    if (!answer.data || answer.isPlaceholderData) return null;
    return answer.data.length > 1 ? toOneSeries(expression, ran) : { expression, how: "the series" };
  }, [answer.data, answer.isPlaceholderData, expression, ran]);

  const change = (changes: Record<string, string | null>) => setParameters((before) => {
    const next = new URLSearchParams(before);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) next.delete(name);
      else next.set(name, value);
    }
    return next;
  });
  const run = (query = text) => {
    setNow(Date.now());
    setDraft(null);
    if (query.trim() === expression.trim()) void answer.refetch();
    if (query.trim() !== "") change({ expr: query.trim() });
  };
  const edit = () => {
    setEditor("promql");
    requestAnimationFrame(() => field.current?.focus());
  };
  const pick = (name: string) => {
    setEditor("builder");
    run(build(questionTo(name, all)));
    scrollTo({ top: 0 });
  };
  const keys = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.stopPropagation();
      run();
    }
  };
  useShortcuts({
    "/": edit,
    "Ctrl+Enter": () => run(),
  });
  if (names.error && !names.data) return <ViewFailure error={names.error} what="metrics" permission="signals:read" onRetry={() => void names.refetch()} />;
  const wrong = isStatus(answer.error, 400, 422) && draft === null ? `This query cannot be read: ${sentence(answer.error.message)}` : null;
  const change_ = draft !== null && draft.trim() !== expression.trim();
  return (
    <>
      <section className="panel" aria-labelledby="metric-query">
        <div className="panel-h">
          <h2 id="metric-query">Query</h2>
          <ButtonGroup label="Query editor">
            <Button size="sm" pressed={mode === "builder"} onClick={() => setEditor("builder")} data-testid="metric-builder"
              reason={text !== "" && built === null ? "This query has a form that the builder cannot show" : null}>Builder</Button>
            <Button size="sm" pressed={mode === "promql"} onClick={edit} data-testid="metric-editor">PromQL</Button>
          </ButtonGroup>
          <div className="right">
            <TimeRangePicker value={range} tz={zone} onChange={(next) => {
              setNow(Date.now());
              change({ from: next.from, to: next.to });
            }} />
            <Button variant="primary" onClick={() => run()} busy={answer.isFetching && !answer.isPlaceholderData && answer.isPending} data-testid="metric-run" title="Run (Ctrl Enter)">Run</Button>
          </div>
        </div>
        <div className="panel-b" style={{ display: "grid", gap: 10 }} onKeyDown={keys}>
          {mode === "builder"
            ? <Builder value={built ?? NOTHING} names={pickable(all)} onChange={(next) => setDraft(build(next))} />
            : (
              <div className="field">
                <label htmlFor="metric-promql-field">PromQL</label>
                <textarea id="metric-promql-field" ref={field} className="input mono" rows={3} spellCheck={false} value={text} data-testid="metric-promql-input" style={{ height: "auto", paddingBlock: 7, resize: "vertical" }}
                  aria-invalid={wrong !== null} aria-describedby={wrong ? "metric-promql-error" : undefined} onChange={(event) => setDraft(event.target.value)} />
                {wrong && <span className="err" id="metric-promql-error" role="alert"><Icon name="error" small />{wrong}</span>}
              </div>
            )}
          <div className="flex between promql">
            <span data-testid="metric-promql">{text ? <Query expression={text} /> : <span className="muted">Choose a metric.</span>}</span>
            <span className="muted flex" style={{ fontSize: "var(--fs-2)", gap: 5 }}>
              {change_ && <b style={{ color: "var(--warn)" }}>not run yet</b>}
              <Icon name="lock" small />tenant="{me.tenant_id}" is added by the server
            </span>
          </div>
        </div>
      </section>
      {(expression !== "" || names.isPending) && (
        <Chart title={titleOf(ran)} expression={expression} window={window} unit={unit} series={answer.data} pending={answer.isPending} stale={answer.isPlaceholderData}
          error={answer.error} threshold={threshold} onThreshold={(value) => change({ threshold: value === null ? null : String(value) })} onEdit={edit}
          onRetry={() => void answer.refetch()} cursor={cursor} onCursor={setCursor} />
      )}
      <div className="cols-2">
        {expression !== "" && !answer.error && <TrendPanel expression={trend?.expression ?? null} how={trend?.how ?? ""} window={window} unit={unit} cursor={cursor} onCursor={setCursor} onEdit={edit} />}
        <MetricList names={pickable(all)} current={built?.metric ?? ""} pending={names.isPending} onPick={pick} />
      </div>
    </>
  );
}

export default function MetricsView() {
  return <Page title="Metrics"><Guard what="metrics" permission="signals:read"><Metrics /></Guard></Page>;
}
