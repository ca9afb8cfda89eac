import { useId } from "react";
import { Button } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { CameraRule, Rule, RuleInput, Zone } from "../api/types";
import { Pick } from "../ui/pick";
import { fieldsOf, type JsonObject } from "./json-schema";
import { ParameterFields } from "./parameter-fields";
import { RestNote } from "./rest-note";

interface CameraRuleCardProps {
  readonly wanted: RuleInput;
  /** The rule as this release knows it; undefined: it does not. */
  readonly rule: Rule | undefined;
  /** Why it does not run as it was saved; null: it runs, or was not saved yet. */
  readonly rests: CameraRule["rests"];
  readonly zones: readonly Zone[];
  readonly change: (rule: RuleInput) => void;
  readonly remove: () => void;
}

/** One rule on a camera: what can be set, where it looks, and why it rests. One that nobody here knows is kept as it is. */
export function CameraRuleCard({ wanted, rule, rests, zones, change, remove }: CameraRuleCardProps) {
  const { t, i18n } = useTranslation();
  const name = rule?.words[i18n.language]?.name ?? wanted.rule;
  const noteId = useId();
  // With one role it looks at the zone beside which it stands, unless that is what does not fit.
  const choosesZones = (rule?.roles.length ?? 0) > 1 || rests?.code === "rule_geometry_unfit";
  return (
    <fieldset className="card" aria-describedby={rests === null ? undefined : noteId}>
      <legend>{name}</legend>
      {rests !== null && <RestNote id={noteId} rests={rests} rule={rule} />}
      {rule !== undefined && (
        <div className="fields">
          {choosesZones &&
            rule.roles.map((role) => (
              <Pick
                key={role.name}
                label={role.words[i18n.language] ?? role.name}
                value={wanted.geometry?.[role.name] ?? ""}
                empty={t("zones.choose")}
                choices={zones
                  .filter(({ id, kind }) => kind === role.kind.name || id === wanted.geometry?.[role.name])
                  .map(({ id, name: label }) => ({ value: id, label }))}
                change={(zone) => change({ ...wanted, geometry: { ...wanted.geometry, [role.name]: zone } })}
              />
            ))}
          <ParameterFields
            rule={rule}
            fields={fieldsOf(rule.parameters)}
            value={(wanted.parameters ?? {}) as JsonObject}
            change={(parameters) => change({ ...wanted, parameters })}
          />
        </div>
      )}
      <Button className="button button-small" onPress={remove} aria-label={t("drawing.removeShape", { shape: name })}>
        {t("drawing.remove")}
      </Button>
    </fieldset>
  );
}
