import { useState } from "react";
import { Button, Input, Label, TextField } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Camera, LegalBasis } from "../api/types";
import { useRules } from "../rules/queries";
import { analytics } from "../rules/words";
import { MomentField } from "../ui/moment-field";
import { Pick } from "../ui/pick";
import { basisState } from "./legal-basis";
import { SaveBar } from "./save-bar";
import { useDraft } from "./use-draft";

/** The api's bound. */
const MOST_BASES = 16;

const YEAR_MS = 365 * 24 * 3_600_000;

/** The acts that allow analysis on one camera. Without one in force nothing is analysed. */
export function LegalBasesSection({ camera }: { camera: Camera }) {
  const { t, i18n } = useTranslation();
  const offered = analytics(useRules().data ?? [], i18n.language);
  const draft = useDraft<readonly LegalBasis[]>(camera, (latest) => latest.legal_bases);
  const bases = draft.value;
  const change = (index: number, changed: Partial<LegalBasis>) =>
    draft.set(bases.map((basis, each) => (each === index ? { ...basis, ...changed } : basis)));

  return (
    <section className="section" aria-labelledby="bases-heading">
      <h2 id="bases-heading">{t("bases.title")}</h2>
      <p className="muted">{t("bases.why")}</p>
      {bases.length === 0 && <p className="empty">{t("bases.none")}</p>}
      {bases.map((basis, index) => (
        <BasisFields
          key={index}
          basis={basis}
          index={index}
          offered={offered}
          change={(changed) => change(index, changed)}
          remove={() => draft.set(bases.filter((_, each) => each !== index))}
        />
      ))}
      <div className="actions">
        <Button
          className="button"
          isDisabled={bases.length >= MOST_BASES || offered.length === 0}
          onPress={() => draft.set([...bases, newBasis(Date.now(), offered[0]?.analytic ?? "")])}
        >
          {t("bases.add")}
        </Button>
      </div>
      <SaveBar
        camera={camera.id}
        draft={draft}
        obstacle={obstacle()}
        save={() => draft.save({ part: "legal-bases", value: [...bases] })}
      />
    </section>
  );

  function obstacle(): string | null {
    if (bases.some(({ purpose, reference }) => purpose.trim() === "" || reference.trim() === "")) {
      return t("bases.needsWords");
    }
    return bases.some(({ starts_at, ends_at }) => Date.parse(ends_at) <= Date.parse(starts_at))
      ? t("bases.endsBeforeStart")
      : null;
  }
}

interface BasisFieldsProps {
  readonly basis: LegalBasis;
  readonly index: number;
  /** What rules need a legal basis for. */
  readonly offered: readonly { readonly analytic: string; readonly label: string }[];
  readonly change: (changed: Partial<LegalBasis>) => void;
  readonly remove: () => void;
}

function BasisFields({ basis, index, offered, change, remove }: BasisFieldsProps) {
  const { t } = useTranslation();
  const [openedMs] = useState(() => Date.now());
  const name = t("bases.basis", { index: index + 1 });
  return (
    <fieldset className="card">
      <legend>
        {name} · {t(`bases.state.${basisState(basis, openedMs)}`)}
      </legend>
      <div className="fields">
        <Pick
          label={t("bases.analytic")}
          value={basis.analytic}
          choices={offered.map(({ analytic, label }) => ({ value: analytic, label }))}
          change={(analytic) => change({ analytic })}
        />
        {(["reference", "purpose"] as const).map((part) => (
          <TextField
            key={part}
            className="field"
            value={basis[part]}
            maxLength={200}
            isRequired
            onChange={(value) => change({ [part]: value })}
          >
            <Label>{t(`bases.${part}`)}</Label>
            <Input />
          </TextField>
        ))}
      </div>
      <div className="fields">
        {(["starts_at", "ends_at"] as const).map((edge) => (
          <MomentField
            key={edge}
            label={t(`bases.${edge}`)}
            atMs={Date.parse(basis[edge])}
            change={(atMs) => change({ [edge]: new Date(atMs).toISOString() })}
          />
        ))}
      </div>
      <Button className="button button-small" onPress={remove} aria-label={t("drawing.removeShape", { shape: name })}>
        {t("drawing.remove")}
      </Button>
    </fieldset>
  );
}

function newBasis(nowMs: number, analytic: string): LegalBasis {
  const startMs = Math.floor(nowMs / 60_000) * 60_000;
  return {
    analytic,
    purpose: "",
    reference: "",
    starts_at: new Date(startMs).toISOString(),
    ends_at: new Date(startMs + YEAR_MS).toISOString(),
  };
}
