/** What the stored telemetry says about services: use, cost, what is unusual. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";

import { api, withQuery } from "../../app/api";
import { useZone } from "../../app/Moment";
import { Page } from "../../app/Page";
import { useMissing } from "../../app/permission";
import { Guard, ViewFailure } from "../../app/Refused";
import { useFailureToast } from "../../app/useFailureToast";
import { Banner, Menu, registerServices, saveAnswer, Tabs, TimeRangePicker } from "../../components";
import { formatBytes, formatChange, formatMoney, formatPercent } from "../../format/quantity";
import { last, lastSeconds, resolve, secondsBack, type Range } from "../../time/range";
import type { Anomalies, CostBreakdown, InsightsDashboard, Utilisation } from "../../types";
import { AnomalyPanel, CostPanel, UtilisationPanel } from "./Panels";
import { changeTone, rangeWords } from "./words";

const TABS = ["overview", "utilisation", "cost", "anomalies"] as const;
type TabId = (typeof TABS)[number];

const QUICK = [
  { label: "Last hour", short: "1h", seconds: 3600 },
  { label: "Last 6 hours", short: "6h", seconds: 21_600 },
  { label: "Last 24 hours", short: "1d", seconds: 86_400 },
  { label: "Last 7 days", short: "7d", seconds: 604_800 },
  { label: "Last 30 days", short: "30d", seconds: 2_592_000 },
];
const EXPORTS = [
  { kind: "resource-utilization", label: "Resource utilisation" }, { kind: "cost-breakdown", label: "Cost breakdown" }, { kind: "anomalies", label: "Anomalies" },
] as const;

function useInsight<T>(what: string, parameters: Record<string, string>, enabled = true) {
  return useQuery({
    queryKey: ["insights", what, parameters],
    queryFn: ({ signal }) => api.get<T>(`/insights/${what}`, parameters, { signal }),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    enabled,
  });
}

function Change({ value, unit = "%", fraction = 1, noise = 5 }: { value: number | null; unit?: string; fraction?: number; noise?: number }) {
  if (value === null) return null;
  return <small><span className={changeTone(value, noise)}>{formatChange(value, unit, fraction)}</span></small>;
}

function Figures({ dashboard, words }: { dashboard: InsightsDashboard | undefined; words: string }) {
  const percent = (value: number | null | undefined) => (value === null || value === undefined ? "–" : formatPercent(value, 0));
  return (
    <dl className="kpis" data-testid="insights-figures">
      <div className="kpi"><dt>Cost, {words}</dt><dd>{dashboard ? formatMoney(dashboard.cost.amount, dashboard.cost.currency) : "–"} <Change value={dashboard?.cost.change_pct ?? null} /></dd></div>
      <div className="kpi"><dt>CPU used of limit</dt><dd>{percent(dashboard?.cpu.used_pct)} <Change value={dashboard?.cpu.change_points ?? null} unit="points" fraction={0} /></dd></div>
      <div className="kpi"><dt>Memory used of limit</dt><dd>{percent(dashboard?.memory.used_pct)} <Change value={dashboard?.memory.change_points ?? null} unit="points" fraction={0} /></dd></div>
      <div className="kpi"><dt>Ingest per day</dt><dd>{formatBytes(dashboard?.ingest.bytes_per_day ?? null)} <Change value={dashboard?.ingest.change_pct ?? null} noise={25} /></dd></div>
      <div className="kpi"><dt>Could be saved</dt><dd>{dashboard ? formatMoney(dashboard.savings.amount, dashboard.cost.currency) : "–"} {dashboard && <small>{formatPercent(dashboard.savings.share_pct, 0)} of cost</small>}</dd></div>
    </dl>
  );
}

function Insights({ tab }: { tab: TabId }) {
  const zone = useZone();
  const navigate = useNavigate();
  const failed = useFailureToast();
  const reason = useMissing("insights:export");
  const [parameters, setParameters] = useSearchParams();
  const [now, setNow] = useState(() => Date.now());
  const range = useMemo<Range>(() => {
    const from = parameters.get("from");
    const fine = (text: string | null) => text !== null && (secondsBack(text) !== null || !Number.isNaN(Date.parse(text)));
    return fine(from) ? { from: from ?? "", to: fine(parameters.get("to")) ? parameters.get("to") ?? "now" : "now" } : last(86_400);
  }, [parameters]);
  const sigma = parameters.get("sigma") ?? "3";
  const span = resolve(range, now);
  const asked = useMemo(() => ({ from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString() }), [span.from, span.to]);
  const words = rangeWords(lastSeconds(range) ?? (span.to - span.from) / 1000);

  const dashboard = useInsight<InsightsDashboard>("dashboard", asked, tab === "overview");
  const use = useInsight<{ items: Utilisation[]; partial?: boolean }>("resource-utilization", asked, tab === "overview" || tab === "utilisation");
  const cost = useInsight<CostBreakdown>("cost-breakdown", asked, tab === "overview" || tab === "cost");
  const anomalies = useInsight<Anomalies>("anomalies", { ...asked, sigma });
  // Busiest first, so that they keep their own colours.
  useMemo(() => registerServices((cost.data?.items ?? []).map((row) => row.service)), [cost.data]);

  const set = (changes: Record<string, string>) => setParameters((before) => {
    const next = new URLSearchParams(before);
    for (const [name, value] of Object.entries(changes)) next.set(name, value);
    return next;
  });
  const save = async (kind: string) => {
    try {
      await saveAnswer(await api.send("GET", withQuery("/insights/export", { kind, ...asked, ...(kind === "anomalies" ? { sigma } : {}) })), `${kind}.csv`);
    } catch (error) {
      failed("Nothing was exported", error);
    }
  };
  const utilisation = (full: boolean) => <UtilisationPanel full={full} items={use.data?.items ?? []} loading={use.isPending} stale={use.isPlaceholderData} />;
  const costPanel = (full: boolean) => <CostPanel full={full} cost={cost.data} loading={cost.isPending} stale={cost.isPlaceholderData} words={words} />;
  const anomalyPanel = (full: boolean) => (
    <AnomalyPanel full={full} anomalies={anomalies.data} loading={anomalies.isPending} stale={anomalies.isPlaceholderData} sigma={sigma} onSigma={(value) => set({ sigma: value })} />
  );
  const partial = [dashboard, use, cost, anomalies].some((query) => query.data?.partial === true);
  const [failure] = [dashboard, use, cost, anomalies].filter((query) => query.error && !query.data);
  return (
    <>
      <div className="flex between">
        <Tabs inside label="Insights" value={tab} panelId="insights-panel" testIdPrefix="insights-tab" onChange={(id) => void navigate({ pathname: id === "overview" ? "/insights" : `/insights/${id}`, search: parameters.toString() })}
          tabs={[
            { id: "overview", label: "Overview" }, { id: "utilisation", label: "Utilisation" }, { id: "cost", label: "Cost" },
            { id: "anomalies", label: "Anomalies", count: anomalies.data ? anomalies.data.items.length : anomalies.error ? null : "…" },
          ]} />
        <div className="flex">
          <TimeRangePicker value={range} tz={zone} quick={QUICK} data-testid="insights-range" onChange={(next) => {
            setNow(Date.now());
            set({ from: next.from, to: next.to });
          }} />
          <Menu label="Export" trigger={{ icon: "download", reason, children: "Export", "data-testid": "insights-export" }}
            items={EXPORTS.map(({ kind, label }) => ({ id: kind, label: `${label} as CSV`, icon: "download" as const, onSelect: () => void save(kind), "data-testid": `insights-export-${kind}` }))} />
        </div>
      </div>
      <div id="insights-panel" role="tabpanel" aria-label={tab} className="stack">
        {failure
          ? <ViewFailure error={failure.error} what="insights" permission="insights:read" onRetry={() => void failure.refetch()} />
          : (
            <>
              {partial && <Banner tone="warn" title="Not everything could be counted in time." data-testid="insights-partial">The figures below are at least this much. A shorter range is counted completely.</Banner>}
              {tab === "overview" && <Figures dashboard={dashboard.data} words={words} />}
              {tab === "overview" && <div className="cols-2">{utilisation(false)}{costPanel(false)}</div>}
              {tab === "utilisation" && utilisation(true)}
              {tab === "cost" && costPanel(true)}
              {(tab === "overview" || tab === "anomalies") && anomalyPanel(tab === "anomalies")}
            </>
          )}
      </div>
    </>
  );
}

export default function InsightsView() {
  const { tab } = useParams();
  const shown = TABS.find((each) => each === tab) ?? "overview";
  return <Page title="Insights"><Guard what="insights" permission="insights:read"><Insights tab={shown} /></Guard></Page>;
}
