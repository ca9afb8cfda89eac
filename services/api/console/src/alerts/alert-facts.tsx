import { useTranslation } from "react-i18next";

import type { Alert } from "../api/types";
import { coded } from "../i18n/coded";
import { useFormats } from "../i18n/formats";
import { useRuleName } from "../rules/queries";
import { durationSeconds } from "./words";

/** Everything known of one alert, as a list of terms. */
export function AlertFacts({ alert }: { alert: Alert }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const ruleName = useRuleName();
  const onset = formats.moment(alert.onset);
  return (
    <dl className="facts">
      <dt>{t("alerts.camera")}</dt>
      <dd>{alert.camera_name}</dd>
      <dt>{t("alerts.zone")}</dt>
      <dd>{alert.zone_name}</dd>
      <dt>{t("alerts.rule")}</dt>
      <dd>{ruleName(alert.rule)}</dd>
      <dt>{t("alerts.since")}</dt>
      <dd>{alert.onset_unknown ? t("alerts.onsetUnknown", { at: onset }) : onset}</dd>
      <dt>{t("alerts.openedAt")}</dt>
      <dd>{formats.moment(alert.opened_at)}</dd>
      <dt>{t("alerts.duration")}</dt>
      <dd>{formats.age(durationSeconds(alert))}</dd>
      <dt>{t("alerts.state")}</dt>
      <dd>
        {alert.closed_reason === null
          ? t("alerts.ongoing")
          : t("alerts.ended", { why: coded("closed", alert.closed_reason, alert.closed_reason) })}
      </dd>
      <dt>{t("alerts.legalBasis")}</dt>
      <dd>{alert.legal_basis}</dd>
      <dt>{t("alerts.acknowledged")}</dt>
      <dd>{alert.acknowledged_by === null ? t("alerts.byNobody") : <Taken alert={alert} />}</dd>
    </dl>
  );
}

/** By whom and when. */
export function Taken({ alert }: { alert: Alert }) {
  const { t } = useTranslation();
  const formats = useFormats();
  if (alert.acknowledged_by === null || alert.acknowledged_at === null) return null;
  return <>{t("alerts.takenBy", { who: alert.acknowledged_by, at: formats.moment(alert.acknowledged_at) })}</>;
}
