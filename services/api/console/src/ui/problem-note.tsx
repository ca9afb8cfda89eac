import { useTranslation } from "react-i18next";

import { isProblem } from "../api/problem";
import { coded } from "../i18n/coded";

/** Codes whose detail names the fields that are wrong: the catalogue cannot say that. */
const DETAILED = ["invalid"];

/** What went wrong, in the chosen language where the code is known, else in the api's own words. */
export function ProblemNote({ error }: { error: unknown }) {
  const { t } = useTranslation();
  if (!isProblem(error)) return <p className="note note-problem">{t("problem.internal_error")}</p>;
  const translated = coded("problem", error.code, "");
  const showsDetail = translated === "" || DETAILED.includes(error.code);
  return (
    <div className="note note-problem">
      {translated !== "" && <p>{translated}</p>}
      {showsDetail && <p lang="en">{error.detail}</p>}
    </div>
  );
}
