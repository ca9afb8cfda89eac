import type { Camera, Rule, RuleInput, Zone } from "../api/types";
import type { Polygon } from "../drawing/polygon";
import { defaultsOf, fieldsOf } from "../rules/json-schema";

/** What is drawn and what looks at it: saved together, since each needs the other. */
export interface ZonesDraft {
  readonly zones: readonly Zone[];
  readonly rules: readonly RuleInput[];
}

/** The zones and rules of a camera as a person changes them: the api gives versions, and says what rests. */
export function draftOf(camera: Pick<Camera, "zones" | "rules">): ZonesDraft {
  const rules = camera.rules.map(({ id, rule, parameters, geometry }) => ({ id, rule, parameters, geometry }));
  return { zones: camera.zones, rules };
}

/** A zone that nobody has named yet. Its id never changes afterwards: alerts and their history carry it. */
export function newZone(points: Polygon, name: string, kind: string, taken: readonly string[]): Zone {
  return { id: freeId(name, taken), name, kind, shape: "polygon", points };
}

/** A rule with its defaults that looks at a zone. */
export function newRule(rule: Rule, zone: Zone, taken: readonly string[]): RuleInput {
  const [first] = rule.roles;
  return {
    id: freeId(rule.name, taken),
    rule: rule.name,
    parameters: defaultsOf(fieldsOf(rule.parameters)),
    geometry: first === undefined ? {} : { [first.name]: zone.id },
  };
}

/** The zone beside which a rule is shown: that of its first role, or any that it names where nobody knows its roles. */
export function homeOf(wanted: RuleInput, catalogue: readonly Rule[]): string | undefined {
  const geometry = wanted.geometry ?? {};
  const role = catalogue.find(({ name }) => name === wanted.rule)?.roles[0]?.name;
  return role === undefined ? Object.values(geometry)[0] : geometry[role];
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
