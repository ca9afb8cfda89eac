import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { ALERTS_SHOWN } from "../alerts/cache";
import { api, body } from "../api/client";
import type { Span } from "./timeline-model";

/** Segments around the view too, so that playing on over its edge finds the next one at once. */
const MARGIN_MS = 5 * 60_000;

export function useSegments(camera: string, view: Span) {
  return useQuery({
    queryKey: ["recordings", camera, view.startMs, view.endMs],
    queryFn: () =>
      body(
        api.GET("/api/v1/cameras/{camera}/recordings", {
          params: {
            path: { camera },
            query: {
              from: new Date(view.startMs - MARGIN_MS).toISOString(),
              to: new Date(view.endMs + MARGIN_MS).toISOString(),
            },
          },
        }),
      ),
    enabled: camera !== "",
    placeholderData: (previous, query) => (query?.queryKey[1] === camera ? keepPreviousData(previous) : undefined),
  });
}

/** Latest alerts of one camera, for the marks. */
export function useCameraAlerts(camera: string) {
  return useQuery({
    queryKey: ["alerts", "camera", camera],
    queryFn: async () => {
      const page = await body(api.GET("/api/v1/alerts", { params: { query: { camera, limit: ALERTS_SHOWN } } }));
      return page.items;
    },
    enabled: camera !== "",
  });
}
