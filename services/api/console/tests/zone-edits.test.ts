import { describe, expect, it } from "vitest";

import type { Zone } from "../src/api/types";
import { basisState } from "../src/cameras/legal-basis";
import { freeId, newZone, withRuleVersions } from "../src/cameras/zone-edits";
import { newRectangle } from "../src/drawing/polygon";

describe("a new zone", () => {
  it.each([
    ["Parvis de l’Église", [], "parvis-de-l-eglise"],
    ["Zone 1", ["zone-1", "zone-1-2"], "zone-1-3"],
    ["–", [], "zone"],
  ])("called %s gets an id that the api takes and nobody has", (name, taken, id) => {
    expect(freeId(name, taken)).toBe(id);
  });
});

describe("a rule", () => {
  const before: Zone = newZone(newRectangle(0), "Parvis", []);
  it("whose parameters changed gets the next version, and keeps it when only the zone changed", () => {
    const [rule] = before.rules;
    if (rule === undefined) throw new Error("a new zone has a rule");
    const [stricter] = withRuleVersions([{ ...before, rules: [{ ...rule, threshold_s: 10 }] }], [before]);
    const [renamed] = withRuleVersions([{ ...before, name: "Place" }], [before]);
    expect(stricter?.rules[0]?.version).toBe(2);
    expect(renamed?.rules[0]?.version).toBe(1);
  });
});

describe("a legal basis", () => {
  const basis = { starts_at: "2026-01-01T00:00:00Z", ends_at: "2026-02-01T00:00:00Z" };
  it.each([
    ["2025-12-31T23:59:59Z", "coming"],
    ["2026-01-01T00:00:00Z", "inForce"],
    ["2026-01-31T23:59:59Z", "inForce"],
    ["2026-02-01T00:00:00Z", "over"],
  ])("is at %s: %s", (at, state) => {
    expect(basisState(basis, Date.parse(at))).toBe(state);
  });
});
