/** Who you are here, what you may do, and how the pages behave for you. */
import { useState } from "react";
import { useNavigate } from "react-router";

import { auth } from "../../app/auth";
import { useZone } from "../../app/Moment";
import { Page } from "../../app/Page";
import { useChangePreferences } from "../../app/preferences";
import { mainRole } from "../../app/roles";
import { useMe } from "../../app/session";
import { useFailureToast } from "../../app/useFailureToast";
import { Avatar, Badge, Button, Label, SelectField, Switch } from "../../components";
import { clock, zoneName } from "../../time/clock";
import { lengthOf, QUICK } from "../../time/range";
import type { Permission, Preferences } from "../../types";

const CAN: readonly [Permission, string][] = [
  ["search:read", "search all signals"], ["alerts:read", "read alerts"], ["alerts:write", "acknowledge, assign, resolve and silence alerts"],
  ["insights:read", "read insights"], ["search:export", "export searches"], ["insights:export", "export insights"],
  ["admin:tenant", "manage users, roles and settings of the tenant"], ["admin:platform", "administer the platform"],
];

function list(words: string[]): string {
  return words.join("; ") || "nothing";
}

function You() {
  const me = useMe();
  const zone = useZone();
  const navigate = useNavigate();
  const end = Date.parse(me.expires_at);
  const may = CAN.filter(([permission]) => me.permissions.includes(permission)).map(([, word]) => word);
  const mayNot = CAN.filter(([permission]) => !me.permissions.includes(permission) && permission !== "admin:platform").map(([, word]) => word);
  return (
    <section className="panel" aria-labelledby="profile-you">
      <div className="panel-h"><h2 id="profile-you">You</h2><div className="right">{me.method === "oidc" ? "from the identity provider" : "a user of this platform"}</div></div>
      <div className="panel-b">
        <div className="flex" style={{ gap: 14, marginBottom: 12 }}>
          <Avatar name={me.name} large />
          <div><b style={{ fontSize: "var(--fs-5)" }}>{me.name}</b><br /><span className="muted">{me.email || me.preferred_username}</span></div>
        </div>
        <dl className="kv plain">
          <div><dt>User name</dt><dd>{me.preferred_username}</dd></div>
          <div><dt>Tenant</dt><dd>{me.tenant_id ? <><b>{me.tenant?.name ?? me.tenant_id}</b> <Label>{me.tenant_id}</Label> <span className="muted">fixed by your sign-in</span></> : <span className="muted">none: you administer the platform</span>}</dd></div>
          <div><dt>Roles</dt><dd><span className="flex" style={{ gap: 4 }}>{me.roles.map((role) => <Badge key={role} kind="accent">{role}</Badge>)}</span></dd></div>
          <div><dt>You may</dt><dd>{list(may)}</dd></div>
          {mayNot.length > 0 && <div><dt>You may not</dt><dd>{list(mayNot)}{mainRole(me) === "tenant_admin" ? "" : "; ask a tenant admin"}</dd></div>}
          <div><dt>Session</dt><dd>{Number.isNaN(end) ? "open" : `until ${clock(end, zone)} ${zoneName(zone, end)}`}, renewed while you work</dd></div>
        </dl>
        <div className="flex" style={{ marginTop: 14 }}>
          <Button icon="sign-out" data-testid="logout" onClick={() => void auth().logout().then(() => navigate("/login"))}>Sign out</Button>
        </div>
      </div>
    </section>
  );
}

function PreferencesPanel() {
  const { preferences } = useMe();
  const failed = useFailureToast();
  const change = useChangePreferences();
  const [busy, setBusy] = useState<keyof Preferences | null>(null);
  const set = async (changes: Partial<Preferences>) => {
    setBusy((Object.keys(changes)[0] ?? null) as keyof Preferences | null);
    try {
      await change(changes);
    } catch (error) {
      failed("The preference was not saved", error);
    } finally {
      setBusy(null);
    }
  };
  const browser = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <section className="panel" aria-labelledby="profile-preferences">
      <div className="panel-h"><h2 id="profile-preferences">Preferences</h2><div className="right">saved on this account</div></div>
      <div className="panel-b" style={{ display: "grid", gap: 16 }}>
        <fieldset style={{ border: 0, padding: 0, margin: 0 }}>
          <legend className="lbl" style={{ padding: 0, marginBottom: 5 }}>Theme</legend>
          <div className="group">
            {(["system", "light", "dark"] as const).map((theme) => (
              <Button key={theme} pressed={preferences.theme === theme} onClick={() => void set({ theme })} data-testid={`theme-${theme}`}>{theme.charAt(0).toUpperCase() + theme.slice(1)}</Button>
            ))}
          </div>
        </fieldset>
        <SelectField label="Time zone" hint="Every time on screen says which zone it is in, or the page does." value={preferences.time_zone} data-testid="profile-time-zone"
          onChange={(zone) => void set({ time_zone: zone as Preferences["time_zone"] })} choices={[{ value: "utc", label: "UTC" }, { value: "browser", label: `Browser, ${browser}` }]} />
        <SelectField label="Search opens with" value={String(preferences.default_range_s)} onChange={(seconds) => void set({ default_range_s: Number(seconds) })} data-testid="profile-range"
          choices={[...QUICK.map(({ seconds, label }) => ({ value: String(seconds), label })), ...(QUICK.some(({ seconds }) => seconds === preferences.default_range_s) ? [] : [{ value: String(preferences.default_range_s), label: `Last ${lengthOf(preferences.default_range_s)}` }])]} />
        <div className="flex between nowrap-flex">
          <span><span className="lbl">Single-key shortcuts</span><br /><span className="muted" style={{ fontSize: "var(--fs-2)" }}>j, k, x and others. Ctrl combinations always work.</span></span>
          <Switch label="Single-key shortcuts" checked={preferences.single_keys} busy={busy === "single_keys"} onChange={(single_keys) => void set({ single_keys })} data-testid="profile-single-keys" />
        </div>
        <div className="flex between nowrap-flex">
          <span><span className="lbl">Relative times</span><br /><span className="muted" style={{ fontSize: "var(--fs-2)" }}>“14 min ago” in lists; exact time on hover and in details.</span></span>
          <Switch label="Relative times" checked={preferences.relative_times} busy={busy === "relative_times"} onChange={(relative_times) => void set({ relative_times })} data-testid="profile-relative-times" />
        </div>
      </div>
    </section>
  );
}

export default function ProfileView() {
  return <Page title="Profile"><div className="cols-2"><You /><PreferencesPanel /></div></Page>;
}
