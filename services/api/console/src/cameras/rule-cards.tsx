import type { Camera, Rule, RuleInput } from "../api/types";
import { CameraRuleCard } from "../rules/camera-rule-card";
import type { ZonesDraft } from "./zone-edits";

interface RuleCardsProps {
  readonly camera: Camera;
  /** Those to show. */
  readonly rules: readonly RuleInput[];
  readonly catalogue: readonly Rule[];
  readonly draft: ZonesDraft;
  readonly change: (draft: ZonesDraft) => void;
}

/** Some of a camera's rules, as they are being changed. */
export function RuleCards({ camera, rules, catalogue, draft, change }: RuleCardsProps) {
  return (
    <>
      {rules.map((wanted) => (
        <CameraRuleCard
          key={wanted.id}
          wanted={wanted}
          rule={catalogue.find(({ name }) => name === wanted.rule)}
          rests={camera.rules.find(({ id }) => id === wanted.id)?.rests ?? null}
          zones={draft.zones}
          change={(rule) => change({ ...draft, rules: draft.rules.map((each) => (each.id === rule.id ? rule : each)) })}
          remove={() => change({ ...draft, rules: draft.rules.filter(({ id }) => id !== wanted.id) })}
        />
      ))}
    </>
  );
}
