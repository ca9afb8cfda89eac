import i18next from "i18next";

/** Catalogue entry for a code that the api or a service gave, or `fallback` for a code nobody has translated yet. */
export function coded(
  group: "status" | "problem" | "closed" | "action" | "rests.why" | "rests.remedy",
  code: string,
  fallback: string,
): string {
  const key = `${group}.${code}`;
  return i18next.exists(key) ? (i18next.t as (key: string) => string)(key) : fallback;
}
