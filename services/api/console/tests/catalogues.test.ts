import { describe, expect, it } from "vitest";

import { problemOf, UNREACHABLE } from "../src/api/problem";
import schema from "../src/api/schema.d.ts?raw";
import en from "../src/i18n/en.json";
import fr from "../src/i18n/fr.json";

function flat(catalogue: object, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(catalogue)) {
    const name = path === "" ? key : `${path}.${key}`;
    if (typeof value === "string") found.set(name, value);
    else for (const [inner, text] of flat(value as object, name)) found.set(inner, text);
  }
  return found;
}

const french = flat(fr);
const english = flat(en);
const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).sort();

describe("the two catalogues", () => {
  it("have the same keys", () => {
    expect([...english.keys()].sort()).toEqual([...french.keys()].sort());
  });

  it.each([...french.keys()])("fill in the same values in %s", (key) => {
    expect(placeholders(english.get(key) ?? "")).toEqual(placeholders(french.get(key) ?? ""));
  });

  it("leave no text empty", () => {
    const empty = [...french, ...english].filter(([, text]) => text.trim() === "");
    expect(empty).toEqual([]);
  });

  it("have both forms of what is counted", () => {
    const counted = [...french.keys()].filter((key) => key.endsWith("_one"));
    expect(counted.filter((key) => !french.has(key.replace(/_one$/, "_other")))).toEqual([]);
  });

  it("say in words every problem the api names, and those that never reached it", () => {
    const named = [...schema.matchAll(/\(`(\w+)`\)/g)].map(([, code]) => code ?? "");
    const codes = new Set([...named, UNREACHABLE, problemOf(502, null).code, problemOf(405, {}).code]);
    expect(named).toContain("not_signed_in");
    expect([...codes].filter((code) => !french.has(`problem.${code}`))).toEqual([]);
  });

  it("write French with its own apostrophes and quotes", () => {
    expect([...french].filter(([, text]) => /['"]/.test(text))).toEqual([]);
  });
});
