import { useTranslation } from "react-i18next";

import { FirstStep } from "./first-step";
import { PasswordForm } from "./password-form";

/** Whose password somebody else chose chooses another. */
export function GivenPassword() {
  const { t } = useTranslation();
  return (
    <FirstStep title={t("account.password.givenTitle")} text={t("account.password.given")}>
      <PasswordForm />
    </FirstStep>
  );
}
