import type { QueryClient } from "@tanstack/react-query";

import type { Alert } from "../api/types";

/** The two lists a console keeps: what waits for a hand, and everything. */
export type AlertList = "todo" | "all";

export const alertsKey = (list: AlertList) => ["alerts", list] as const;

/** As many as a person could ever go through; older ones are found by playback. */
export const ALERTS_SHOWN = 200;

/** News of the last while. A list that was asked for before they came, and answers after, must not undo them. */
const RECENT_KEY = ["alerts-recent"] as const;

/** A list as the api answered, with the news since it was asked for. */
export function withRecent(client: QueryClient, list: AlertList, answered: readonly Alert[]): Alert[] {
  const recent = client.getQueryData<Alert[]>(RECENT_KEY) ?? [];
  const merged = recent.reduce<Alert[]>((alerts, alert) => withAlert(alerts, alert), [...answered]);
  return list === "todo" ? waiting(merged) : merged;
}

/** Put the latest message about an alert into the lists on the screen. Returns whether none of them knew it. */
export function rememberAlert(client: QueryClient, alert: Alert): boolean {
  const before = client.getQueryData<Alert[]>(alertsKey("todo")) ?? [];
  const known = [...before, ...(client.getQueryData<Alert[]>(alertsKey("all")) ?? [])].some(
    ({ id }) => id === alert.id,
  );
  client.setQueryData<Alert[]>(RECENT_KEY, (recent) => withAlert(recent ?? [], alert));
  client.setQueryData<Alert[]>(alertsKey("all"), (alerts) => alerts && withAlert(alerts, alert));
  client.setQueryData<Alert[]>(alertsKey("todo"), (alerts) => alerts && waiting(withAlert(alerts, alert)));
  return !known;
}

/** The list with this alert as it stands now, newest first; a message that is older than what is known changes nothing. */
export function withAlert(alerts: readonly Alert[], alert: Alert): Alert[] {
  const known = alerts.find(({ id }) => id === alert.id);
  if (known !== undefined && isOlder(alert, known)) return [...alerts];
  const others = alerts.filter(({ id }) => id !== alert.id);
  return [alert, ...others].sort((a, b) => Date.parse(b.opened_at) - Date.parse(a.opened_at)).slice(0, ALERTS_SHOWN);
}

function waiting(alerts: readonly Alert[]): Alert[] {
  return alerts.filter(({ acknowledged_by }) => acknowledged_by === null);
}

function isOlder(alert: Alert, known: Alert): boolean {
  if (known.acknowledged_by !== null && alert.acknowledged_by === null) return true;
  const laterMs = Date.parse(alert.occurred_at) - Date.parse(known.occurred_at);
  // The api closes the alerts of a camera that is switched off at the time of their last message.
  return laterMs < 0 || (laterMs === 0 && known.state === "closed" && alert.state !== "closed");
}
