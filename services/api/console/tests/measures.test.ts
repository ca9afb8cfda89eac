import { describe, expect, it } from "vitest";

import { measuresOf } from "../src/health/measures";
import en from "../src/i18n/en.json";
import fr from "../src/i18n/fr.json";

describe("what a service says of its delay", () => {
  it("is nothing while it is not behind", () => {
    expect(measuresOf({ behind_s: 3, headroom_s: 597, streams: 4 })).toEqual([]);
    expect(measuresOf({})).toEqual([]);
  });

  it("is how far behind it is, and how long until pictures are lost", () => {
    expect(measuresOf({ headroom_s: 200, behind_s: 400 })).toEqual([
      { name: "behind_s", seconds: 400 },
      { name: "headroom_s", seconds: 200 },
    ]);
  });

  it("is what was stored and destroyed last, however lately", () => {
    expect(measuresOf({ last_stored_age_s: 2, last_sweep_age_s: 40 }).map(({ name }) => name)).toEqual([
      "last_stored_age_s",
      "last_sweep_age_s",
    ]);
  });

  it("is never less than no time left", () => {
    expect(measuresOf({ behind_s: 700, headroom_s: -100 })[1]).toEqual({ name: "headroom_s", seconds: 0 });
  });

  it("has words in both languages", () => {
    const all = measuresOf({ behind_s: 700, headroom_s: 1, last_stored_age_s: 1, last_sweep_age_s: 1 });
    for (const { name } of all) {
      expect(fr.health.measure[name]).toContain("{{age}}");
      expect(en.health.measure[name]).toContain("{{age}}");
    }
  });
});
