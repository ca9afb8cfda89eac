import i18next from "i18next";
import { beforeAll, describe, expect, it } from "vitest";

import { codedOf } from "../src/i18n/coded";
import fr from "../src/i18n/fr.json";

const READERS = ["masker", "vision", "rules", "recorder", "api"] as const;

describe("what a code means of a service", () => {
  beforeAll(async () => {
    await i18next.init({ lng: "fr", resources: { fr: { translation: fr } } });
  });

  it.each(["falling_behind", "overtaken"] as const)("%s is said by what each service makes of its messages", (code) => {
    const words = READERS.map((service) => codedOf(service, code, ""));
    expect(new Set(words).size).toBe(READERS.length);
    expect(words.filter((each) => each === "")).toEqual([]);
  });

  it("speaks of lost pictures only where pictures are all there is", () => {
    const words = (["rules", "api"] as const).map((service) => codedOf(service, "overtaken", ""));
    expect(words.filter((each) => /images/i.test(each))).toEqual([]);
    expect(fr.status.overtaken).not.toMatch(/images/i);
    expect(fr.health.measure.headroom_s).not.toMatch(/images/i);
  });

  it("falls back to what the code means of all", () => {
    expect(codedOf("ingest", "running", "")).toBe(fr.status.running);
    expect(codedOf(null, "overtaken", "")).toBe(fr.status.overtaken);
    expect(codedOf("somebody.else", "never_heard", "as it says")).toBe("as it says");
  });
});
