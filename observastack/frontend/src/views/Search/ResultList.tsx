/** The list itself; windowed above 200 lines. */
import { type Ref, useCallback, useImperativeHandle, useRef } from "react";

import { useNarrow } from "../../charts/useNarrow";
import { useWindow } from "../../list/useWindow";
import { idOf } from "../../search/display";
import type { Zone } from "../../time/clock";
import type { Filter, Item } from "../../types";
import { ResultRow } from "./ResultRow";

export interface ListHandle {
  /** Moves the focus by so many lines; from none to the first. */
  move: (by: number) => void;
  /** The line with the focus. */
  focused: () => Item | null;
}

/** How lines are shown and what can be done with them, stored and live ones alike. */
export interface ListChoices {
  openId: string | null;
  needle: string;
  zone: Zone;
  wrap: boolean;
  onToggle: (id: string) => void;
  onFilter?: (filter: Filter) => void;
  handle?: Ref<ListHandle>;
}

interface Props extends ListChoices {
  items: readonly Item[];
  label: string;
  /** The first so many lines have just arrived. */
  fresh?: number;
}

/** Row heights by styles: one line, or two on a phone. */
const LINE = 29;
const PHONE = 51;

export function ResultList({ items, openId, needle, zone, wrap, label, fresh = 0, onToggle, onFilter, handle }: Props) {
  const narrow = useNarrow();
  const keyOf = useCallback((index: number) => {
    const item = items[index];
    return item === undefined ? "" : idOf(item);
  }, [items]);
  const variable = useCallback((key: string) => wrap || narrow || key === openId, [wrap, narrow, openId]);
  const windowed = useWindow({ count: items.length, keyOf, estimate: narrow ? PHONE : LINE, variable, layout: `${wrap} ${narrow}` });
  const { list, first, end, before, after, measure, scrollTo } = windowed;
  const at = useRef(-1);

  const focusRow = useCallback(
    (index: number, tries = 3) => {
      const item = items[index];
      if (item === undefined) return;
      const row = list.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(idOf(item))}"] .exp`);
      if (row) row.focus({ preventScroll: true });
      else if (tries > 0) requestAnimationFrame(() => focusRow(index, tries - 1));
    },
    [items, list],
  );
  const focusedIndex = useCallback(() => {
    const id = document.activeElement?.closest<HTMLElement>("[data-testid=result-row]")?.dataset.id;
    const found = id === undefined ? -1 : items.findIndex((item) => idOf(item) === id);
    return found >= 0 ? found : -1;
  }, [items]);
  useImperativeHandle(
    handle,
    () => ({
      move: (by) => {
        const here = focusedIndex();
        const from = here >= 0 ? here : at.current;
        const next = Math.max(0, Math.min(items.length - 1, from + by));
        at.current = next;
        scrollTo(next);
        focusRow(next);
      },
      focused: () => items[focusedIndex()] ?? null,
    }),
    [focusRow, focusedIndex, items, scrollTo],
  );

  const whole = first === 0 && end === items.length;
  return (
    <ol
      ref={list as Ref<HTMLOListElement>}
      className={wrap ? "rows wrap" : "rows"}
      aria-label={label}
      data-testid="result-list"
      style={whole ? undefined : { paddingTop: before, paddingBottom: after }}
    >
      {items.slice(first, end).map((item, offset) => {
        const id = idOf(item);
        const index = first + offset;
        return (
          <ResultRow
            key={id}
            item={item}
            open={openId === id}
            fresh={index < fresh}
            needle={needle}
            zone={zone}
            place={whole ? undefined : index + 1}
            of={whole ? undefined : items.length}
            measure={items.length > 200 && variable(id) ? measure : undefined}
            onToggle={onToggle}
            onFilter={onFilter}
          />
        );
      })}
    </ol>
  );
}
