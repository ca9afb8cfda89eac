import type { ReactNode } from "react";
import { Button } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { useSignOut } from "../session/queries";
import { LanguageSwitch } from "../shell/language-switch";
import { useTitle } from "../shell/title";

/** What somebody has to do before anything else is shown. */
export function FirstStep({ title, text, children }: { title: string; text: string; children: ReactNode }) {
  const { t } = useTranslation();
  const signOut = useSignOut();
  useTitle(title);
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
        <h1>{title}</h1>
        <p>{text}</p>
        {children}
      </main>
    </div>
  );
}
