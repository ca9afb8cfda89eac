import { useTranslation } from "react-i18next";

import type { CameraRule, Rule } from "../api/types";
import { coded } from "../i18n/coded";
import { partName } from "./words";

interface RestNoteProps {
  readonly rests: NonNullable<CameraRule["rests"]>;
  /** The rule as this release knows it; undefined: it does not. */
  readonly rule: Rule | undefined;
}

/** Why a rule rests, and what does not fit: made of codes and words of this release, since the api's sentence is English. */
export function RestReason({ rests, rule }: RestNoteProps) {
  const { t, i18n } = useTranslation();
  const parts = rule === undefined ? [] : rests.fields.map((path) => partName(rule, path, i18n.language));
  return (
    <>
      {coded("rests.why", rests.code, t("rests.why.other"))}
      {parts.length > 0 && ` ${t("rests.unfit", { parts: parts.join(", ") })}`}
    </>
  );
}

/** The same beside the rule's form, with what can be done there. */
export function RestNote({ id, ...of }: RestNoteProps & { readonly id: string }) {
  const remedy = coded("rests.remedy", of.rests.code, "");
  return (
    <div id={id} className="note note-problem">
      <p>
        <RestReason {...of} />
      </p>
      {remedy !== "" && <p>{remedy}</p>}
    </div>
  );
}
