import { describe, expect, it } from "vitest";

import { checked, heard } from "../src/health/clocks";

const NOW = "2026-11-01T12:00:00Z";

describe("the age of a message", () => {
  it.each([
    ["right", "2026-11-01T11:59:56Z", null],
    ["a little late on its way", "2026-11-01T11:59:50Z", null],
    ["ten minutes ahead", "2026-11-01T12:09:56Z", 600],
    ["ten minutes behind", "2026-11-01T11:49:56Z", -600],
  ])("is by the api's clock where its sender's is %s", (_, at, aheadS) => {
    expect(heard(NOW, { at, silent_s: 4 })).toEqual({ ageS: 4, aheadS });
  });

  it("is that of the api's own look at what it needs", () => {
    const dependency = { reachable: true, message: "" };
    expect(checked(NOW, { ...dependency, checked_at: "2026-11-01T11:59:45Z" })).toBe(15);
    expect(checked(NOW, { ...dependency, checked_at: null })).toBeNull();
  });
});
