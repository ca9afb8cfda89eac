import type { TFunction } from "i18next";

import type { Alert } from "../api/types";

/** An alert in one sentence, as it is announced; `rule` is what its rule is called. */
export function alertSentence(t: TFunction, alert: Alert, rule: string): string {
  return t("alerts.announced", { rule, camera: alert.camera_name, zone: alert.zone_name });
}

/** What an alert asks of a person: `now` while it lasts and nobody took it, `look` once it ended, `taken` afterwards. */
export function urgency(alert: Pick<Alert, "state" | "acknowledged_by">): "now" | "look" | "taken" {
  if (alert.acknowledged_by !== null) return "taken";
  return alert.state === "closed" ? "look" : "now";
}

/** How long the event has lasted, or lasted, in seconds of capture time. */
export function durationSeconds(alert: Pick<Alert, "onset" | "occurred_at">): number {
  return Math.max(0, (Date.parse(alert.occurred_at) - Date.parse(alert.onset)) / 1000);
}
