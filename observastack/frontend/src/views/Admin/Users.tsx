/** Users and roles: who is here, what they may do, inviting and switching off. */
import { useDeferredValue, useState } from "react";
import { useSearchParams } from "react-router";

import { useDeleteUser, useEditUser, useInvite, useRoles, useSetEnabled, useSetRoles, useTenants, useUsers, type UserDraft } from "../../admin/queries";
import { DUTIES, grantable, mayDo, problemOfEmail, problemOfUsername } from "../../admin/words";
import { isStatus } from "../../app/errors";
import { sentence } from "../../app/Failure";
import { Moment } from "../../app/Moment";
import { mainRole } from "../../app/roles";
import { ViewFailure } from "../../app/Refused";
import { useCan, useMe } from "../../app/session";
import { useFailureToast } from "../../app/useFailureToast";
import { Avatar, Badge, Button, ConfirmDialog, copyText, DataTable, Dialog, EmptyState, Find, Icon, Menu, Pager, Select, SelectField, SkeletonBlock, Switch, TextField, useToast, type Column } from "../../components";
import type { NewUser, Role, User } from "../../types";
import { AdminPage } from "./frame";

function Invite({ onClose, onMade }: { onClose: () => void; onMade: (made: NewUser) => void }) {
  const me = useMe();
  const failed = useFailureToast();
  const platform = useCan("admin:platform");
  const tenants = useTenants();
  const invite = useInvite();
  const [username, setUsername] = useState("");
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [tenant, setTenant] = useState(me.tenant_id ?? "");
  const [tried, setTried] = useState(false);
  const choices = tenants.data?.pages.flatMap((page) => page.items) ?? [];
  const needsTenant = platform && role !== "admin";
  const wrongTenant = needsTenant && !tenant ? "Choose a tenant" : null;
  const submit = () => {
    setTried(true);
    if (problemOfUsername(username) || problemOfEmail(email) || wrongTenant) return;
    const draft: UserDraft = { username, email, roles: [role] };
    if (name.trim()) draft.name = name.trim();
    if (needsTenant) draft.tenant_id = tenant;
    invite.mutate(draft, {
      onSuccess: onMade,
      onError: (error) => { if (!isStatus(error, 409, 422)) failed("The user was not created", error); },
    });
  };
  return (
    <Dialog open title="Invite user" onClose={onClose} onSubmit={submit} busy={invite.isPending} data-testid="user-dialog"
      footer={<><Button onClick={onClose}>Cancel</Button><Button variant="primary" type="submit" busy={invite.isPending} data-testid="user-create">Create user</Button></>}>
      <TextField label="User name" autoFocus autoComplete="off" value={username} error={tried ? problemOfUsername(username) : null} onChange={(event) => setUsername(event.target.value)} data-testid="user-username" />
      <TextField label="E-mail" type="email" autoComplete="off" value={email} error={tried ? problemOfEmail(email) : null} onChange={(event) => setEmail(event.target.value)} data-testid="user-email" />
      <TextField label="Name" autoComplete="off" value={name} maxLength={200} onChange={(event) => setName(event.target.value)} data-testid="user-name" />
      <SelectField label="Role" value={role} choices={grantable(platform).map((each) => ({ value: each, label: each }))} onChange={(next) => setRole(next as Role)} data-testid="user-new-role" />
      {needsTenant && <SelectField label="Tenant" value={tenant} error={tried ? wrongTenant : null} choices={[{ value: "", label: "Choose" }, ...choices.map(({ id, name: label }) => ({ value: id, label }))]} onChange={setTenant} data-testid="user-tenant" />}
      {isStatus(invite.error, 409, 422) && <p role="alert" style={{ color: "var(--error)" }}>{sentence(invite.error.message)}</p>}
    </Dialog>
  );
}

function Password({ made, onClose }: { made: NewUser; onClose: () => void }) {
  const toast = useToast();
  const password = made.temporary_password;
  return (
    <Dialog open title={`${made.user.name || made.user.username} can sign in`} onClose={onClose} data-testid="user-password-dialog"
      footer={
        <>
          {password && <Button icon="copy" onClick={() => void copyText(password).then(() => toast({ tone: "ok", title: "Password copied" }))}>Copy password</Button>}
          <Button variant="primary" onClick={onClose} data-testid="user-password-done">Done</Button>
        </>
      }>
      {password
        ? <><p>Give them this password. It is shown this once and stored nowhere in readable form.</p><pre className="code" tabIndex={0} data-testid="user-password">{password}</pre></>
        : <p>The password was shown in the first answer to this request and cannot be shown again.</p>}
    </Dialog>
  );
}

function EditUser({ user, onClose }: { user: User; onClose: () => void }) {
  const toast = useToast();
  const failed = useFailureToast();
  const edit = useEditUser();
  const [name, setName] = useState(user.name);
  const [email, setEmail] = useState(user.email);
  const wrong = problemOfEmail(email);
  const submit = () => {
    if (wrong) return;
    edit.mutate({ id: user.id, name: name.trim(), email }, {
      onSuccess: () => {
        toast({ tone: "ok", title: "User changed" });
        onClose();
      },
      onError: (error) => failed("The user was not changed", error),
    });
  };
  return (
    <Dialog open title={`Change ${user.username}`} onClose={onClose} onSubmit={submit} busy={edit.isPending} data-testid="user-edit-dialog"
      footer={<><Button onClick={onClose}>Cancel</Button><Button variant="primary" type="submit" busy={edit.isPending} data-testid="user-save">Save</Button></>}>
      <TextField label="Name" autoFocus value={name} maxLength={200} onChange={(event) => setName(event.target.value)} />
      <TextField label="E-mail" type="email" value={email} error={wrong} onChange={(event) => setEmail(event.target.value)} />
    </Dialog>
  );
}

function Users() {
  const me = useMe();
  const toast = useToast();
  const failed = useFailureToast();
  const platform = useCan("admin:platform");
  const [parameters, setParameters] = useSearchParams();
  const [text, setText] = useState(parameters.get("q") ?? "");
  const q = useDeferredValue(text.trim());
  const tenant = parameters.get("tenant") ?? undefined;
  const role = parameters.get("role") ?? undefined;
  const users = useUsers({ q: q || undefined, role, tenant: platform ? tenant : undefined });
  const tenants = useTenants();
  const setRoles = useSetRoles();
  const setEnabled = useSetEnabled();
  const remove = useDeleteUser();
  const [inviting, setInviting] = useState(false);
  const [made, setMade] = useState<NewUser | null>(null);
  const [editing, setEditing] = useState<User | null>(null);
  const [asked, setAsked] = useState<{ user: User; act: "delete" | "disable" } | null>(null);
  const all = users.data?.pages.flatMap((page) => page.items) ?? [];
  const total = users.data?.pages[0]?.total ?? null;
  const set = (name: string, value: string) => setParameters((before) => {
    const next = new URLSearchParams(before);
    if (value) next.set(name, value);
    else next.delete(name);
    return next;
  });
  const isMe = (user: User) => user.id === me.sub || user.username === me.preferred_username;
  const enable = (user: User, enabled: boolean) => setEnabled.mutate({ id: user.id, enabled }, {
    onSuccess: () => toast({ tone: "ok", title: enabled ? `${user.username} can sign in again` : `${user.username} is switched off`, text: enabled ? null : "Every session of this user has ended." }),
    onError: (error) => failed(`${user.username} was not changed`, error),
    onSettled: () => setAsked(null),
  });
  const columns: Column<User>[] = [
    {
      id: "user", header: "User",
      cell: (user) => (
        <span className="flex nowrap-flex">
          <Avatar name={user.name || user.username} />
          <span style={{ lineHeight: 1.3 }}><b className="title">{user.name || user.username}</b>{isMe(user) && <span className="muted"> (you)</span>}<br /><span className="muted" style={{ fontSize: "var(--fs-2)" }}>{user.email || user.username}</span></span>
        </span>
      ),
    },
    ...(platform ? [{ id: "tenant", header: "Tenant", cell: (user: User) => user.tenant_id ? <span className="label">{user.tenant_id}</span> : <span className="muted">platform</span> }] : []),
    {
      id: "role", header: "Role",
      cell: (user) => {
        const own = mainRole(user) ?? "viewer";
        const roles = grantable(platform);
        const reason = isMe(user) ? "Nobody changes the own role" : !roles.includes(own) ? "Only a platform admin changes this role" : null;
        const pending = setRoles.isPending && setRoles.variables.id === user.id;
        return (
          <Select fit aria-label={`Role of ${user.name || user.username}`} value={own} reason={reason} disabled={pending} data-testid="user-role"
            choices={[...roles.map((each) => ({ value: each as string, label: each as string })), ...(roles.includes(own) ? [] : [{ value: own, label: own }])]}
            onChange={(next) => setRoles.mutate({ id: user.id, roles: [next as Role] }, {
              onSuccess: (changed) => toast({ tone: "ok", title: `${changed.username} is ${changed.roles.join(", ")} now`, text: "The role holds from the next sign-in; running sessions have ended." }),
              onError: (error) => failed("The role was not changed", error),
            })} />
        );
      },
    },
    { id: "method", header: "Sign-in", cell: (user) => <Badge kind={user.method === "oidc" ? "accent" : "line"}>{user.method}</Badge> },
    { id: "seen", header: "Last seen", right: true, cell: (user) => <Moment at={user.last_seen} relative never="never" /> },
    {
      id: "enabled", header: "Enabled",
      cell: (user) => (
        <Switch label={`${user.name || user.username} enabled`} checked={user.enabled} busy={setEnabled.isPending && setEnabled.variables.id === user.id} reason={isMe(user) ? "Nobody switches the own account off" : null}
          onChange={(enabled) => (enabled ? enable(user, true) : setAsked({ user, act: "disable" }))} data-testid="user-enabled" />
      ),
    },
    {
      id: "actions", header: "Actions", quiet: true, right: true,
      cell: (user) => (
        <Menu label={`Actions for ${user.name || user.username}`} trigger={{ variant: "ghost", size: "sm", icon: "more", className: "icon", "data-testid": "user-menu-row" }} items={[
          { id: "edit", label: "Change name or e-mail", icon: "user", onSelect: () => setEditing(user), "data-testid": "user-edit" },
          { id: "delete", label: "Delete", icon: "close", danger: true, reason: isMe(user) ? "Nobody deletes the own account" : null, onSelect: () => setAsked({ user, act: "delete" }), "data-testid": "user-delete" },
        ]} />
      ),
    },
  ];
  if (users.error && !users.data) return <ViewFailure error={users.error} what="users and roles" permission="admin:tenant" subject="This tenant" onRetry={() => void users.refetch()} />;
  const list = tenants.data?.pages.flatMap((page) => page.items) ?? [];
  const where = platform ? (tenant ? list.find(({ id }) => id === tenant)?.name ?? tenant : "all tenants") : me.tenant?.name ?? me.tenant_id ?? "this tenant";
  return (
    <>
      <section className="panel" aria-labelledby="users-heading">
        <div className="panel-h">
          <h2 id="users-heading">Users of {where}</h2>{total !== null && <span className="muted num">{total.toLocaleString("en")}</span>}
          <div className="right">
            {platform && <Select fit aria-label="Tenant" value={tenant ?? ""} onChange={(value) => set("tenant", value)} choices={[{ value: "", label: "Any tenant" }, ...list.map(({ id, name }) => ({ value: id, label: name }))]} data-testid="user-filter-tenant" />}
            <Select fit aria-label="Role" value={role ?? ""} onChange={(value) => set("role", value)} choices={[{ value: "", label: "Any role" }, ...grantable(platform).map((each) => ({ value: each as string, label: each as string }))]} data-testid="user-filter-role" />
            <Find label="Find users" placeholder="Find by name or mail" width={200} value={text} onChange={setText} data-testid="user-find" />
            <Button variant="primary" icon="plus" onClick={() => setInviting(true)} data-testid="user-invite">Invite user</Button>
          </div>
        </div>
        <DataTable caption="Users" columns={columns} rows={all} rowId={(user) => user.id} loading={users.isPending} stale={users.isPlaceholderData} data-testid="user-table" rowTestId="user-row"
          empty={<EmptyState level={3} title="No user fits" actions={<Button onClick={() => { setText(""); setParameters({}); }}>Show all users</Button>} />} />
        <Pager shown={all.length} total={total} hasMore={users.hasNextPage} busy={users.isFetchingNextPage} onMore={() => void users.fetchNextPage()} more={total === null ? "Load more" : `Load ${Math.min(50, total - all.length)} more`} />
      </section>
      <RoleTable />
      {inviting && <Invite onClose={() => setInviting(false)} onMade={(user) => { setInviting(false); setMade(user); }} />}
      {made && <Password made={made} onClose={() => setMade(null)} />}
      {editing && <EditUser user={editing} onClose={() => setEditing(null)} />}
      <ConfirmDialog open={asked !== null} tone="danger" busy={remove.isPending || setEnabled.isPending} onClose={() => setAsked(null)} data-testid="user-confirm"
        title={asked?.act === "delete" ? `Delete ${asked.user.username}?` : `Switch ${asked?.user.username ?? ""} off?`} action={asked?.act === "delete" ? "Delete user" : "Switch off"}
        onConfirm={() => {
          if (!asked) return;
          if (asked.act === "disable") return enable(asked.user, false);
          remove.mutate(asked.user.id, {
            onSuccess: () => toast({ tone: "ok", title: `${asked.user.username} was deleted` }), onError: (error) => failed("The user was not deleted", error), onSettled: () => setAsked(null),
          });
        }}>
        <p>{asked?.act === "delete" ? "Alerts and audit entries keep the name. This cannot be taken back." : "Every session of this user ends now, and nobody can sign in with the account until it is on again."}</p>
      </ConfirmDialog>
    </>
  );
}

function RoleTable() {
  const roles = useRoles();
  const shown = (roles.data ?? []).filter(({ role }) => role !== ("agent" as Role));
  return (
    <section className="panel" aria-labelledby="roles-heading">
      <div className="panel-h"><h2 id="roles-heading">What each role may do</h2></div>
      {roles.isPending && <div className="panel-b"><SkeletonBlock /></div>}
      {shown.length > 0 && (
        <div className="scroll-x" tabIndex={0} role="region" aria-label="Role permissions">
          <table className="tbl" data-testid="role-table">
            <caption className="sr">Permissions by role</caption>
            <thead><tr><th scope="col">Permission</th>{shown.map(({ role, description }) => <th key={role} scope="col" className="mono c" title={description}>{role}</th>)}</tr></thead>
            <tbody>
              {DUTIES.map(({ label, needs }) => (
                <tr key={label}>
                  <th scope="row" className="duty">{label}</th>
                  {shown.map((role) => (
                    <td key={role.role} className="c">{mayDo(role, needs) ? <span style={{ color: "var(--ok)" }}><Icon name="check" /><span className="sr">yes</span></span> : <span className="muted">–<span className="sr"> no</span></span>}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export default function UsersView() {
  return <AdminPage title="Users and roles" what="users and roles"><Users /></AdminPage>;
}
