import { QueryCache, QueryClient } from "@tanstack/react-query";

import { isProblem } from "./problem";

export const SESSION_KEY = ["session"] as const;

/** An answer of 4xx stays the same when asked again; anything else is tried twice more. */
const RETRIES = 2;

export function newQueryClient(): QueryClient {
  const client = new QueryClient({
    queryCache: new QueryCache({
      // The session ended elsewhere: show the sign-in.
      onError: (error) => {
        if (isProblem(error, "not_signed_in")) client.setQueryData(SESSION_KEY, null);
      },
    }),
    defaultOptions: {
      queries: {
        retry: (failures, error) =>
          failures < RETRIES && !(isProblem(error) && error.status >= 400 && error.status < 500),
        refetchOnWindowFocus: false,
        staleTime: 5_000,
      },
      mutations: { retry: false },
    },
  });
  return client;
}
