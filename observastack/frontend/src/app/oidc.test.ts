import { expect, it } from "vitest";

import { challenge, safeNext } from "./oidc";

it("makes the challenge of RFC 7636, appendix B", async () => {
  expect(await challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")).toBe("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
});

it("returns to pages of this application only", () => {
  expect(safeNext("/search?q=a&f=service%3Dpayments#x")).toBe("/search?q=a&f=service%3Dpayments#x");
  for (const elsewhere of [null, "", "https://evil.test/", "//evil.test", "/\\evil.test", "/\u0009/evil.test", "javascript:alert(1)", "/login?next=/login", "/auth/callback?code=1"]) {
    expect(safeNext(elsewhere)).toBe("/");
  }
});
