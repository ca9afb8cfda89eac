import { useEffect } from "react";
import { useTranslation } from "react-i18next";

import { FirstStep } from "./first-step";
import { Enrolment } from "./second-factor-section";

interface Props {
  /** The session says at once that the factor is set, and the recovery codes are shown only this once. */
  readonly onBegun: () => void;
  readonly onNoted: () => void;
}

/** Whose role needs a second factor sets one. */
export function RequiredSecondFactor({ onBegun, onNoted }: Props) {
  const { t } = useTranslation();
  useEffect(onBegun, [onBegun]);
  return (
    <FirstStep title={t("account.factor.requiredTitle")} text={t("account.factor.required")}>
      <Enrolment onNoted={onNoted} />
    </FirstStep>
  );
}
