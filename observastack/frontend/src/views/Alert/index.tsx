/** One alert: what it is, what to do with it, how it got here. */
import { useMemo, useState, type CSSProperties } from "react";
import { Link, useParams } from "react-router";

import { ActionDialog, type Answers } from "../../alerts/ActionDialog";
import { useAct, useAlert, useBulk, useSilences, type SingleAction } from "../../alerts/queries";
import { useLiveAlerts } from "../../alerts/useLiveAlerts";
import { SilenceForm } from "../../alerts/SilenceForm";
import { firingFor, fits, humane, matchersFor, operatorOf, outcome, step } from "../../alerts/words";
import { isStatus } from "../../app/errors";
import { sentence } from "../../app/Failure";
import { Moment, useZone } from "../../app/Moment";
import { Page } from "../../app/Page";
import { useMissing } from "../../app/permission";
import { Guard, ViewFailure } from "../../app/Refused";
import { useMe } from "../../app/session";
import { useShortcuts } from "../../app/shortcuts";
import { useFailureToast } from "../../app/useFailureToast";
import { useNow } from "../../app/useNow";
import { Banner, Button, Icon, SevText, SkeletonBlock, StatusBadge, useToast } from "../../components";
import { formatDuration } from "../../format/duration";
import { full } from "../../time/when";
import type { Alert, AlertAction } from "../../types";
import { AlertChart } from "./AlertChart";
import { LookAt } from "./LookAt";

function History({ alert }: { alert: Alert }) {
  const entries = [...(alert.history ?? [])].sort((a, b) => Date.parse(b.ts) - Date.parse(a.ts));
  return (
    <section className="panel" aria-labelledby="alert-history">
      <div className="panel-h"><h2 id="alert-history">History</h2><span className="muted">newest first</span></div>
      <div className="panel-b">
        <ol className="tl" data-testid="alert-history">
          {entries.map((entry, index) => {
            const { title, text, icon, colour } = step(entry);
            return (
              <li key={index} data-testid="alert-history-entry" data-id={entry.action}>
                <span className="node" style={{ "--c": colour } as CSSProperties}><Icon name={icon} /></span>
                <div><b>{title}</b>{text && <p>{text}</p>}</div>
                <Moment at={entry.ts} />
              </li>
            );
          })}
        </ol>
        {entries.length === 0 && <p className="muted">Nothing is recorded yet.</p>}
      </div>
    </section>
  );
}

function Labels({ alert }: { alert: Alert }) {
  const labels = { ...alert.labels, fingerprint: alert.fingerprint };
  return (
    <section className="panel" aria-labelledby="alert-labels">
      <div className="panel-h"><h2 id="alert-labels">Labels</h2></div>
      <div className="panel-b" style={{ paddingBlock: 8 }}>
        <dl className="kv">{Object.entries(labels).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      </div>
    </section>
  );
}

function Silencing({ alert }: { alert: Alert }) {
  const [asked, setAsked] = useState(false);
  const silences = useSilences("active");
  const reason = useMissing("alerts:write");
  const matching = silences.data?.filter(({ matchers }) => matchers.every((matcher) => matcher.name === "tenant" || fits(matcher, alert.labels))) ?? [];
  const initial = useMemo(() => matchersFor(alert), [alert]);
  return (
    <section className="panel" aria-labelledby="alert-silences">
      <div className="panel-h">
        <h2 id="alert-silences">Silences</h2>
        <div className="right">
          <Button size="sm" icon={asked ? "minus" : "plus"} reason={reason} aria-expanded={asked} onClick={() => setAsked(!asked)} data-testid="silence-new">{asked ? "Close" : "New"}</Button>
        </div>
      </div>
      <div className="panel-b">
        {matching.length === 0 && <p className="muted">{silences.isPending ? "Reading silences." : "No silence matches this alert."}</p>}
        {matching.map((silence) => (
          <div key={silence.id} style={{ display: "grid", gap: 2, paddingBottom: 8 }} data-testid="silence-row" data-id={silence.id}>
            <b>{silence.comment}</b>
            <span className="muted">by {silence.created_by}, until <Moment at={silence.ends_at} /></span>
            <span className="flex" style={{ gap: 4 }}>{silence.matchers.map((matcher) => <span key={matcher.name} className="label">{matcher.name} {operatorOf(matcher)} {matcher.value}</span>)}</span>
          </div>
        ))}
        {asked && (
          <div style={{ marginTop: 10, borderTop: "1px solid var(--border-soft)", paddingTop: 12, display: "grid", gap: 10 }}>
            <h3>Silence this alert</h3>
            <SilenceForm matchers={initial} suggestions={alert.labels} onDone={() => setAsked(false)} />
          </div>
        )}
      </div>
    </section>
  );
}

function Detail({ alert }: { alert: Alert }) {
  const me = useMe();
  const now = useNow();
  const zone = useZone();
  const toast = useToast();
  const failed = useFailureToast();
  const act = useAct(alert.id);
  const bulk = useBulk();
  const [asking, setAsking] = useState<AlertAction | null>(null);
  const lacking = useMissing("alerts:write");
  const resolved = alert.status === "resolved";
  const over = resolved ? "It is resolved" : null;
  const reason = lacking ?? over;
  const busy = act.isPending || bulk.isPending;

  const run = (action: SingleAction, done: string) => act.mutate(action, {
    onSuccess: () => {
      setAsking(null);
      toast({ tone: "ok", title: done });
    },
    onError: (error) => {
      // Somebody was faster: the alert is read again and says so itself; nothing here was done.
      if (isStatus(error, 409)) {
        setAsking(null);
        toast({ tone: "warn", title: sentence(humane(error.message, zone)).replace(/\.$/, ""), text: "Nothing was changed. What you see now is the present state." });
      } else if (!isStatus(error, 422)) failed(`The alert was not changed`, error);
    },
  });
  const silence = (answers: Answers) => bulk.mutate({ action: "silence", ids: [alert.id], ...answers }, {
    onSuccess: (answer) => {
      setAsking(null);
      const { tone, title, text } = outcome("silence", answer, zone);
      toast({ tone, title, text });
    },
    onError: (error) => failed("The alert was not silenced", error),
  });
  const confirm = (answers: Answers) => {
    if (asking === "silence") return silence(answers);
    if (asking === "assign") return run({ action: "assign", assignee: answers.assignee ?? null, note: answers.note }, answers.assignee ? `Assigned to ${answers.assignee}` : "Assigned to nobody");
    if (asking === "resolve") return run({ action: "resolve", note: answers.note }, "Alert resolved");
    if (asking === "acknowledge") return run({ action: "acknowledge", note: answers.note }, "Alert acknowledged");
  };
  const ask = (action: AlertAction) => {
    if (reason || busy) return;
    act.reset();
    bulk.reset();
    setAsking(action);
  };
  const acknowledged = alert.acknowledged_at !== null && !resolved ? "It is acknowledged already" : null;
  const acknowledge = () => { if (!reason && !acknowledged && !busy) run({ action: "acknowledge" }, "Alert acknowledged"); };
  useShortcuts({ a: acknowledge, s: () => ask("silence"), m: () => ask("assign"), "Shift+r": () => ask("resolve") });
  return (
    <>
      <section className="panel" aria-label="Alert summary">
        <div className="panel-b">
          <div className="flex between" style={{ gap: 14 }}>
            <dl className="facts">
              <div><dt>Severity</dt><dd><SevText severity={alert.severity} /></dd></div>
              <div><dt>Status</dt><dd data-testid="alert-status"><StatusBadge status={alert.status} /></dd></div>
              <div>
                <dt>Assignee</dt>
                <dd style={{ fontWeight: 500, fontSize: "var(--fs-3)" }} data-testid="alert-assignee">
                  {alert.assignee ?? "nobody"}
                  {alert.assignee !== me.preferred_username && !resolved && (
                    <> <Button size="sm" variant="ghost" reason={lacking} busy={busy} data-testid="alert-assign-me"
                      onClick={() => run({ action: "assign", assignee: me.preferred_username }, "Assigned to you")}>Assign to me</Button></>
                  )}
                </dd>
              </div>
              <div><dt>Started</dt><dd title={alert.starts_at}>{full(Date.parse(alert.starts_at), zone)}</dd></div>
              <div><dt>{resolved ? "Fired for" : "Firing for"}</dt><dd>{formatDuration(firingFor(alert, now))}</dd></div>
              <div><dt>Source</dt><dd style={{ fontWeight: 500 }}>{alert.source}</dd></div>
            </dl>
            <div className="flex">
              <Button variant="primary" icon="check" reason={reason ?? acknowledged} busy={busy} onClick={acknowledge} title="Acknowledge (a)" data-testid="alert-acknowledge">Acknowledge</Button>
              <Button icon="user" reason={reason} busy={busy} onClick={() => ask("assign")} title="Assign (m)" data-testid="alert-assign">Assign</Button>
              <Button icon="bell-off" reason={reason} busy={busy} onClick={() => ask("silence")} title="Silence (s)" data-testid="alert-silence">Silence</Button>
              <Button icon="check-circle" reason={reason} busy={busy} onClick={() => ask("resolve")} title="Resolve (Shift r)" data-testid="alert-resolve">Resolve</Button>
            </div>
          </div>
        </div>
      </section>
      <div className="cols-side">
        <div className="stack"><AlertChart alert={alert} /><History alert={alert} /></div>
        <div className="stack"><LookAt alert={alert} /><Labels alert={alert} /><Silencing alert={alert} /></div>
      </div>
      <ActionDialog action={asking} count={1} people={alert.assignee ? [alert.assignee] : []} busy={busy} onClose={() => setAsking(null)} onConfirm={confirm}
        error={isStatus(act.error, 422) ? sentence(act.error.message) : null} />
    </>
  );
}

function Loaded({ id }: { id: string }) {
  const alert = useAlert(id);
  useLiveAlerts();
  const title = alert.data?.title ?? "Alert";
  return (
    <Page title={title} heading={<div className="crumb"><Link to="/alerts">Alerts</Link><span className="sep" aria-hidden="true">/</span><h1 className="trunc">{title}</h1></div>}>
      {alert.isPending && <section className="panel"><div className="panel-b"><SkeletonBlock lines={6} label="Reading the alert" /></div></section>}
      {alert.error && alert.data && <Banner tone="warn" title="This may be old." actions={<Button size="sm" onClick={() => void alert.refetch()}>Try again</Button>}>The server did not answer the last time it was asked.</Banner>}
      {alert.error && !alert.data && <ViewFailure error={alert.error} what="this alert" subject="This alert" permission="alerts:read" onRetry={() => void alert.refetch()} />}
      {alert.data && <Detail alert={alert.data} />}
    </Page>
  );
}

export default function AlertView() {
  const { id = "" } = useParams();
  const me = useMe();
  if (!me.permissions.includes("alerts:read") || me.tenant_id === null) {
    return <Page title="Alert"><Guard what="this alert" permission="alerts:read">{null}</Guard></Page>;
  }
  return <Loaded key={id} id={id} />;
}
