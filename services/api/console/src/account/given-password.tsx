import { Button } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { useSignOut } from "../session/queries";
import { LanguageSwitch } from "../shell/language-switch";
import { useTitle } from "../shell/title";
import { PasswordForm } from "./password-form";

/** Before anything else, whose password somebody else chose chooses another. */
export function GivenPassword() {
  const { t } = useTranslation();
  const signOut = useSignOut();
  useTitle(t("account.password.givenTitle"));
  return (
    <div className="sign-in">
      <header className="sign-in-header">
        <LanguageSwitch />
        <Button className="button button-quiet" onPress={() => signOut.mutate()} isPending={signOut.isPending}>
          {t("session.signOut")}
        </Button>
      </header>
      <main id="main" className="sign-in-card">
        <p className="brand-large">Beffroi</p>
        <h1>{t("account.password.givenTitle")}</h1>
        <p>{t("account.password.given")}</p>
        <PasswordForm />
      </main>
    </div>
  );
}
