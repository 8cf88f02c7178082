/** The keys of the search view; what they do is what its buttons do. */
import type { RefObject } from "react";
import { useNavigate } from "react-router";

import { useShortcuts } from "../../app/shortcuts";
import { idOf } from "../../search/display";
import { shift } from "../../time/range";
import type { Item } from "../../types";
import type { ListHandle } from "./ResultList";
import type { Question } from "./useQuestion";

interface Keyed {
  question: Question;
  items: readonly Item[];
  rows: RefObject<ListHandle | null>;
  onFilter: () => void;
  onLive: () => void;
}

export function useSearchKeys({ question: { state, change }, items, rows, onFilter, onLive }: Keyed): void {
  const navigate = useNavigate();
  useShortcuts({
    "/": () => document.querySelector<HTMLInputElement>("[data-testid=search-input]")?.focus(),
    "Ctrl+Enter": () => document.querySelector<HTMLButtonElement>("[data-testid=search-run]")?.click(),
    f: onFilter,
    r: () => document.querySelector<HTMLButtonElement>("[data-testid=time-range]")?.click(),
    l: onLive,
    "[": () => change({ range: shift(state.range, -1, Date.now()), selection: null }),
    "]": () => change({ range: shift(state.range, 1, Date.now()), selection: null }),
    j: () => rows.current?.move(1),
    k: () => rows.current?.move(-1),
    o: () => {
      const item = rows.current?.focused() ?? items.find((one) => idOf(one) === state.open);
      if (item?.trace_id) void navigate(`/traces/${item.trace_id}`);
    },
  });
}
