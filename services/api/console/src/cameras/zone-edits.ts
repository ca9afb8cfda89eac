import type { LoiteringRule, Zone } from "../api/types";
import type { Polygon } from "../drawing/polygon";

/** Defaults of `loitering`: a minute at a tenth of the picture's height, as the api has them. */
export const NEW_LOITERING: LoiteringRule = {
  rule: "loitering",
  threshold_s: 60,
  radius_height: 0.1,
  gap_s: 3,
  schedule: null,
  version: 1,
};

/** Bounds of the parameters, as the api checks them. */
export const LOITERING_BOUNDS = {
  threshold_s: { min: 5, max: 3600, step: 5 },
  radius_height: { min: 0.01, max: 1, step: 0.01 },
  gap_s: { min: 0, max: 30, step: 0.5 },
} as const;

/** A zone that nobody has named yet. Its id never changes afterwards: alerts and their history carry it. */
export function newZone(polygon: Polygon, name: string, taken: readonly string[]): Zone {
  return { id: freeId(name, taken), name, kind: "sensitive", polygon, rules: [NEW_LOITERING] };
}

/** Lower-case letters, digits and hyphens, not yet taken. */
export function freeId(name: string, taken: readonly string[]): string {
  const plain = name
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 50);
  const wanted = plain === "" ? "zone" : plain;
  let id = wanted;
  for (let count = 2; taken.includes(id); count += 1) id = `${wanted}-${count}`;
  return id;
}

/** A rule whose parameters changed gets a new version: each alert carries the version that raised it. */
export function withRuleVersions(zones: readonly Zone[], before: readonly Zone[]): Zone[] {
  return zones.map((zone) => {
    const old = before.find(({ id }) => id === zone.id);
    return { ...zone, rules: zone.rules.map((rule, index) => withVersion(rule, old?.rules[index])) };
  });
}

function withVersion(rule: LoiteringRule, old: LoiteringRule | undefined): LoiteringRule {
  if (old === undefined) return rule;
  const isUnchanged = JSON.stringify({ ...rule, version: 0 }) === JSON.stringify({ ...old, version: 0 });
  return { ...rule, version: isUnchanged ? old.version : old.version + 1 };
}
