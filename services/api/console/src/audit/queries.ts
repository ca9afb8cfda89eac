import { useInfiniteQuery } from "@tanstack/react-query";

import { api, body } from "../api/client";

/** Rows read at a time: a few screens. */
const PAGE_ROWS = 100;

export interface AuditFilter {
  readonly user: string;
  readonly camera: string;
}

/** Newest first, page after page. */
export function useAudit({ user, camera }: AuditFilter) {
  return useInfiniteQuery({
    queryKey: ["audit", user, camera],
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/api/v1/audit", {
          params: {
            query: {
              limit: PAGE_ROWS,
              ...(pageParam === null ? {} : { before: pageParam }),
              ...(user === "" ? {} : { user }),
              ...(camera === "" ? {} : { camera }),
            },
          },
        }),
      ),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
  });
}
