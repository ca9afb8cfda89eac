import { Link } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { PATHS } from "../shell/paths";
import { AlertRow } from "./alert-row";
import { useAlerts } from "./queries";

/** Beside the wall there is room for this many without scrolling; the page of alerts has them all. */
const SHOWN = 6;

/** What waits for a hand, beside the pictures. */
export function AlertStrip() {
  const { t } = useTranslation();
  const alerts = useAlerts("todo").data ?? [];
  return (
    <aside className="alert-strip" aria-labelledby="strip-heading">
      <h2 id="strip-heading">{t("alerts.list.todo")}</h2>
      {alerts.length === 0 && <p className="empty">{t("alerts.none")}</p>}
      <ul>
        {alerts.slice(0, SHOWN).map((alert) => (
          <li key={alert.id}>
            <Link className="strip-link" href={`${PATHS.alerts}?alert=${alert.id}`}>
              <AlertRow alert={alert} />
            </Link>
          </li>
        ))}
      </ul>
      {alerts.length > SHOWN && <p className="muted">{t("alerts.more", { count: alerts.length - SHOWN })}</p>}
    </aside>
  );
}
