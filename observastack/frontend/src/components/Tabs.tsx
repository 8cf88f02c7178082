/** Tabs with one stop in the tab order; arrows, Home and End move and select. */
import { useRef, type KeyboardEvent, type ReactNode } from "react";

export interface Tab<Id extends string> {
  id: Id;
  label: ReactNode;
  /** `null`: unknown, shown as `?` (never 0); `"…"`: on its way. */
  count?: number | "…" | null | undefined;
}

export interface TabsProps<Id extends string> {
  label: string;
  value: Id;
  tabs: readonly Tab<Id>[];
  onChange: (id: Id) => void;
  /** The element that the tabs switch. */
  panelId?: string | undefined;
  /** Inside a page instead of the top bar. */
  inside?: boolean | undefined;
  /** `<prefix>-<tab id>` becomes the data-testid. */
  testIdPrefix?: string | undefined;
}

function count(value: number | "…" | null): string {
  return value === null ? "?" : typeof value === "number" ? value.toLocaleString("en") : value;
}

export function Tabs<Id extends string>({ label, value, tabs, onChange, panelId, inside = false, testIdPrefix }: TabsProps<Id>) {
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent) => {
    const at = tabs.findIndex((tab) => tab.id === value);
    const last = tabs.length - 1;
    const next = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
    const tab = next === undefined ? undefined : tabs[next];
    if (next === undefined || !tab) return;
    event.preventDefault();
    onChange(tab.id);
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[next]?.focus();
  };
  return (
    <div ref={list} className={inside ? "tabs in plain" : "tabs"} role="tablist" aria-label={label} onKeyDown={move}>
      {tabs.map((tab) => (
        <button key={tab.id} type="button" role="tab" aria-selected={tab.id === value} tabIndex={tab.id === value ? 0 : -1}
          aria-controls={panelId} data-testid={testIdPrefix && `${testIdPrefix}-${tab.id}`}
          onClick={() => onChange(tab.id)}>
          {tab.label}
          {tab.count !== undefined && <span className="n">{count(tab.count)}</span>}
        </button>
      ))}
    </div>
  );
}
