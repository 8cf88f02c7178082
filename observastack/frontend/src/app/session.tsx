/** Who is signed in, for the components below; sends others to the sign-in and brings them back. */
import { useQuery } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useSyncExternalStore } from "react";
import { Navigate, useLocation } from "react-router";

import type { Capabilities, Flags, Me, Permission, Preferences } from "../types";
import { api } from "./api";
import { auth, type Status } from "./auth";
import { Failure } from "./Failure";
import { SessionDialog } from "./SessionDialog";
import { applyTheme } from "./theme";

export const DEFAULT_PREFERENCES: Preferences = {
  theme: "system",
  time_zone: "utc",
  default_range_s: 1800,
  single_keys: true,
  relative_times: false,
};

const MeContext = createContext<Me | null>(null);

export function useStatus(): Status {
  return useSyncExternalStore(auth().subscribe, auth().snapshot);
}

/** The person, inside `RequireSession`. */
export function useMe(): Me {
  const me = useContext(MeContext);
  if (me === null) throw new Error("useMe is for views behind RequireSession");
  return me;
}

export function useCan(permission: Permission): boolean {
  return useMe().permissions.includes(permission);
}

export function useCapabilities(): Capabilities | undefined {
  const query = useQuery({
    queryKey: ["capabilities"],
    queryFn: ({ signal }) => api.get<Capabilities>("/meta/capabilities", {}, { signal }),
    staleTime: 300_000,
  });
  return query.data;
}

/** Flags of the tenant; undefined until known. */
export function useFlags(): Flags["flags"] | undefined {
  const query = useQuery({
    queryKey: ["flags"],
    queryFn: ({ signal }) => api.get<Flags>("/meta/flags", {}, { signal }),
    staleTime: 300_000,
    retry: false,
  });
  return query.data?.flags;
}

export function RequireSession({ children }: { children: ReactNode }) {
  const status = useStatus();
  const { pathname, search, hash } = useLocation();
  useEffect(() => {
    void auth().start();
  }, []);
  const me = useQuery({
    queryKey: ["me"],
    queryFn: async ({ signal }) => complete(await api.get<Me>("/auth/me", {}, { signal })),
    enabled: status === "signed-in",
    staleTime: 60_000,
  });
  const theme = me.data?.preferences.theme;
  useEffect(() => {
    if (theme) applyTheme(theme);
  }, [theme]);
  const tenant = me.data?.tenant?.color;
  useEffect(() => {
    if (tenant) document.documentElement.style.setProperty("--tenant", tenant);
  }, [tenant]);

  if (status === "signed-out") {
    const next = pathname + search + hash;
    return <Navigate replace to={next === "/" ? "/login" : `/login?next=${encodeURIComponent(next)}`} />;
  }
  if (me.data) {
    return (
      <MeContext value={me.data}>
        {children}
        {status === "expired" && <SessionDialog />}
      </MeContext>
    );
  }
  if (status === "expired") return <SessionDialog />;
  if (me.error) return <Failure error={me.error} onRetry={() => void me.refetch()} whole />;
  return null;
}

function complete(me: Me): Me {
  return {
    ...me,
    name: me.name || me.preferred_username,
    permissions: me.permissions ?? [],
    preferences: { ...DEFAULT_PREFERENCES, ...me.preferences },
  };
}
