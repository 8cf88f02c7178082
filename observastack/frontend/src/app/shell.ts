import { createContext, useContext } from "react";

/** What the shell does for the views inside. */
export interface Shell {
  showShortcuts: () => void;
}

export const ShellContext = createContext<Shell>({ showShortcuts: () => undefined });

export function useShell(): Shell {
  return useContext(ShellContext);
}
