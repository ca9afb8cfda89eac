import { useQuery } from "@tanstack/react-query";

import { api, body } from "../api/client";

/** Asked for again this often even without news: a service that reports nothing is what this page is there to show. */
const REFRESH_MS = 5_000;

export function useHealth() {
  return useQuery({
    queryKey: ["health"],
    queryFn: () => body(api.GET("/api/v1/health")),
    refetchInterval: REFRESH_MS,
  });
}
