import { describe, expect, it } from "vitest";

import { defaultsOf, fieldsOf, limitsOf, valueOf, type Field } from "../src/rules/json-schema";

/** As pydantic writes it. */
const SCHEMA = {
  $defs: {
    Side: { enum: ["left", "right"], type: "string" },
    Hours: {
      type: "object",
      properties: {
        start: { type: "string", format: "time", pattern: "x", examples: ["22:00"] },
        zone: { type: "string", maxLength: 64, default: "Europe/Paris" },
      },
    },
  },
  type: "object",
  properties: {
    threshold_s: { type: "number", minimum: 5, maximum: 3600, default: 60, "x-step": 5 },
    radius: { type: "number", exclusiveMinimum: 0, maximum: 1, default: 0.1, "x-step": 0.01 },
    count: { type: "integer", minimum: 2, default: 5 },
    strict: { type: "boolean", default: true },
    side: { $ref: "#/$defs/Side", default: "right" },
    limit: { anyOf: [{ type: "number", minimum: 3 }, { type: "null" }], default: null },
    schedule: { anyOf: [{ $ref: "#/$defs/Hours" }, { type: "null" }], default: null },
    list: { type: "array", default: [1] },
  },
};

const fields = new Map<string, Field>(fieldsOf(SCHEMA).map((field) => [field.name, field]));
const get = (name: string) => fields.get(name);

describe("a form from a JSON Schema", () => {
  it.each([
    ["threshold_s", { kind: "number", min: 5, max: 3600, step: 5 }],
    ["radius", { kind: "number", min: 0.01, max: 1, step: 0.01 }],
    ["count", { kind: "number", min: 2, max: undefined, step: 1 }],
    ["strict", { kind: "boolean" }],
    ["side", { kind: "choice", options: ["left", "right"] }],
    ["limit", { kind: "number", min: 3, max: undefined, step: undefined }],
    ["list", { kind: "other" }],
  ])("shows %s", (name, shape) => {
    expect(get(name)?.shape).toEqual(shape);
  });

  it("lets what may be null be left open, and begins it with something that is allowed", () => {
    expect([get("limit")?.isNullable, get("limit")?.initial]).toEqual([true, 3]);
    expect([get("schedule")?.isNullable, get("threshold_s")?.isNullable]).toEqual([true, false]);
    expect(get("schedule")?.initial).toEqual({ start: "22:00", zone: "Europe/Paris" });
  });

  it("gives a new rule the defaults, null where it is left open", () => {
    expect(defaultsOf([...fields.values()])).toEqual({
      threshold_s: 60,
      radius: 0.1,
      count: 5,
      strict: true,
      side: "right",
      limit: null,
      schedule: null,
      list: [1],
    });
  });

  it.each([
    ["strict", {}, true],
    ["strict", { strict: false }, false],
    ["schedule", {}, null],
    ["side", { side: null }, null],
  ])("shows %s of %j as the rule takes it", (name, saved, shown) => {
    expect(
      fieldsOf(SCHEMA)
        .filter((field) => field.name === name)
        .map((field) => valueOf(field, saved)),
    ).toEqual([shown]);
  });

  it.each([
    [60, { minValue: 5, maxValue: 3600, step: 5 }],
    [null, { minValue: 5, maxValue: 3600, step: 5 }],
    [2, {}],
    [4000, {}],
    [12, {}],
  ])("shows %s as it is saved, whatever the bounds are today", (value, limits) => {
    expect(limitsOf({ kind: "number", min: 5, max: 3600, step: 5 }, value)).toEqual(limits);
  });

  it("takes a binary fraction for what people mean by it", () => {
    expect(limitsOf({ kind: "number", min: 0.01, max: 1, step: 0.01 }, 0.1)).toEqual({
      minValue: 0.01,
      maxValue: 1,
      step: 0.01,
    });
  });
});
