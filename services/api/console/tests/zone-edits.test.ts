import { describe, expect, it } from "vitest";

import type { Rule } from "../src/api/types";
import { basisState } from "../src/cameras/legal-basis";
import { draftOf, freeId, homeOf, newRule, newZone } from "../src/cameras/zone-edits";
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

const kind = { name: "place", shape: "polygon", words: {} };
const rule: Rule = {
  name: "long_stay",
  analytic: "stay",
  classes: ["person"],
  roles: [
    { name: "where", kind, words: {} },
    { name: "exit", kind, words: {} },
  ],
  parameters: { properties: { threshold_s: { type: "number", default: 60 } } },
  words: {},
};

describe("a rule", () => {
  const zone = newZone(newRectangle(0), "Parvis", "place", []);

  it("begins with its defaults, on the zone it was added to, under an id that nobody has", () => {
    expect(newRule(rule, zone, ["long-stay"])).toEqual({
      id: "long-stay-2",
      rule: "long_stay",
      parameters: { threshold_s: 60 },
      geometry: { where: "parvis" },
    });
  });

  it("is shown beside the zone of its first role, or beside any where nobody knows its roles", () => {
    const wanted = { id: "r", rule: "long_stay", geometry: { exit: "door", where: "parvis" } };
    expect(homeOf(wanted, [rule])).toBe("parvis");
    expect(homeOf(wanted, [])).toBe("door");
  });

  it("goes back without its version, which the api gives", () => {
    const saved = { id: "r", rule: "x", version: 7, parameters: { a: [1] }, geometry: {}, rests: null };
    expect(draftOf({ zones: [], rules: [saved] }).rules).toEqual([
      { id: "r", rule: "x", parameters: { a: [1] }, geometry: {} },
    ]);
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
