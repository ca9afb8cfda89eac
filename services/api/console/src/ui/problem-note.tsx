import { useTranslation } from "react-i18next";

import { coded } from "../i18n/coded";
import { isProblem } from "../api/problem";

/** What went wrong, in the chosen language where the code is known, and in the api's own words beside it. */
export function ProblemNote({ error }: { error: unknown }) {
  const { t } = useTranslation();
  if (!isProblem(error)) return <p className="note note-problem">{t("problem.internal_error")}</p>;
  const translated = coded("problem", error.code, "");
  return (
    <div className="note note-problem">
      {translated !== "" && <p>{translated}</p>}
      {error.detail !== "" && <p className={translated === "" ? "" : "muted"}>{error.detail}</p>}
    </div>
  );
}
