import { describe, expect, it } from "vitest";

import type { Camera, CameraRule, Rule } from "../src/api/types";
import { restingRules } from "../src/cameras/resting-rules";
import { partName } from "../src/rules/words";

const kind = { name: "place", shape: "polygon", words: { fr: "Lieu" } };
const rule: Rule = {
  name: "long_stay",
  analytic: "stay",
  classes: ["person"],
  roles: [{ name: "where", kind, words: { fr: "Zone surveillée" } }],
  parameters: {},
  words: {
    fr: {
      name: "Séjour",
      parameters: { "schedule.start": { label: "Début", unit: "heure", help: "", options: {} } },
    },
  },
};

const rests = { code: "rule_class_missing", message: "", fields: [] };
const onCamera = (changes: Partial<CameraRule>): CameraRule => ({
  id: "a",
  rule: "long_stay",
  version: 1,
  parameters: {},
  geometry: { where: "square" },
  rests,
  ...changes,
});

function camera(changes: Partial<Camera>): Camera {
  const zones = [{ id: "square", name: "Parvis", kind: "place", shape: "polygon", points: [] }];
  return { enabled: true, zones, rules: [onCamera({})], ...changes } as unknown as Camera;
}

describe("the rules of a camera that rest", () => {
  it.each([
    ["with its zone", onCamera({}), ["Séjour – Parvis"]],
    [
      "by its own name where nobody knows it",
      onCamera({ rule: "later", geometry: { gate: "square" } }),
      ["later – Parvis"],
    ],
    ["without a zone that is gone", onCamera({ geometry: {} }), ["Séjour"]],
    ["not if it runs", onCamera({ rests: null }), []],
  ])("are named: %s", (_, each, names) => {
    expect(restingRules(camera({ rules: [each] }), [rule], "fr").map(({ name }) => name)).toEqual(names);
  });

  it("are none on a camera out of service", () => {
    expect(restingRules(camera({ enabled: false }), [rule], "fr")).toEqual([]);
  });
});

describe("what does not fit", () => {
  it.each([
    ["parameters.schedule.start", "Début (heure)"],
    ["parameters.mood", "mood"],
    ["geometry.where", "Zone surveillée (Lieu)"],
    ["geometry.exit", "geometry.exit"],
  ])("is called by its words: %s", (path, name) => {
    expect(partName(rule, path, "fr")).toBe(name);
  });
});
