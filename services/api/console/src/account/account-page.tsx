import { useTranslation } from "react-i18next";

import { useTitle } from "../shell/title";
import { PasswordForm } from "./password-form";
import { SecondFactorSection } from "./second-factor-section";
import { SessionsSection } from "./sessions-section";

/** What people do with their own account. */
export function AccountPage() {
  const { t } = useTranslation();
  useTitle(t("account.page"));
  return (
    <div className="page account-page">
      <h1>{t("account.page")}</h1>
      <section className="section" aria-labelledby="password-heading">
        <h2 id="password-heading">{t("account.password.title")}</h2>
        <PasswordForm />
      </section>
      <SecondFactorSection />
      <SessionsSection />
    </div>
  );
}
