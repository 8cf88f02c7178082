/** Windowing of a list that scrolls with the page. Short lists are drawn whole. */
import { type RefCallback, type RefObject, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";

import { offsetsOf, type Slice, sliceOf } from "./window";

const OVERSCAN = 20;
/** Positions are rounded to so many rows: fewer renderings while scrolling. */
const GRAIN = 8;

interface Wanted {
  count: number;
  /** Stable key of a row: measured heights move with it. */
  keyOf: (index: number) => string;
  /** Height of a row that was never measured. */
  estimate: number;
  /** Rows whose measured height counts; the others have the estimate. */
  variable: (key: string) => boolean;
  /** Another layout of the rows: what was measured before holds no more. */
  layout: string;
  /** Lists up to this length are not windowed. */
  whole?: number;
}

export interface Windowed extends Slice {
  list: RefObject<HTMLElement | null>;
  /** Ref of a row that may be higher than the estimate; its data-id is its key. */
  measure: RefCallback<HTMLElement>;
  scrollTo: (index: number) => void;
}

export function useWindow({ count, keyOf, estimate, variable, layout, whole = 200 }: Wanted): Windowed {
  const list = useRef<HTMLElement>(null);
  const heights = useRef(new Map<string, number>());
  const [version, setVersion] = useState(0);
  const [view, setView] = useState({ top: 0, bottom: 1200 });
  const active = count > whole;

  useEffect(() => {
    if (!active) return;
    let frame = 0;
    const read = () => {
      frame = 0;
      const box = list.current?.getBoundingClientRect();
      if (!box) return;
      const step = estimate * GRAIN;
      const top = Math.floor(-box.top / step) * step;
      const bottom = top + Math.ceil(innerHeight / step + 1) * step;
      setView((old) => (old.top === top && old.bottom === bottom ? old : { top, bottom }));
    };
    const later = () => {
      frame ||= requestAnimationFrame(read);
    };
    read();
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", later);
      removeEventListener("resize", later);
    };
  }, [active, estimate]);

  // Another layout of all rows (phone, wrapped): what was measured holds no more.
  useLayoutEffect(() => {
    heights.current.clear();
    setVersion((old) => old + 1);
  }, [estimate, layout]);

  const observer = useRef<ResizeObserver | null>(null);
  useEffect(() => () => observer.current?.disconnect(), []);
  const measure = useCallback(
    (element: HTMLElement | null) => {
      if (element === null) return;
      observer.current ??= new ResizeObserver((entries) => {
        let changed = false;
        for (const { target } of entries) {
          const id = (target as HTMLElement).dataset.id;
          if (!id || !target.isConnected) continue;
          const height = target.getBoundingClientRect().height;
          if (Math.abs((heights.current.get(id) ?? estimate) - height) > 0.5) {
            heights.current.set(id, height);
            changed = true;
          }
        }
        if (changed) setVersion((old) => old + 1);
      });
      const watching = observer.current;
      watching.observe(element);
      return () => watching.unobserve(element);
    },
    [estimate],
  );

  const offsets = useMemo(
    () => offsetsOf(active ? count : 0, estimate, (index) => {
        const key = keyOf(index);
        return variable(key) ? heights.current.get(key) : undefined;
      }),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- version stands for the measured heights
    [active, count, estimate, keyOf, variable, version],
  );
  const slice = active
    ? sliceOf(offsets, view.top, view.bottom, OVERSCAN)
    : { first: 0, end: count, before: 0, after: 0 };

  const scrollTo = useCallback(
    (index: number) => {
      const box = list.current?.getBoundingClientRect();
      if (!box) return;
      const at = active ? (offsets[index] ?? 0) : index * estimate;
      const top = box.top + at;
      if (top < 120 || top > innerHeight - 80) scrollBy({ top: top - innerHeight / 3 });
    },
    [active, offsets, estimate],
  );
  return { ...slice, list, measure, scrollTo };
}
