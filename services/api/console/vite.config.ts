import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds a running api; the console itself only ever talks to its own origin. */
const DEVELOPMENT_API = process.env.BEFFROI_CONSOLE_API ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../beffroi_api/static",
    emptyOutDir: true,
    // The content security policy allows no `data:` font or script: every asset is a file of its own.
    assetsInlineLimit: 0,
    // Chromium alone plays H.264 through WebCodecs here; what it understands needs no older syntax.
    target: "chrome120",
    modulePreload: { polyfill: false },
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: DEVELOPMENT_API, ws: true } },
  },
  test: {
    environment: "node",
    include: ["tests/**/*.test.ts"],
  },
});
