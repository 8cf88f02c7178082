/** The ways between the areas: beside the page on a desk, below it on a phone. */
import { Link, useLocation } from "react-router";

import { Avatar, Icon } from "../components";
import type { Me, Sources } from "../types";
import { ADMIN, ADMIN_PAGES, DESTINATIONS, type Destination } from "./destinations";
import { Logo } from "./Logo";
import { mainRole } from "./roles";
import { answered, isSlow, SIGNALS } from "./sources";

interface Props {
  me: Me;
  /** Active alerts; null while unknown. */
  alertCount: number | null;
}

interface SideProps extends Props {
  sources: Sources;
  /** Adapter of each signal. */
  stores: Partial<Record<string, string>>;
}

export function SideNav({ me, alertCount, sources, stores }: SideProps) {
  const { pathname } = useLocation();
  const admin = me.permissions.includes(ADMIN.needs);
  const role = mainRole(me);
  return (
    <aside className="side" aria-label="Sidebar">
      <Link className="brand" to="/search" aria-label="ObservaStack home">
        <Logo />
        <span>ObservaStack</span>
      </Link>
      <TenantBadge me={me} />
      <nav className="nav" aria-label="Main">
        {reachable(me).map((destination) => (
          <NavLink key={destination.path} destination={destination} pathname={pathname} alertCount={alertCount} />
        ))}
        {admin && <NavLink destination={ADMIN} pathname={pathname} alertCount={null} />}
        {admin &&
          isWithin(pathname, ADMIN.path) &&
          ADMIN_PAGES.map((page) => (
            <Link className="sub" key={page.path} to={page.path} aria-current={isWithin(pathname, page.path) ? "page" : undefined}>
              <span>{page.name}</span>
            </Link>
          ))}
      </nav>
      <div className="side-foot">
        <SourceHealth sources={sources} stores={stores} />
        <Link
          className="me"
          to="/profile"
          data-testid="user-menu"
          style={{ color: "inherit", textDecoration: "none" }}
          title={`Profile of ${me.name}${role ? `, role ${role}` : ""}`}
        >
          <Avatar name={me.name} />
          <span>
            <b className="trunc">{me.name}</b>
            <span>{role ?? "no role"}</span>
          </span>
        </Link>
      </div>
    </aside>
  );
}

export function TabBar({ me, alertCount }: Props) {
  const { pathname } = useLocation();
  const admin = me.permissions.includes(ADMIN.needs);
  return (
    <nav className="tabbar" aria-label="Main, compact">
      {[...reachable(me), ...(admin ? [ADMIN] : [])].map(({ name, path, icon }) => (
        <Link key={path} to={path} aria-current={isWithin(pathname, path) ? "page" : undefined}>
          <Icon name={icon} />
          <span>{name}</span>
          {path === "/alerts" && <AlertCount count={alertCount} />}
        </Link>
      ))}
    </nav>
  );
}

function NavLink({
  destination: { name, path, icon, key },
  pathname,
  alertCount,
}: {
  destination: Destination;
  pathname: string;
  alertCount: number | null;
}) {
  return (
    <Link
      to={path}
      data-testid={`nav-${name.toLowerCase()}`}
      title={`${name} (g ${key})`}
      aria-current={isWithin(pathname, path) ? "page" : undefined}
    >
      <Icon name={icon} />
      <span>{name}</span>
      {path === "/alerts" && <AlertCount count={alertCount} />}
    </Link>
  );
}

function AlertCount({ count }: { count: number | null }) {
  if (!count) return null;
  return (
    <b className="badge error">
      {count > 999 ? "999+" : count}
      <span className="sr"> active</span>
    </b>
  );
}

function TenantBadge({ me }: { me: Me }) {
  const name = me.tenant?.name ?? me.tenant_id ?? "Platform";
  const below = me.tenant_id === null ? "all tenants" : `tenant ${me.tenant_id}`;
  return (
    <div className="tenant" data-testid="tenant-indicator" title={`${name}, ${below}, set by your sign-in`}>
      <span>
        <b className="trunc">{name}</b>
        <span>{below}</span>
      </span>
      <Icon name="lock" small />
    </div>
  );
}

function SourceHealth({ sources, stores }: Pick<SideProps, "sources" | "stores">) {
  return (
    <ul className="health" aria-label="Signal sources" data-testid="source-health">
      {SIGNALS.map((signal) => {
        const status = sources[signal];
        const store = status?.implementation ?? stores[signal];
        const kind = status === undefined ? "idle" : !answered(status) ? "error" : isSlow(status) ? "warn" : "";
        return (
          <li key={signal} title={store === undefined ? signal : `${signal} in ${store}`}>
            <i className={`dot ${kind}`} />
            {store === undefined || store === "embedded" ? signal : store}
            <span className="v">{said(status)}</span>
          </li>
        );
      })}
    </ul>
  );
}

function said(status: Sources[keyof Sources]): string {
  if (status === undefined) return "not asked yet";
  if (status.status === "timeout") return "timeout";
  if (status.status === "error") return "no answer";
  return status.latency_ms === undefined ? "ok" : `${Math.round(status.latency_ms).toLocaleString("en")} ms`;
}

function reachable(me: Me): Destination[] {
  return DESTINATIONS.filter((destination) => me.permissions.includes(destination.needs));
}

function isWithin(pathname: string, path: string): boolean {
  return pathname === path || pathname.startsWith(`${path}/`) || (path === "/search" && pathname.startsWith("/traces/"));
}
