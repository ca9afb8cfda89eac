import type { Camera, CameraRule, Rule } from "../api/types";
import { nameOf } from "../rules/words";
import { homeOf } from "./zone-edits";

export interface RestingRule {
  readonly id: string;
  /** Its name, and the zone where it should look. */
  readonly name: string;
  readonly rests: NonNullable<CameraRule["rests"]>;
  /** The rule as this release knows it; undefined: it does not. */
  readonly rule: Rule | undefined;
}

/** Which rules of a camera do not run though they are on it. A camera out of service runs none, and lacks none. */
export function restingRules(camera: Camera, catalogue: readonly Rule[], language: string): RestingRule[] {
  if (!camera.enabled) return [];
  return camera.rules.flatMap(({ rests, ...wanted }) => {
    if (rests === null) return [];
    const zone = camera.zones.find(({ id }) => id === homeOf(wanted, catalogue))?.name;
    const name = nameOf(catalogue, wanted.rule, language);
    const rule = catalogue.find((each) => each.name === wanted.rule);
    return [{ id: wanted.id, name: zone === undefined ? name : `${name} – ${zone}`, rests, rule }];
  });
}
