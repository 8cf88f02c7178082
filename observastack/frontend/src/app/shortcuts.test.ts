import { expect, it } from "vitest";

import { nameOf } from "./shortcuts";

const press = (key: string, held: Partial<Record<"ctrlKey" | "metaKey" | "altKey" | "shiftKey", boolean>> = {}) =>
  nameOf({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

it("names keys as the list of keys does", () => {
  expect(press("j")).toBe("j");
  expect(press("R", { shiftKey: true })).toBe("Shift+r");
  expect(press("Enter", { ctrlKey: true })).toBe("Ctrl+Enter");
  expect(press("Enter", { metaKey: true })).toBe("Ctrl+Enter");
});

it("does not ask which keys make a sign: ? and / differ between keyboards", () => {
  expect(press("?", { shiftKey: true })).toBe("?");
  expect(press("/", { shiftKey: true })).toBe("/");
});
