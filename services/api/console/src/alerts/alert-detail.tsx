import { Button, Link } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Alert } from "../api/types";
import { useFormats } from "../i18n/formats";
import { useRuleName } from "../rules/queries";
import { livePath, playbackPath } from "../shell/paths";
import { BlobImage } from "../ui/blob-image";
import { ProblemNote } from "../ui/problem-note";
import { AlertFacts, Taken } from "./alert-facts";
import { useAlertStill } from "./queries";

/** Playback begins this long before the alert opened, so that what led to it is seen. */
export const LEAD_IN_MS = 10_000;

interface AlertDetailProps {
  readonly alert: Alert;
  readonly acknowledge: () => void;
  readonly isPending: boolean;
  readonly error: unknown;
}

export function AlertDetail({ alert, acknowledge, isPending, error }: AlertDetailProps) {
  const { t } = useTranslation();
  const ruleName = useRuleName();
  return (
    <section className="alert-detail" aria-labelledby="alert-title">
      <h2 id="alert-title">{t("alerts.title", { rule: ruleName(alert.rule), camera: alert.camera_name })}</h2>
      <AlertStill alert={alert} />
      <div className="actions">
        {alert.acknowledged_by === null ? (
          <Button className="button button-main" onPress={acknowledge} isPending={isPending}>
            {t("alerts.acknowledge")} <kbd>V</kbd>
          </Button>
        ) : (
          <p className="taken">
            {t("alerts.urgency.taken")} <Taken alert={alert} />
          </p>
        )}
        <Link className="button" href={livePath(alert.camera)}>
          {t("alerts.toLive")} <kbd>D</kbd>
        </Link>
        <Link className="button" href={playbackPath(alert.camera, Date.parse(alert.opened_at) - LEAD_IN_MS)}>
          {t("alerts.toPlayback")} <kbd>E</kbd>
        </Link>
      </div>
      <div role="alert">{error !== null && <ProblemNote error={error} />}</div>
      <AlertFacts alert={alert} />
    </section>
  );
}

/** Who the alert is about. A light line on a dark one is seen on any picture. */
function Mark({ box: [left, top, right, bottom] }: { box: Alert["box"] }) {
  const place = { x: left, y: top, width: right - left, height: bottom - top };
  return (
    <svg className="still-mark" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
      <rect className="still-mark-dark" {...place} vectorEffect="non-scaling-stroke" />
      <rect className="still-mark-light" {...place} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}

function AlertStill({ alert }: { alert: Alert }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const still = useAlertStill(alert.id);
  const capturedAt = still.data?.capturedAt ?? null;
  return (
    <figure className="still">
      {still.data !== undefined && (
        <div className="still-frame">
          <BlobImage blob={still.data.image} alt={t("alerts.stillOf", { camera: alert.camera_name })} />
          <Mark box={alert.box} />
        </div>
      )}
      {still.isPending && <p className="still-empty">{t("shell.loading")}</p>}
      {still.isError && <ProblemNote error={still.error} />}
      <figcaption>
        {capturedAt === null ? t("alerts.still") : t("alerts.stillAt", { at: formats.dateTime(capturedAt) })}
      </figcaption>
    </figure>
  );
}
