import { useTranslation } from "react-i18next";

import type { Alert } from "../api/types";
import { useFormats } from "../i18n/formats";
import { useRuleName } from "../rules/queries";
import { Taken } from "./alert-facts";
import { urgency } from "./words";

/** One alert in a list: what, where, since when, and whose it is. */
export function AlertRow({ alert }: { alert: Alert }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const ruleName = useRuleName();
  const state = urgency(alert);
  return (
    <div className="alert-row" data-urgency={state}>
      <p className="alert-what">
        <span className="alert-mark">{t(`alerts.urgency.${state}`)}</span> {ruleName(alert.rule)}
      </p>
      <p className="alert-where">
        {alert.camera_name} · {alert.zone_name}
      </p>
      <p className="muted">
        {t("alerts.sinceShort", { at: formats.moment(alert.onset) })}
        {state === "taken" && (
          <>
            {" · "}
            <Taken alert={alert} />
          </>
        )}
      </p>
    </div>
  );
}
