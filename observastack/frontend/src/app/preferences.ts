/** Changes of the own preferences: shown at once, stored on the server, taken back when it refuses. */
import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";

import type { Me, Preferences } from "../types";
import { api } from "./api";
import { applyTheme, shownTheme } from "./theme";

export function useChangePreferences(): (change: Partial<Preferences>) => Promise<void> {
  const client = useQueryClient();
  return useCallback(
    async (change) => {
      const before = client.getQueryData<Me>(["me"]);
      const show = (preferences: Partial<Preferences>) =>
        client.setQueryData<Me>(["me"], (me) => me && { ...me, preferences: { ...me.preferences, ...preferences } });
      if (change.theme) applyTheme(change.theme);
      show(change);
      try {
        show(await api.put<Preferences>("/auth/me/preferences", change));
      } catch (error) {
        if (before) client.setQueryData(["me"], before);
        if (change.theme && before) applyTheme(before.preferences.theme);
        throw error;
      }
    },
    [client],
  );
}

/** Light to dark and back. The choice holds in this browser even when the profile cannot be written. */
export function useToggleTheme(): () => void {
  const change = useChangePreferences();
  return useCallback(() => {
    const theme = shownTheme() === "dark" ? "light" : "dark";
    change({ theme }).catch(() => applyTheme(theme));
  }, [change]);
}
