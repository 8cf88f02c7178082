import { createContext, useContext } from "react";

import type { Item } from "../../types";

/** Makes an address that shows the line with the query around it; null where lines have none (a trace's logs). */
export const LineLinkContext = createContext<((item: Item) => string) | null>(null);

export function useLineLink(): ((item: Item) => string) | null {
  return useContext(LineLinkContext);
}
