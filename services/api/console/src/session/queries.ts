import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, body } from "../api/client";
import { isProblem } from "../api/problem";
import { SESSION_KEY } from "../api/query-client";
import type { Session } from "../api/types";

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
    mutationFn: (credentials: { username: string; password: string }) =>
      body(api.POST("/api/v1/session", { body: credentials })),
    onSuccess: (session) => client.setQueryData(SESSION_KEY, session),
  });
}

export function useSignOut() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => body(api.DELETE("/api/v1/session")),
    // Whatever the api answered, this screen shows nothing more of what was seen under this name.
    onSettled: () => {
      client.clear();
      client.setQueryData(SESSION_KEY, null);
    },
  });
}

export function useMeta() {
  return useQuery({ queryKey: ["meta"], queryFn: () => body(api.GET("/api/v1/meta")), staleTime: Infinity });
}
