import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";

import { api, body } from "../api/client";
import { nameOf } from "./words";

export const RULES_KEY = ["rules"] as const;

/** The rules that the api knows, with their words: they change with a release, never while a page is open. */
export function useRules() {
  return useQuery({ queryKey: RULES_KEY, queryFn: () => body(api.GET("/api/v1/rules")), staleTime: Infinity });
}

/** What a rule is called in the chosen language. */
export function useRuleName(): (rule: string) => string {
  const { i18n } = useTranslation();
  const { data } = useRules();
  const { language } = i18n;
  return useCallback((rule) => nameOf(data, rule, language), [data, language]);
}
