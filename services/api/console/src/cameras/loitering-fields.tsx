import { Input, Label, NumberField, Text, TextField } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { LoiteringRule } from "../api/types";
import { LOITERING_BOUNDS } from "./zone-edits";
import { Check } from "../ui/check";

/** A night, to begin with: the hours most zones are watched in. */
const NIGHT = { start: "22:00", end: "06:00", timezone: "Europe/Paris" } as const;

const PARAMETERS = ["threshold_s", "radius_height", "gap_s"] as const;

interface LoiteringFieldsProps {
  readonly rule: LoiteringRule;
  readonly change: (rule: LoiteringRule) => void;
}

/** Parameters of `loitering`. */
export function LoiteringFields({ rule, change }: LoiteringFieldsProps) {
  const { t } = useTranslation();
  const schedule = rule.schedule ?? null;
  return (
    <div className="fields">
      {PARAMETERS.map((name) => (
        <NumberField
          key={name}
          className="field"
          value={rule[name]}
          minValue={LOITERING_BOUNDS[name].min}
          maxValue={LOITERING_BOUNDS[name].max}
          step={LOITERING_BOUNDS[name].step}
          onChange={(value) => {
            if (!Number.isNaN(value)) change({ ...rule, [name]: value });
          }}
        >
          <Label>{t(`zones.${name}`)}</Label>
          <Input />
          <Text slot="description">{t(`zones.${name}_help`)}</Text>
        </NumberField>
      ))}
      <Check
        isSelected={schedule !== null}
        onChange={(limited) => change({ ...rule, schedule: limited ? NIGHT : null })}
      >
        {t("zones.limited")}
      </Check>
      {schedule !== null && (
        <>
          {(["start", "end"] as const).map((edge) => (
            <TextField
              key={edge}
              className="field"
              type="time"
              value={schedule[edge]}
              onChange={(value) => {
                if (value !== "") change({ ...rule, schedule: { ...schedule, [edge]: value } });
              }}
            >
              <Label>{t(`zones.${edge}`)}</Label>
              <Input />
            </TextField>
          ))}
        </>
      )}
    </div>
  );
}
