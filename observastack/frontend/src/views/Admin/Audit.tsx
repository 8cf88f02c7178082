/** Who did what. Filters are in the address; entries can be read and exported, never changed. */
import { useMemo, useState } from "react";
import { useSearchParams } from "react-router";

import { useAudit, type AuditFilters } from "../../admin/queries";
import { refusal } from "../../admin/words";
import { useZone } from "../../app/Moment";
import { ViewFailure } from "../../app/Refused";
import { useCan } from "../../app/session";
import { Badge, Button, copyText, DataTable, Dialog, EmptyState, FilterChip, Icon, Pager, Popover, saveCsv, SelectField, TextField, TimeRangePicker, useToast, type Column } from "../../components";
import { clockMillis, day, zoneName } from "../../time/clock";
import { last, resolve, secondsBack, type Range } from "../../time/range";
import type { AuditEntry } from "../../types";
import { full } from "../../time/when";
import { AdminPage } from "./frame";

const FIELDS = [
  { value: "user", label: "user" }, { value: "action", label: "action" }, { value: "success", label: "result" }, { value: "tenant", label: "tenant" },
];

function FilterEditor({ platform, initial, onDone }: { platform: boolean; initial: { field: string; value: string }; onDone: (field: string, value: string) => void }) {
  const [field, setField] = useState(initial.field);
  const [value, setValue] = useState(initial.value);
  return (
    <form style={{ display: "grid", gap: 8, padding: 6, width: 260 }} onSubmit={(event) => {
      event.preventDefault();
      event.stopPropagation();
      if (value.trim()) onDone(field, value.trim());
    }}>
      <SelectField label="Field" value={field} choices={FIELDS.filter((each) => platform || each.value !== "tenant")} data-testid="audit-filter-field"
        onChange={(next) => {
          setField(next);
          setValue(next === "success" ? "false" : "");
        }} />
      {field === "success"
        ? <SelectField label="Result" value={value} choices={[{ value: "false", label: "refused" }, { value: "true", label: "done" }]} onChange={setValue} data-testid="audit-filter-value" />
        : <TextField label={field === "action" ? "Action, whole or its beginning (alerts.)" : "Value"} mono value={value} onChange={(event) => setValue(event.target.value)} data-testid="audit-filter-value" />}
      <Button type="submit" variant="primary" data-testid="audit-filter-apply">Filter</Button>
    </form>
  );
}

function EntryDialog({ entry, onClose }: { entry: AuditEntry | null; onClose: () => void }) {
  const zone = useZone();
  return (
    <Dialog open={entry !== null} onClose={onClose} title={entry?.action ?? ""} data-testid="audit-dialog">
      {entry && (
        <>
          <dl className="kv">
            <div><dt>time</dt><dd>{full(Date.parse(entry.ts), zone)}</dd></div>
            <div><dt>user</dt><dd>{entry.user ?? "nobody signed in"}</dd></div>
            <div><dt>tenant</dt><dd>{entry.tenant ?? "platform"}</dd></div>
            <div><dt>resource</dt><dd>{entry.resource ?? "–"}</dd></div>
            <div><dt>result</dt><dd>{entry.success ? "done" : `refused${refusal(entry) ? `, ${refusal(entry) ?? ""}` : ""}`}</dd></div>
            <div><dt>address</dt><dd>{entry.ip ?? "–"}</dd></div>
            <div><dt>request</dt><dd>{entry.request_id ?? "–"}</dd></div>
          </dl>
          {entry.detail && <pre className="code" tabIndex={0}>{JSON.stringify(entry.detail, null, 2)}</pre>}
        </>
      )}
    </Dialog>
  );
}

function csv(entries: readonly AuditEntry[]): string {
  const cell = (value: unknown) => {
    const text = value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
    // A cell that begins like a formula would be run by a spreadsheet.
    return `"${(/^[=+@\-\t]/.test(text) ? `'${text}` : text).replace(/"/g, '""')}"`;
  };
  const names = ["ts", "user", "tenant", "action", "resource", "success", "ip", "request_id", "detail"] as const;
  return [names.join(","), ...entries.map((entry) => names.map((name) => cell(entry[name])).join(","))].join("\r\n");
}

function Audit() {
  const zone = useZone();
  const toast = useToast();
  const platform = useCan("admin:platform");
  const [parameters, setParameters] = useSearchParams();
  const [now, setNow] = useState(() => Date.now());
  const [shown, setShown] = useState<AuditEntry | null>(null);
  const range = useMemo<Range>(() => {
    const from = parameters.get("from");
    return from !== null && (secondsBack(from) !== null || !Number.isNaN(Date.parse(from))) ? { from, to: parameters.get("to") ?? "now" } : last(86_400);
  }, [parameters]);
  const filters = useMemo<AuditFilters>(() => {
    const span = resolve(range, now);
    const success = parameters.get("success");
    return {
      user: parameters.get("user") ?? undefined, action: parameters.get("action") ?? undefined, tenant: platform ? parameters.get("tenant") ?? undefined : undefined,
      success: success === "true" ? true : success === "false" ? false : undefined,
      from: new Date(span.from).toISOString(), to: range.to === "now" ? undefined : new Date(span.to).toISOString(),
    };
  }, [parameters, range, now, platform]);
  const audit = useAudit(filters);
  const entries = audit.data?.pages.flatMap((page) => page.items) ?? [];
  const set = (changes: Record<string, string | null>) => setParameters((before) => {
    const next = new URLSearchParams(before);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) next.delete(name);
      else next.set(name, value);
    }
    return next;
  });
  const active = FIELDS.flatMap(({ value: field, label }) => {
    const value = parameters.get(field);
    return value !== null && (platform || field !== "tenant") ? [{ field, label, value: field === "success" ? (value === "true" ? "done" : "refused") : value }] : [];
  });
  const download = () => {
    saveCsv(csv(entries), "audit-log.csv");
    toast({ tone: "ok", title: `${entries.length.toLocaleString("en")} entries exported`, text: audit.hasNextPage ? "These are the loaded ones. Load older entries to export more." : null });
  };
  const mono = "mono small";
  const columns: Column<AuditEntry>[] = [
    {
      id: "time", header: `Time, ${zoneName(zone, now)}`, cellClass: mono,
      cell: ({ ts }) => {
        const at = Date.parse(ts);
        const date = day(at, zone) === day(now, zone) ? "" : `${day(at, zone).slice(5)} `;
        return <time className="num nowrap" dateTime={ts} title={full(at, zone)}>{date}{clockMillis(at, zone)}</time>;
      },
    },
    { id: "user", header: "User", cell: (entry) => entry.user ?? <span className="muted">nobody</span> },
    ...(platform ? [{ id: "tenant", header: "Tenant", cell: (entry: AuditEntry) => entry.tenant ? <span className="label">{entry.tenant}</span> : <span className="muted">platform</span> }] : []),
    { id: "action", header: "Action", cellClass: mono, cell: (entry) => <button type="button" className="linkish mono" onClick={() => setShown(entry)} data-testid="audit-open">{entry.action}</button> },
    { id: "resource", header: "Resource", cellClass: mono, cell: (entry) => <span className="trunc resource" title={entry.resource ?? undefined}>{entry.resource ?? "–"}</span> },
    {
      id: "result", header: "Result",
      cell: (entry) => {
        const why = refusal(entry);
        return <span className="nowrap">{entry.success ? <Badge kind="ok" icon="check">done</Badge> : <Badge kind="error" icon="close">refused</Badge>}{why && <span className="muted" style={{ fontSize: "var(--fs-2)" }}> {why}</span>}</span>;
      },
    },
    { id: "ip", header: "Address", cellClass: `${mono} muted`, cell: (entry) => entry.ip ?? "–" },
    {
      id: "request", header: "Request",
      cell: ({ request_id }) => request_id && (
        <button className="btn ghost sm mono" type="button" title={`Copy request id ${request_id}`} style={{ fontSize: "var(--fs-1)" }} data-testid="audit-copy"
          onClick={() => void copyText(request_id).then(() => toast({ tone: "ok", title: "Request id copied" }))}>{request_id.slice(0, 12)}<Icon name="copy" small /></button>
      ),
    },
  ];
  if (audit.error && !audit.data) return <ViewFailure error={audit.error} what="the audit log" permission="admin:tenant" subject="This tenant" onRetry={() => void audit.refetch()} />;
  return (
    <>
      <div className="flex between">
        <div className="flex">
          <TimeRangePicker value={range} tz={zone} data-testid="audit-range" onChange={(next) => {
            setNow(Date.now());
            set({ from: next.from, to: next.to });
          }} />
          {active.map(({ field, label, value }) => <FilterChip key={field} field={label} operator="is" value={value} data-testid="audit-filter-chip" onRemove={() => set({ [field]: null })} />)}
          <Popover label="Add a filter" trigger={{ className: "add-matcher", size: "sm", icon: "plus", children: "Filter", "data-testid": "audit-add-filter" }}>
            {(close) => <FilterEditor platform={platform} initial={{ field: "user", value: "" }} onDone={(field, value) => { set({ [field]: value }); close(); }} />}
          </Popover>
        </div>
        <div className="flex">
          <span className="muted hide-s">Entries cannot be changed or deleted.</span>
          <Button icon="download" reason={entries.length === 0 ? "There is nothing to export" : null} onClick={download} data-testid="audit-export">Export</Button>
        </div>
      </div>
      <section className="panel" aria-labelledby="audit-heading">
        <h2 id="audit-heading" className="sr">Entries</h2>
        <DataTable caption="Audit log, newest first" columns={columns} rows={entries} rowId={(entry) => entry.id} loading={audit.isPending} stale={audit.isPlaceholderData} data-testid="audit-table" rowTestId="audit-row"
          empty={<EmptyState level={3} title="No entry in this range" actions={active.length > 0 ? <Button onClick={() => set({ user: null, action: null, success: null, tenant: null })}>Take the filters away</Button> : undefined} />} />
        <Pager shown={entries.length} total={null} hasMore={audit.hasNextPage} busy={audit.isFetchingNextPage} onMore={() => void audit.fetchNextPage()} more="Load 100 older" onFirst={() => { setNow(Date.now()); scrollTo({ top: 0 }); }} atFirst={(audit.data?.pages.length ?? 1) === 1} />
      </section>
      <EntryDialog entry={shown} onClose={() => setShown(null)} />
    </>
  );
}

export default function AuditView() {
  return <AdminPage title="Audit log" what="the audit log"><Audit /></AdminPage>;
}
