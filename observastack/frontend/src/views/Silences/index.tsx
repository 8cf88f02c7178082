/** Silences of the tenant: what is quiet now, what will be, what was. */
import { useState } from "react";
import { Link, useSearchParams } from "react-router";

import { useExpireSilence, useSilences } from "../../alerts/queries";
import { SilenceForm } from "../../alerts/SilenceForm";
import { operatorOf } from "../../alerts/words";
import { Moment } from "../../app/Moment";
import { Page } from "../../app/Page";
import { useMissing } from "../../app/permission";
import { Guard, ViewFailure } from "../../app/Refused";
import { useFailureToast } from "../../app/useFailureToast";
import { Badge, Button, ButtonGroup, ConfirmDialog, DataTable, Dialog, EmptyState, Menu, StatusBadge, useToast, type Column } from "../../components";
import type { Silence } from "../../types";

const STATES = ["active", "pending", "expired"] as const;

function Silences() {
  const toast = useToast();
  const failed = useFailureToast();
  const reason = useMissing("alerts:write");
  const [parameters, setParameters] = useSearchParams();
  const state = STATES.find((each) => each === parameters.get("state"));
  const silences = useSilences(state);
  const expire = useExpireSilence();
  const [form, setForm] = useState<{ silence: Silence | null } | null>(null);
  const [ending, setEnding] = useState<Silence | null>(null);

  const columns: Column<Silence>[] = [
    { id: "state", header: "State", className: "inl", cell: ({ state: is }) => is === "active" ? <Badge kind="accent" icon="bell-off">active</Badge> : <StatusBadge status={is} /> },
    {
      id: "matchers", header: "Matchers",
      cell: ({ matchers }) => (
        <span className="flex" style={{ gap: 4 }}>
          {matchers.map((matcher) => <span key={`${matcher.name}${matcher.value}`} className="label">{matcher.name} {operatorOf(matcher)} {matcher.value || "(empty)"}</span>)}
        </span>
      ),
    },
    { id: "comment", header: "Reason", cell: (silence) => <span className="title">{silence.comment}</span> },
    { id: "by", header: "By", className: "inl", cell: (silence) => silence.created_by },
    { id: "matched", header: "Alerts", right: true, className: "hide-s", cell: (silence) => silence.matched.toLocaleString("en") },
    { id: "starts", header: "From", right: true, className: "hide-s", cell: (silence) => <Moment at={silence.starts_at} /> },
    { id: "ends", header: "Until", right: true, className: "inl", cell: (silence) => <Moment at={silence.ends_at} /> },
    {
      id: "actions", header: "Actions", quiet: true, right: true, className: "inl",
      cell: (silence) => silence.state === "expired" ? null : (
        <Menu label={`Actions for the silence “${silence.comment}”`} trigger={{ variant: "ghost", size: "sm", icon: "more", className: "icon", "data-testid": "silence-menu" }} items={[
          { id: "edit", label: "Change", icon: "clock", reason, onSelect: () => setForm({ silence }), "data-testid": "silence-edit" },
          { id: "end", label: "End now", icon: "close", danger: true, reason, onSelect: () => setEnding(silence), "data-testid": "silence-expire" },
        ]} />
      ),
    },
  ];
  if (silences.error && !silences.data) return <ViewFailure error={silences.error} what="silences" permission="alerts:read" onRetry={() => void silences.refetch()} />;
  return (
    <>
      <div className="flex between">
        <ButtonGroup label="State">
          <Button pressed={state === undefined} onClick={() => setParameters({})} data-testid="silence-filter-all">All</Button>
          {STATES.map((each) => (
            <Button key={each} pressed={state === each} onClick={() => setParameters({ state: each })} data-testid={`silence-filter-${each}`}>{each.charAt(0).toUpperCase() + each.slice(1)}</Button>
          ))}
        </ButtonGroup>
        <Button variant="primary" icon="plus" reason={reason} onClick={() => setForm({ silence: null })} data-testid="silence-new">New silence</Button>
      </div>
      <section className="panel" aria-labelledby="silences-heading">
        <h2 id="silences-heading" className="sr">Silences</h2>
        <DataTable caption="Silences" columns={columns} rows={silences.data ?? []} rowId={(silence) => silence.id} cards loading={silences.isPending} stale={silences.isPlaceholderData}
          data-testid="silence-table" rowTestId="silence-row"
          empty={<EmptyState level={3} icon="bell-off" title={state ? `No ${state} silence` : "No silence"}><p>A silence keeps alerts that match it quiet for a while. They go on firing in their source.</p></EmptyState>} />
      </section>
      <Dialog open={form !== null} onClose={() => setForm(null)} title={form?.silence ? "Change silence" : "New silence"} data-testid="silence-dialog">
        {form && (
          <SilenceForm matchers={form.silence?.matchers.filter((matcher) => matcher.name !== "tenant") ?? []} silence={form.silence ?? undefined} onDone={() => setForm(null)}
            suggestions={{ alertname: "", service: "", region: "", instance: "", severity: "" }} />
        )}
      </Dialog>
      <ConfirmDialog open={ending !== null} title="End this silence now?" action="End silence" busy={expire.isPending} onClose={() => setEnding(null)} data-testid="silence-end"
        onConfirm={() => {
          if (!ending) return;
          expire.mutate(ending.id, {
            onSuccess: () => toast({ tone: "ok", title: "Silence ended", text: "Alerts that it matched notify again." }),
            onError: (error) => failed("The silence was not ended", error),
            onSettled: () => setEnding(null),
          });
        }}>
        <p>“{ending?.comment}” by {ending?.created_by}. {ending?.matched} alert{ending?.matched === 1 ? "" : "s"} will notify again.</p>
      </ConfirmDialog>
    </>
  );
}

export default function SilencesView() {
  return (
    <Page title="Silences" heading={<div className="crumb"><Link to="/alerts">Alerts</Link><span className="sep" aria-hidden="true">/</span><h1>Silences</h1></div>}>
      <Guard what="silences" permission="alerts:read"><Silences /></Guard>
    </Page>
  );
}
