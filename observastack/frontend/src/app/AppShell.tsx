/** Around every view of somebody who is signed in. */
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { Outlet, useNavigate } from "react-router";

import { ToastProvider } from "../components";
import type { AlertStatistics } from "../types";
import { api } from "./api";
import { ADMIN, DESTINATIONS } from "./destinations";
import { Boundary } from "./Failure";
import { SideNav, TabBar } from "./Navigation";
import { useToggleTheme } from "./preferences";
import { useCan, useCapabilities, useMe } from "./session";
import { ShellContext } from "./shell";
import { allowSingleKeys, type Keys, useShortcuts } from "./shortcuts";
import { useSources } from "./sources";

const ShortcutsDialog = lazy(() => import("./ShortcutsDialog"));

export function AppShell() {
  const me = useMe();
  const navigate = useNavigate();
  const toggleTheme = useToggleTheme();
  const sources = useSources();
  const capabilities = useCapabilities();
  const alertCount = useAlertCount();
  const [shortcuts, setShortcuts] = useState(false);
  const admin = useCan(ADMIN.needs);

  useEffect(() => allowSingleKeys(me.preferences.single_keys), [me.preferences.single_keys]);
  const keys: Keys = { "?": () => setShortcuts(true), t: toggleTheme };
  for (const { key, path } of admin ? [...DESTINATIONS, ADMIN] : DESTINATIONS) {
    keys[`g ${key}`] = () => void navigate(path);
  }
  useShortcuts(keys);

  const shell = useMemo(() => ({ showShortcuts: () => setShortcuts(true) }), []);
  return (
    <ShellContext value={shell}>
      <ToastProvider>
        <a className="skip" href="#main">
          Skip to content
        </a>
        <div className="shell">
          <SideNav me={me} alertCount={alertCount} sources={sources} stores={capabilities?.stores ?? {}} />
          <div className="page">
            <Boundary>
              <Suspense fallback={null}>
                <Outlet />
              </Suspense>
            </Boundary>
          </div>
        </div>
        <TabBar me={me} alertCount={alertCount} />
        {shortcuts && (
          <Suspense fallback={null}>
            <ShortcutsDialog onClose={() => setShortcuts(false)} />
          </Suspense>
        )}
      </ToastProvider>
    </ShellContext>
  );
}

function useAlertCount(): number | null {
  const allowed = useCan("alerts:read");
  const hasTenant = useMe().tenant_id !== null;
  const statistics = useQuery({
    queryKey: ["alerts", "statistics"],
    queryFn: ({ signal }) => api.get<AlertStatistics>("/alerts/statistics", {}, { signal }),
    enabled: allowed && hasTenant,
    refetchInterval: 30_000,
    retry: false,
  });
  return statistics.data?.by_status.active ?? null;
}
