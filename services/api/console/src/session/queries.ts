import { useMutation, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";

import { api, body } from "../api/client";
import { isProblem } from "../api/problem";
import { SESSION_KEY } from "../api/query-client";
import type { Session } from "../api/types";

export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** Of a second factor, once the api asked for one. */
  readonly code?: string;
}

/** Who is signed in; null for nobody. */
export function useSession() {
  return useQuery({
    queryKey: SESSION_KEY,
    queryFn: async (): Promise<Session | null> => {
      try {
        return await body(api.GET("/api/v1/session"));
      } catch (error) {
        if (isProblem(error, "not_signed_in")) return null;
        throw error;
      }
    },
    staleTime: Infinity,
  });
}

export function useSignIn() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (credentials: Credentials) => body(api.POST("/api/v1/session", { body: credentials })),
    onSuccess: (session) => {
      forgetWhatWasSeen(client);
      client.setQueryData(SESSION_KEY, session);
    },
  });
}

export function useSignOut() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: endSession,
    // Not before the api has said so: a sign-in shown while the session lasts would let the next person use it.
    onSuccess: () => {
      client.setQueryData(SESSION_KEY, null);
      forgetWhatWasSeen(client);
    },
  });
}

async function endSession(): Promise<void> {
  try {
    await body(api.DELETE("/api/v1/session"));
  } catch (error) {
    if (!isProblem(error) || error.status !== 401) throw error; // 401: it had ended already
  }
}

/** What one person was shown is not there for the next one at the same screen. */
function forgetWhatWasSeen(client: QueryClient): void {
  client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION_KEY[0] });
}

export function useMeta() {
  return useQuery({ queryKey: ["meta"], queryFn: () => body(api.GET("/api/v1/meta")), staleTime: Infinity });
}
