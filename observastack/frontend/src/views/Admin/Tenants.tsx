/** Tenants with what they hold: all for a platform admin, the own one for a tenant admin. */
import { useState, type CSSProperties } from "react";
import { Link } from "react-router";

import { useCreateTenant, useDeleteTenant, useEditTenant, useTenants, type TenantDraft } from "../../admin/queries";
import { problemOfTenantId } from "../../admin/words";
import { isStatus } from "../../app/errors";
import { sentence } from "../../app/Failure";
import { Moment } from "../../app/Moment";
import { ViewFailure } from "../../app/Refused";
import { useCan } from "../../app/session";
import { useFailureToast } from "../../app/useFailureToast";
import { Badge, Button, ConfirmDialog, DataTable, Dialog, EmptyState, Field, Find, Menu, Pager, TextField, useToast, type Column, type MenuItem } from "../../components";
import { formatBytes, formatCount } from "../../format/quantity";
import type { Tenant } from "../../types";
import { AdminPage } from "./frame";

const COLOURS = ["#6a4fc0", "#0a7a99", "#bf5615", "#2b8043", "#b2337c", "#816700", "#3b69c8", "#7b5b47"];

function TenantForm({ tenant, onClose }: { tenant: Tenant | null; onClose: () => void }) {
  const toast = useToast();
  const failed = useFailureToast();
  const platform = useCan("admin:platform");
  const create = useCreateTenant();
  const edit = useEditTenant();
  const [id, setId] = useState(tenant?.id ?? "");
  const [name, setName] = useState(tenant?.name ?? "");
  const [color, setColor] = useState(tenant?.color ?? COLOURS[0] ?? "");
  const [retention, setRetention] = useState(tenant?.retention_days === null || tenant === null ? "" : String(tenant.retention_days));
  const [tried, setTried] = useState(false);
  const days = Number(retention);
  const wrongId = tenant ? null : problemOfTenantId(id);
  const wrongName = name.trim() ? null : "Give a name";
  const wrongDays = retention === "" || (Number.isInteger(days) && days >= 1 && days <= 3650) ? null : "Whole days, 1 to 3650";
  const error = create.error ?? edit.error;
  const submit = () => {
    setTried(true);
    if (wrongId || wrongName || wrongDays) return;
    const draft: TenantDraft = { name: name.trim(), color };
    if (retention !== "") draft.retention_days = days;
    const after = {
      onSuccess: () => {
        toast({ tone: "ok", title: tenant ? "Tenant changed" : "Tenant created" });
        onClose();
      },
      onError: (problem: Error) => { if (!isStatus(problem, 409, 422)) failed(tenant ? "The tenant was not changed" : "The tenant was not created", problem); },
    };
    if (tenant) edit.mutate({ id: tenant.id, ...draft }, after);
    else create.mutate({ id, ...draft }, after);
  };
  return (
    <Dialog open title={tenant ? `Change ${tenant.name}` : "New tenant"} onClose={onClose} onSubmit={submit} busy={create.isPending || edit.isPending} data-testid="tenant-dialog"
      footer={<><Button onClick={onClose}>Cancel</Button><Button variant="primary" type="submit" busy={create.isPending || edit.isPending} data-testid="tenant-save">{tenant ? "Save" : "Create tenant"}</Button></>}>
      {!tenant && <TextField label="Id" mono autoFocus value={id} error={tried ? wrongId : null} hint="Small letters, digits and -. It cannot be changed later." onChange={(event) => setId(event.target.value)} data-testid="tenant-id" />}
      <TextField label="Name" value={name} maxLength={200} error={tried ? wrongName : null} onChange={(event) => setName(event.target.value)} data-testid="tenant-name" />
      <Field label="Colour" hint="A stripe that tells people where they are.">
        {({ id: field, describedBy }) => <input id={field} type="color" className="input" value={color} aria-describedby={describedBy} onChange={(event) => setColor(event.target.value)} style={{ width: 60, padding: 3 }} />}
      </Field>
      <TextField label="Retention, days" inputMode="numeric" value={retention} error={tried ? wrongDays : null} hint="Empty: as the platform is set." disabled={!platform && tenant === null} onChange={(event) => setRetention(event.target.value)} data-testid="tenant-retention" />
      {isStatus(error, 409, 422) && <p role="alert" style={{ color: "var(--error)" }}>{sentence(error.message)}</p>}
    </Dialog>
  );
}

function Tenants() {
  const toast = useToast();
  const failed = useFailureToast();
  const platform = useCan("admin:platform");
  const tenants = useTenants();
  const edit = useEditTenant();
  const remove = useDeleteTenant();
  const [text, setText] = useState("");
  const [form, setForm] = useState<{ tenant: Tenant | null } | null>(null);
  const [asked, setAsked] = useState<{ tenant: Tenant; act: "suspend" | "delete" } | null>(null);
  const all = tenants.data?.pages.flatMap((page) => page.items) ?? [];
  const found = all.filter((tenant) => `${tenant.id} ${tenant.name}`.toLowerCase().includes(text.trim().toLowerCase()));
  const sum = (value: (tenant: Tenant) => number | null) => all.reduce((total, tenant) => total + (value(tenant) ?? 0), 0);
  const lacking = platform ? null : "Needs the role admin";
  const actions = (tenant: Tenant): MenuItem[] => [
    { id: "edit", label: "Change", icon: "theme", onSelect: () => setForm({ tenant }), "data-testid": "tenant-edit" },
    tenant.status === "active"
      ? { id: "suspend", label: "Suspend", icon: "pause", danger: true, reason: lacking, onSelect: () => setAsked({ tenant, act: "suspend" }), "data-testid": "tenant-suspend" }
      : { id: "resume", label: "Make active again", icon: "play", reason: lacking, "data-testid": "tenant-resume", onSelect: () => edit.mutate({ id: tenant.id, status: "active" }, {
        onSuccess: () => toast({ tone: "ok", title: `${tenant.name} is active again` }), onError: (error) => failed("The tenant was not changed", error),
      }) },
    { id: "delete", label: "Delete", icon: "close", danger: true, reason: lacking ?? (tenant.status === "active" ? "Suspend it first" : null), onSelect: () => setAsked({ tenant, act: "delete" }), "data-testid": "tenant-delete" },
  ];
  const columns: Column<Tenant>[] = [
    {
      id: "tenant", header: "Tenant",
      cell: (tenant) => (
        <span className="flex nowrap-flex" style={{ gap: 9 }}>
          <i className="key" style={{ "--c": tenant.color ?? "var(--border-ctl)", width: 4, height: 26 } as CSSProperties} />
          <span style={{ lineHeight: 1.3 }}><Link className="title" to={`/admin/users?tenant=${encodeURIComponent(tenant.id)}`}>{tenant.name}</Link><br /><span className="mono muted" style={{ fontSize: "var(--fs-1)" }}>{tenant.id}</span></span>
        </span>
      ),
    },
    { id: "status", header: "Status", cell: (tenant) => <Badge kind={tenant.status === "active" ? "ok" : "warn"}>{tenant.status}</Badge> },
    { id: "users", header: "Users", right: true, cell: (tenant) => <span title={`${tenant.disabled_users} disabled`}>{tenant.users.toLocaleString("en")}</span> },
    { id: "ingest", header: "Ingest per day", right: true, cell: (tenant) => formatBytes(tenant.bytes_per_day) },
    { id: "logs", header: "Logs", right: true, cell: (tenant) => formatCount(tenant.logs) },
    { id: "spans", header: "Spans", right: true, cell: (tenant) => formatCount(tenant.spans) },
    { id: "series", header: "Series", right: true, cell: (tenant) => formatCount(tenant.series) },
    { id: "retention", header: "Retention", right: true, cell: (tenant) => tenant.retention_days === null ? <span className="muted">default</span> : `${tenant.retention_days} days` },
    { id: "last", header: "Last write", right: true, cell: (tenant) => <Moment at={tenant.last_write} relative never="never" /> },
    { id: "actions", header: "Actions", quiet: true, right: true, cell: (tenant) => <Menu label={`Actions for ${tenant.name}`} items={actions(tenant)} trigger={{ variant: "ghost", size: "sm", icon: "more", className: "icon", "data-testid": "tenant-menu" }} /> },
  ];
  if (tenants.error && !tenants.data) return <ViewFailure error={tenants.error} what="tenants" permission="admin:tenant" onRetry={() => void tenants.refetch()} />;
  const suspended = all.filter((tenant) => tenant.status === "suspended").length;
  const disabled = sum((tenant) => tenant.disabled_users);
  const loaded = tenants.data !== undefined;
  return (
    <>
      {platform && (
        <dl className="kpis" data-testid="tenant-figures">
          <div className="kpi"><dt>Tenants</dt><dd>{loaded ? all.length : "–"} {suspended > 0 && <small>{suspended} suspended</small>}</dd></div>
          <div className="kpi"><dt>Users</dt><dd>{loaded ? formatCount(sum((tenant) => tenant.users)) : "–"} {disabled > 0 && <small>{disabled} disabled</small>}</dd></div>
          <div className="kpi"><dt>Ingest per day</dt><dd>{loaded ? formatBytes(sum((tenant) => tenant.bytes_per_day)) : "–"}</dd></div>
          <div className="kpi"><dt>Stored items</dt><dd>{loaded ? formatCount(sum((tenant) => (tenant.logs ?? 0) + (tenant.spans ?? 0))) : "–"} <small>logs and spans</small></dd></div>
          <div className="kpi"><dt>Looks across tenants</dt><dd><small><Link to="/admin/audit">see audit log</Link></small></dd></div>
        </dl>
      )}
      <section className="panel" aria-labelledby="tenants-heading">
        <div className="panel-h">
          <h2 id="tenants-heading">{platform ? "Tenants" : "Your tenant"}</h2>
          <div className="right">
            {platform && <Find label="Find tenants" placeholder="Find by id or name" width={200} value={text} onChange={setText} data-testid="tenant-find" />}
            <Button variant="primary" icon="plus" reason={lacking} onClick={() => setForm({ tenant: null })} data-testid="tenant-new">New tenant</Button>
          </div>
        </div>
        <DataTable caption="Tenants" columns={columns} rows={found} rowId={(tenant) => tenant.id} loading={tenants.isPending} data-testid="tenant-table" rowTestId="tenant-row"
          empty={<EmptyState level={3} title="No tenant has that name" />} />
        {tenants.hasNextPage && <Pager shown={all.length} total={null} hasMore onMore={() => void tenants.fetchNextPage()} busy={tenants.isFetchingNextPage} />}
      </section>
      {form && <TenantForm tenant={form.tenant} onClose={() => setForm(null)} />}
      <ConfirmDialog open={asked !== null} tone="danger" busy={edit.isPending || remove.isPending} onClose={() => setAsked(null)} data-testid="tenant-confirm"
        title={asked?.act === "delete" ? `Delete ${asked.tenant.name}?` : `Suspend ${asked?.tenant.name ?? ""}?`} action={asked?.act === "delete" ? "Delete tenant" : "Suspend tenant"}
        onConfirm={() => {
          if (!asked) return;
          const { tenant, act } = asked;
          const after = {
            onSuccess: () => toast({ tone: "ok", title: act === "delete" ? `${tenant.name} was deleted` : `${tenant.name} is suspended` }),
            onError: (error: Error) => failed(act === "delete" ? "The tenant was not deleted" : "The tenant was not suspended", error),
            onSettled: () => setAsked(null),
          };
          if (act === "delete") remove.mutate(tenant.id, after);
          else edit.mutate({ id: tenant.id, status: "suspended" }, after);
        }}>
        <p>{asked?.act === "delete" ? "Only a tenant without users and stored items can be deleted. This cannot be taken back." : "Its users cannot work and its writes are refused until it is active again. Stored data stays."}</p>
      </ConfirmDialog>
    </>
  );
}

export default function TenantsView() {
  return <AdminPage title="Tenants" what="the tenants"><Tenants /></AdminPage>;
}
