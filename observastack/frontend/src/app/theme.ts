/** Light, dark, or what the system says. Kept in this browser for the first paint, and in the profile. */
import type { Preferences } from "../types";

const KEY = "observastack.theme";

export function applyTheme(theme: Preferences["theme"]): void {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage is off: the choice lasts until the page is left.
  }
}

/** What is on the screen now. */
export function shownTheme(): "light" | "dark" {
  const pinned = document.documentElement.dataset.theme;
  if (pinned === "light" || pinned === "dark") return pinned;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
