/** Where a menu or a small dialog floats: below its trigger, inside the window, closed by Esc or a press elsewhere. */
import { useEffect, useLayoutEffect, useState, type CSSProperties, type RefObject } from "react";

export type Align = "start" | "end";

interface Box { left: number; right: number; top: number; bottom: number }

/** Pure part: the corner for a panel of that size, at least 8 px inside the window; above the trigger if below is no room. */
export function place(trigger: Box, size: { width: number; height: number }, window_: { width: number; height: number }, align: Align) {
  const margin = 8;
  const wanted = align === "start" ? trigger.left : trigger.right - size.width;
  const left = Math.max(margin, Math.min(wanted, window_.width - size.width - margin));
  const below = trigger.bottom + 4;
  const above = trigger.top - 4 - size.height;
  const fits = below + size.height <= window_.height - margin;
  return { left, top: fits || above < margin ? below : above };
}

/** Style for the panel while `open`; fixed, so that no scrolling container cuts it. */
export function useFloating(
  open: boolean, onClose: () => void, trigger: RefObject<HTMLElement | null>, panel: RefObject<HTMLElement | null>, align: Align,
): CSSProperties {
  const [corner, setCorner] = useState({ left: 0, top: 0 });
  useLayoutEffect(() => {
    if (!open) return;
    const update = () => {
      if (!trigger.current || !panel.current) return;
      const { offsetWidth: width, offsetHeight: height } = panel.current;
      setCorner(place(trigger.current.getBoundingClientRect(), { width, height },
        { width: document.documentElement.clientWidth, height: window.innerHeight }, align));
    };
    update();
    window.addEventListener("resize", update);
    window.addEventListener("scroll", update, true);
    return () => {
      window.removeEventListener("resize", update);
      window.removeEventListener("scroll", update, true);
    };
  }, [open, align, trigger, panel]);
  useEffect(() => {
    if (!open) return;
    const outside = (event: PointerEvent) => {
      const target = event.target as Node;
      if (!panel.current?.contains(target) && !trigger.current?.contains(target)) onClose();
    };
    const escape = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      event.preventDefault();
      onClose();
      trigger.current?.focus();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", escape, true);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("keydown", escape, true);
    };
  }, [open, onClose, trigger, panel]);
  return { position: "fixed", left: corner.left, top: corner.top };
}
