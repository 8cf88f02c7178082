import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The backend of the environment; another one: OBSERVASTACK_API=http://127.0.0.1:8100 npm run dev
const api = process.env.OBSERVASTACK_API ?? "http://127.0.0.1:8000";
const proxy = { "/api": { target: api, ws: true }, "/.well-known": { target: api } };

export default defineConfig({
  plugins: [react()],
  server: { port: 5173, strictPort: false, proxy },
  preview: { port: 4173, strictPort: false, proxy },
  build: {
    target: ["chrome123", "firefox120", "safari17.5"],
    // Inlined assets would need data: in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { environment: "node", include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
});
