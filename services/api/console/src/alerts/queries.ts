import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";

import { api, body, fetchStill } from "../api/client";
import { isProblem } from "../api/problem";
import type { Alert } from "../api/types";
import { ALERTS_SHOWN, alertsKey, rememberAlert, withRecent, type AlertList } from "./cache";
import { urgency } from "./words";

export function useAlerts(list: AlertList) {
  const client = useQueryClient();
  return useQuery({
    queryKey: alertsKey(list),
    queryFn: async () => {
      const only = list === "todo" ? { acknowledged: false } : {};
      const page = await body(api.GET("/api/v1/alerts", { params: { query: { limit: ALERTS_SHOWN, ...only } } }));
      return withRecent(client, list, page.items);
    },
  });
}

/** Take an alert. When somebody else was faster the lists are read again and show who. */
export function useAcknowledge() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (alert: Alert): Promise<Alert> =>
      body(api.POST("/api/v1/alerts/{alert}/acknowledgement", { params: { path: { alert: alert.id } } })),
    onSuccess: (alert) => void rememberAlert(client, alert),
    onError: (error) => {
      if (isProblem(error, "already_acknowledged")) void client.invalidateQueries({ queryKey: ["alerts"] });
    },
  });
}

/** The picture on which an alert opened. Each look is written into the audit trail, so it is asked for once. */
export function useAlertStill(alert: string) {
  return useQuery({
    queryKey: ["alert-still", alert],
    queryFn: () => fetchStill(`/api/v1/alerts/${encodeURIComponent(alert)}/still`),
    staleTime: Infinity,
    gcTime: 60_000,
    retry: false,
  });
}

/** Alerts that need a hand now: the event lasts and nobody took it. */
export function useUrgentAlerts(): readonly Alert[] {
  const alerts = useAlerts("todo");
  return useMemo(() => (alerts.data ?? []).filter((alert) => urgency(alert) === "now"), [alerts.data]);
}
