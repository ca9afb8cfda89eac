import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { rememberAlert } from "../alerts/cache";
import { alertSentence } from "../alerts/words";
import { SESSION_KEY } from "../api/query-client";
import type { Alert } from "../api/types";
import { RULES_KEY, useRules } from "../rules/queries";
import { nameOf } from "../rules/words";
import { announce } from "../shell/announcer";
import { NewsStream, type NewsKind } from "./news-stream";

/** Many services speak at once: what they say is asked for again at most this often. */
const REFRESH_AT_MOST_EVERY_MS = 2_000;

/**
 * Keep what is on the screen in step with the api's news. Returns since when the news are cut off, or null.
 *
 * @param mayListen who may not watch is refused the news, and each attempt would be a row in the audit trail.
 */
export function useNews(mayListen: boolean): number | null {
  const client = useQueryClient();
  const { t, i18n } = useTranslation();
  useRules(); // so that the first alert is announced by its rule's name
  const { language } = i18n;
  const [lostSince, setLostSince] = useState<number | null>(null);

  useEffect(() => {
    if (!mayListen) return;
    const refresh = newRefresher(client);
    const named = (rule: string) => nameOf(client.getQueryData(RULES_KEY), rule, language);
    const stream = new NewsStream({
      connected: () => {
        setLostSince(null);
        for (const key of EVERYTHING) refresh.now(key); // whatever came while nobody listened
      },
      lost: () => {
        setLostSince((since) => since ?? Date.now());
        refresh.now(SESSION_KEY);
      },
      news: (kind, data) => {
        if (kind !== "alert") {
          for (const key of AFFECTED[kind]) refresh.soon(key);
          return;
        }
        const alert = data as Alert;
        const isNew = rememberAlert(client, alert);
        if (isNew && alert.acknowledged_by === null) announce(alertSentence(t, alert, named(alert.rule)));
      },
    });
    return () => {
      stream.close();
      refresh.stop();
    };
  }, [client, t, language, mayListen]);

  return lostSince;
}

const AFFECTED: Readonly<Record<Exclude<NewsKind, "alert">, readonly (readonly string[])[]>> = {
  status: [["health"], ["cameras"], ["camera"]],
  camera: [["cameras"], ["camera"]],
  recording: [["recordings"]],
};

const EVERYTHING = [["alerts"], ...Object.values(AFFECTED).flat()];

function newRefresher(client: QueryClient) {
  const waiting = new Map<string, number>();
  const now = (key: readonly string[]) => void client.invalidateQueries({ queryKey: key });
  return {
    now,
    soon: (key: readonly string[]) => {
      const name = key.join("/");
      if (waiting.has(name)) return;
      const timer = window.setTimeout(() => {
        waiting.delete(name);
        now(key);
      }, REFRESH_AT_MOST_EVERY_MS);
      waiting.set(name, timer);
    },
    stop: () => {
      for (const timer of waiting.values()) window.clearTimeout(timer);
    },
  };
}
