import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, useSyncExternalStore } from "react";

import { SESSION_KEY } from "../api/query-client";
import { LiveFeed, NOTHING_YET, type FeedSnapshot } from "./live-feed";
import type { View } from "./live-socket";

const noListener = () => () => undefined;
const nothingYet = () => NOTHING_YET;

/**
 * Plays one camera onto the canvas that `attach` is given, for as long as the component is there.
 *
 * `masks` is the version of the masks in force; null: nobody has decided on any.
 */
export function useLiveFeed(
  camera: string,
  view: View,
  masks: number | null,
): FeedSnapshot & { attach: (canvas: HTMLCanvasElement | null) => void } {
  const client = useQueryClient();
  const [feed, setFeed] = useState<LiveFeed | null>(null);
  const [canvas, attach] = useState<HTMLCanvasElement | null>(null);

  useEffect(() => {
    const made = new LiveFeed(camera, view, () => void client.invalidateQueries({ queryKey: SESSION_KEY }));
    setFeed(made); // eslint-disable-line react-hooks/set-state-in-effect -- a connection is opened here and closed below
    return () => {
      made.close();
      setFeed(null);
    };
  }, [camera, view, client]);

  useEffect(() => feed?.attach(canvas), [feed, canvas]);
  useEffect(() => feed?.masksAre(masks), [feed, masks]);

  const snapshot = useSyncExternalStore(feed?.subscribe ?? noListener, feed?.snapshot ?? nothingYet);
  return { ...snapshot, attach };
}
