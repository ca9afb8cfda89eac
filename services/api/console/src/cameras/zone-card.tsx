import { Button, Input, Label, TextField } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Camera, Rule, Zone } from "../api/types";
import { nameOf, zoneKinds } from "../rules/words";
import { Pick } from "../ui/pick";
import { RuleCards } from "./rule-cards";
import { homeOf, newRule, type ZonesDraft } from "./zone-edits";

/** The api's bound. */
const MOST_RULES = 32;

interface ZoneCardProps {
  readonly camera: Camera;
  readonly zone: Zone;
  readonly catalogue: readonly Rule[];
  readonly draft: ZonesDraft;
  readonly change: (draft: ZonesDraft) => void;
}

/** One zone: its name, what it means, and the rules that look at it. */
export function ZoneCard({ camera, zone, catalogue, draft, change }: ZoneCardProps) {
  const { t, i18n } = useTranslation();
  const here = draft.rules.filter((wanted) => homeOf(wanted, catalogue) === zone.id);
  const kinds = zoneKinds(catalogue).filter(({ shape }) => shape === zone.shape);
  const fitting = catalogue.filter(
    ({ roles }) => roles[0]?.kind.name === zone.kind && roles[0].kind.shape === zone.shape,
  );

  const edit = (changed: Zone) =>
    change({ ...draft, zones: draft.zones.map((each) => (each.id === zone.id ? changed : each)) });
  const addRule = (rule: Rule) =>
    change({
      ...draft,
      rules: [
        ...draft.rules,
        newRule(
          rule,
          zone,
          draft.rules.map(({ id }) => id),
        ),
      ],
    });
  const remove = () =>
    change({
      zones: draft.zones.filter(({ id }) => id !== zone.id),
      rules: draft.rules.filter((rule) => !here.includes(rule)),
    });

  return (
    <fieldset className="card">
      <legend>{zone.name}</legend>
      <div className="fields">
        <TextField
          className="field"
          value={zone.name}
          maxLength={200}
          isRequired
          onChange={(name) => edit({ ...zone, name })}
        >
          <Label>{t("zones.name")}</Label>
          <Input />
        </TextField>
        <Pick
          label={t("zones.kind")}
          value={zone.kind}
          choices={kinds.map(({ name, words }) => ({ value: name, label: words[i18n.language] ?? name }))}
          change={(kind) => edit({ ...zone, kind })}
        />
      </div>
      <RuleCards camera={camera} rules={here} catalogue={catalogue} draft={draft} change={change} />
      <div className="actions">
        {fitting.map((rule) => (
          <Button
            key={rule.name}
            className="button button-small"
            isDisabled={draft.rules.length >= MOST_RULES}
            onPress={() => addRule(rule)}
          >
            {t("zones.addRule", { rule: nameOf(catalogue, rule.name, i18n.language) })}
          </Button>
        ))}
        <Button
          className="button button-small"
          onPress={remove}
          aria-label={t("drawing.removeShape", { shape: zone.name })}
        >
          {t("drawing.remove")}
        </Button>
      </div>
    </fieldset>
  );
}
