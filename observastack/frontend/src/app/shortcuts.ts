/** Keys. Single ones work outside fields only, and only when the profile has not turned them off (WCAG 2.1.4). */
import { useEffect, useRef } from "react";

export type Keys = Record<string, (event: KeyboardEvent) => void>;

interface Layer {
  keys: () => Keys;
}

const layers: Layer[] = [];
const SEQUENCE_MS = 900;
let first: { key: string; at: number } | null = null;
let singleKeys = true;

export function allowSingleKeys(allowed: boolean): void {
  singleKeys = allowed;
}

/** "j", "Shift+r", "Ctrl+Enter", "Escape": as `useShortcuts` names keys. Command counts as Ctrl. */
export function nameOf(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">): string {
  const parts: string[] = [];
  if (event.ctrlKey || event.metaKey) parts.push("Ctrl");
  if (event.altKey) parts.push("Alt");
  const letter = /^[a-z]$/i.test(event.key);
  if (event.shiftKey && (letter || event.key.length > 1)) parts.push("Shift");
  parts.push(letter ? event.key.toLowerCase() : event.key);
  return parts.join("+");
}

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.matches("textarea, select")) return true;
  return target.matches("input:not([type=checkbox]):not([type=radio])");
}

function find(name: string): ((event: KeyboardEvent) => void) | undefined {
  for (let index = layers.length - 1; index >= 0; index--) {
    const action = layers[index]?.keys()[name];
    if (action) return action;
  }
  return undefined;
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const name = nameOf(event);
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (plain && event.key.length === 1) {
    if (typing(event.target) || !singleKeys || document.querySelector("dialog[open]")) return;
    if (first && performance.now() - first.at < SEQUENCE_MS) {
      const action = find(`${first.key} ${name}`);
      first = null;
      if (action) {
        event.preventDefault();
        action(event);
        return;
      }
    }
    if (name === "g") {
      first = { key: name, at: performance.now() };
      return;
    }
  }
  const action = find(name);
  if (action) {
    if (name !== "Escape") event.preventDefault();
    action(event);
  }
}

/** Keys while the component is shown; those of inner components win. */
export function useShortcuts(keys: Keys): void {
  const current = useRef(keys);
  useEffect(() => {
    current.current = keys;
  });
  useEffect(() => {
    const layer: Layer = { keys: () => current.current };
    if (layers.length === 0) document.addEventListener("keydown", onKey);
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
      if (layers.length === 0) document.removeEventListener("keydown", onKey);
    };
  }, []);
}
