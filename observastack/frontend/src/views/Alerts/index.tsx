/** Alerts, worst first: filters in the address, selection with ranges, actions on many at once. */
import { useDeferredValue, useEffect, useMemo, useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";

import { ActionDialog, type Answers } from "../../alerts/ActionDialog";
import { useAlerts, useBulk, useStatistics, type AlertFilters } from "../../alerts/queries";
import { useLiveAlerts } from "../../alerts/useLiveAlerts";
import { firingFor, outcome, tellingLabel } from "../../alerts/words";
import { Moment, useZone } from "../../app/Moment";
import { Page } from "../../app/Page";
import { Guard, ViewFailure } from "../../app/Refused";
import { useMissing } from "../../app/permission";
import { useMe } from "../../app/session";
import { useShortcuts } from "../../app/shortcuts";
import { useFailureToast } from "../../app/useFailureToast";
import { useNow } from "../../app/useNow";
import { Assignee, Banner, Button, ButtonGroup, DataTable, EmptyState, Find, Icon, Pager, Select, ServiceTag, SevText, StatusBadge, useToast, type Column } from "../../components";
import { formatDuration } from "../../format/duration";
import type { Alert, AlertAction, AlertStatistics, AlertStatus } from "../../types";
import { BulkBar } from "./BulkBar";

const STATUSES: readonly { id: AlertStatus | "all"; label: string; phone: boolean }[] = [
  { id: "all", label: "All", phone: true },
  { id: "active", label: "Active", phone: true },
  { id: "acknowledged", label: "Acknowledged", phone: false },
  { id: "silenced", label: "Silenced", phone: false },
  { id: "resolved", label: "Resolved", phone: true },
];
const MOST_AT_ONCE = 200;

function Figures({ statistics }: { statistics: AlertStatistics | undefined }) {
  const count = (status: AlertStatus) => (statistics ? (statistics.by_status[status] ?? 0).toLocaleString("en") : "–");
  return (
    <dl className="kpis" data-testid="alert-stats">
      <div className="kpi"><dt><i className="dot error" />Active</dt><dd>{count("active")} <small>{statistics ? `${statistics.new_15m} new in 15 min` : ""}</small></dd></div>
      <div className="kpi"><dt>Acknowledged</dt><dd>{count("acknowledged")}</dd></div>
      <div className="kpi"><dt>Silenced</dt><dd>{count("silenced")}</dd></div>
      <div className="kpi"><dt>Resolved, 24 h</dt><dd>{statistics ? statistics.resolved_24h.toLocaleString("en") : "–"}</dd></div>
      <div className="kpi">
        <dt>Time to acknowledge</dt>
        <dd>{formatDuration(statistics?.median_time_to_acknowledge_s ?? null, true)} {statistics && <small>{statistics.median_time_to_acknowledge_s === null ? "none yet" : "median"}</small>}</dd>
      </div>
    </dl>
  );
}

const columns = (now: number, relative: boolean): Column<Alert>[] => [
  { id: "severity", header: "Severity", sortable: "descending", className: "inl", cell: (alert) => <span data-testid="alert-row-severity"><SevText severity={alert.severity} /></span> },
  {
    id: "title", header: "Alert",
    cell: (alert) => {
      const label = tellingLabel(alert);
      return <><Link className="title" to={`/alerts/${alert.id}`} data-testid="alert-row-title">{alert.title}</Link> {label && <span className="label hide-s">{label}</span>}</>;
    },
  },
  { id: "status", header: "Status", className: "inl", cell: (alert) => <StatusBadge status={alert.status} /> },
  { id: "service", header: "Service", className: "inl", cell: (alert) => <ServiceTag service={alert.service} /> },
  { id: "assignee", header: "Assignee", className: "hide-s", cell: (alert) => <Assignee name={alert.assignee} /> },
  { id: "started", header: "Started", right: true, sortable: "descending", className: "inl", cell: (alert) => <Moment at={alert.starts_at} /> },
  { id: "for", header: "For", right: true, className: relative ? "hide-s" : "inl", cell: (alert) => <span className="nowrap">{formatDuration(firingFor(alert, now))}</span> },
];

function Alerts() {
  const me = useMe();
  const now = useNow();
  const zone = useZone();
  const toast = useToast();
  const failed = useFailureToast();
  const navigate = useNavigate();
  const [parameters, setParameters] = useSearchParams();
  const [typed, setTyped] = useState(parameters.get("q") ?? "");
  const q = useDeferredValue(typed.trim());
  const [selected, setSelected] = useState<Set<string>>(new Set());
  const [asking, setAsking] = useState<{ action: AlertAction; ids: string[] } | null>(null);
  const reason = useMissing("alerts:write");
  const status = STATUSES.find(({ id }) => id === parameters.get("status"))?.id ?? "all";
  const sort = parameters.get("sort") === "-starts_at" ? "-starts_at" as const : undefined;
  const filters: AlertFilters = {
    status: status === "all" ? undefined : status,
    severity: parameters.get("severity") ?? undefined,
    service: parameters.get("service") ?? undefined,
    assignee: parameters.get("assignee") ?? undefined,
    q: q || undefined, sort,
  };
  const list = useAlerts(filters);
  const statistics = useStatistics();
  useLiveAlerts();
  const bulk = useBulk();
  const set = (name: string, value: string | null) => setParameters((before) => {
    const next = new URLSearchParams(before);
    if (value) next.set(name, value);
    else next.delete(name);
    return next;
  }, { replace: name === "q" });
  useEffect(() => {
    if (q !== (parameters.get("q") ?? "")) set("q", q);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the address follows the field, not the other way round
  }, [q]);

  const alerts = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data]);
  const byId = useMemo(() => new Map(alerts.map((alert) => [alert.id, alert])), [alerts]);
  const chosen = [...selected].filter((id) => byId.has(id));
  const people = useMemo(() => [...new Set(alerts.flatMap((alert) => alert.assignee ?? []))].sort(), [alerts]);

  const run = (action: AlertAction, ids: string[], answers: Answers = {}) => {
    bulk.mutate({ action, ids: ids.slice(0, MOST_AT_ONCE), ...answers }, {
      onSuccess: (answer) => {
        setAsking(null);
        const refused = answer.results.filter((result) => !result.ok).map((result) => result.id);
        setSelected(new Set(refused));
        const { tone, title, text } = outcome(action, answer, zone);
        const first = refused[0];
        toast({ tone, title, text, actions: first && refused.length === 1 ? [{ label: "Show it", onPress: () => void navigate(`/alerts/${first}`) }] : [] });
      },
      onError: (error) => { if (action === "acknowledge") failed("Nothing was acknowledged", error); },
    });
  };
  const act = (action: AlertAction, ids: string[]) => {
    if (ids.length === 0 || reason || bulk.isPending) return;
    bulk.reset();
    if (action === "acknowledge") run(action, ids);
    else setAsking({ action, ids });
  };
  const focusedRow = () => document.activeElement?.closest<HTMLElement>("[data-testid=alert-row]") ?? null;
  const targets = () => (chosen.length > 0 ? chosen : [focusedRow()?.dataset["id"]].filter((id) => id !== undefined));
  const step = (by: number) => {
    const rows = [...document.querySelectorAll<HTMLElement>("[data-testid=alert-row]")];
    const row = focusedRow();
    const next = rows[row ? rows.indexOf(row) + by : by > 0 ? 0 : rows.length - 1];
    next?.querySelector<HTMLElement>("a.title")?.focus();
  };
  const press = (range: boolean) => {
    const box = focusedRow()?.querySelector<HTMLInputElement>("input[type=checkbox]");
    box?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey: range }));
  };
  useShortcuts({
    j: () => step(1), k: () => step(-1), x: () => press(false), "Shift+x": () => press(true),
    a: () => act("acknowledge", targets()), s: () => act("silence", targets()), m: () => act("assign", targets()), "Shift+r": () => act("resolve", targets()),
    Escape: () => setSelected(new Set()),
  });

  if (list.error && !list.data) return <ViewFailure error={list.error} what="alerts" permission="alerts:read" onRetry={() => void list.refetch()} />;
  const total = list.data?.pages[0]?.total ?? null;
  const narrowed = status !== "all" || filters.severity || filters.assignee || filters.service || q;
  return (
    <>
      <Figures statistics={statistics.data} />
      {list.error && list.data && (
        <Banner tone="warn" title="This list may be old." actions={<Button size="sm" onClick={() => void list.refetch()}>Try again</Button>}>The server did not answer the last time it was asked.</Banner>
      )}
      <div className="flex between">
        <ButtonGroup label="Status">
          {STATUSES.map(({ id, label, phone }) => {
            const count = id === "all" ? statistics.data?.total : statistics.data?.by_status[id] ?? (statistics.data ? 0 : undefined);
            return (
              <Button key={id} className={phone ? "" : "hide-s"} pressed={status === id} onClick={() => set("status", id === "all" ? null : id)} data-testid={`alert-filter-${id}`}>
                {label}{count !== undefined && <span className="muted num">{count.toLocaleString("en")}</span>}
              </Button>
            );
          })}
        </ButtonGroup>
        <div className="flex">
          <Select fit aria-label="Severity" value={filters.severity ?? ""} onChange={(value) => set("severity", value)} data-testid="alert-severity"
            choices={[{ value: "", label: "Any severity" }, ...["critical", "error", "warning", "info"].map((value) => ({ value, label: value }))]} />
          <Select fit aria-label="Assignee" value={filters.assignee ?? ""} onChange={(value) => set("assignee", value)} data-testid="alert-assignee"
            choices={[{ value: "", label: "Any assignee" }, { value: "none", label: "Nobody" }, { value: me.preferred_username, label: "Me" },
              ...people.filter((name) => name !== me.preferred_username).map((value) => ({ value, label: value })),
              ...(filters.assignee && ![...people, "none", me.preferred_username].includes(filters.assignee) ? [{ value: filters.assignee, label: filters.assignee }] : [])]} />
          {filters.service && <Button icon="close" onClick={() => set("service", null)} title="Show all services">{filters.service}</Button>}
          <Find label="Find alerts" placeholder="Find by title or label" value={typed} onChange={setTyped} data-testid="alert-find" />
        </div>
      </div>
      <section className="panel" aria-labelledby="alerts-heading">
        <h2 id="alerts-heading" className="sr">Alerts</h2>
        <DataTable caption={sort ? "Alerts, newest first" : "Alerts, worst first"} columns={columns(now, me.preferences.relative_times)} rows={alerts} rowId={(alert) => alert.id} cards
          loading={list.isPending} stale={list.isPlaceholderData} data-testid="alert-table" rowTestId="alert-row"
          sort={{ column: sort ? "started" : "severity", descending: true }} onSort={({ column }) => set("sort", column === "started" ? "-starts_at" : null)}
          selection={{ selected, onChange: setSelected, name: (id) => byId.get(id)?.title ?? id, allLabel: "Select all alerts", allTestId: "alert-select-all" }}
          empty={narrowed
            ? <EmptyState level={3} title="No alert fits these filters" actions={<Button onClick={() => { setTyped(""); setParameters({}); }} data-testid="empty-suggestion">Show all alerts</Button>} />
            : <EmptyState level={3} icon="bell" title="No alert yet"><p>Alerts appear here as soon as Alertmanager delivers them for this tenant.</p></EmptyState>} />
        <Pager shown={alerts.length} total={total} hasMore={list.hasNextPage} busy={list.isFetchingNextPage} onMore={() => void list.fetchNextPage()}
          note={sort ? "newest first" : "worst and newest first"} more={total === null ? "Load more" : `Load ${Math.min(50, total - alerts.length)} more`} />
      </section>
      {chosen.length > 0 && <BulkBar count={chosen.length} reason={reason} busy={bulk.isPending} onAction={(action) => act(action, chosen)} onClear={() => setSelected(new Set())} />}
      <ActionDialog action={asking?.action ?? null} count={asking?.ids.length ?? 0} people={people} busy={bulk.isPending} error={bulk.error && asking ? bulk.error.message : null}
        onClose={() => setAsking(null)} onConfirm={(answers) => { if (asking) run(asking.action, asking.ids, answers); }} />
    </>
  );
}

export default function AlertsView() {
  return (
    <Page title="Alerts" tools={<Link className="btn ghost hide-s" to="/alerts/silences" data-testid="alert-silences"><Icon name="bell-off" small />Silences</Link>}>
      <Guard what="alerts" permission="alerts:read"><Alerts /></Guard>
    </Page>
  );
}
