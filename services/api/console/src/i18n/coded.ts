import i18next from "i18next";

/** Catalogue entry for a code that the api or a service gave, or `fallback` for a code nobody has translated yet. */
export function coded(
  group: "status" | `status_of.${string}` | "problem" | "closed" | "action" | "rests.why" | "rests.remedy",
  code: string,
  fallback: string,
): string {
  const key = `${group}.${code}`;
  return i18next.exists(key) ? (i18next.t as (key: string) => string)(key) : fallback;
}

/** What a code means of the service that gave it, or else of all: messages that are lost are pictures to one only. */
export function codedOf(service: string | null, code: string, fallback: string): string {
  const ofAll = coded("status", code, fallback);
  return service === null ? ofAll : coded(`status_of.${service}`, code, ofAll);
}
