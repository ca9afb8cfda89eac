import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, body } from "../api/client";
import { SESSION_KEY } from "../api/query-client";

const SESSIONS_KEY = ["account", "sessions"] as const;
const FACTOR_KEY = ["account", "second-factor"] as const;

/** Whatever ends sessions changes the list of them and what the session says of the others. */
function useRefresh() {
  const client = useQueryClient();
  return () =>
    Promise.all([["account"], SESSION_KEY].map((queryKey) => client.invalidateQueries({ queryKey: [...queryKey] })));
}

export function useChangePassword() {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: (change: { current: string; new: string }) =>
      body(api.PUT("/api/v1/account/password", { body: change })),
    onSuccess: refresh,
  });
}

export function useOwnSessions() {
  return useQuery({ queryKey: SESSIONS_KEY, queryFn: () => body(api.GET("/api/v1/account/sessions")) });
}

/** End one of one's sessions; null: all others. */
export function useEndSessions() {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: (session: number | null) =>
      session === null
        ? body(api.DELETE("/api/v1/account/sessions"))
        : body(api.DELETE("/api/v1/account/sessions/{session}", { params: { path: { session } } })),
    onSuccess: refresh,
  });
}

export function useSecondFactor() {
  return useQuery({ queryKey: FACTOR_KEY, queryFn: () => body(api.GET("/api/v1/account/second-factor")) });
}

export function useBeginSecondFactor() {
  return useMutation({
    mutationFn: (password: string) => body(api.POST("/api/v1/account/second-factor", { body: { password } })),
  });
}

export function useConfirmSecondFactor() {
  return useMutation({
    mutationFn: (confirmation: { pending: string; code: string }) =>
      body(api.PUT("/api/v1/account/second-factor", { body: confirmation })),
  });
}

export function useRemoveSecondFactor() {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: (removal: { password: string; code: string }) =>
      body(api.POST("/api/v1/account/second-factor/removal", { body: removal })),
    onSuccess: refresh,
  });
}

/** The recovery codes were read: now the page may show that the second factor is set. */
export function useSecondFactorNoted() {
  return useRefresh();
}
