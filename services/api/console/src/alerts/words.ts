import type { TFunction } from "i18next";

import type { Alert } from "../api/types";
import { coded } from "../i18n/coded";

export function ruleName(rule: string): string {
  return coded("rule", rule, rule);
}

/** An alert in one sentence, as it is announced. */
export function alertSentence(t: TFunction, alert: Alert): string {
  return t("alerts.announced", { rule: ruleName(alert.rule), camera: alert.camera_name, zone: alert.zone_name });
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
