import { useEffect, useState } from "react";

import type { Still } from "../api/client";
import type { DrawnPicture } from "../api/types";
import { useObjectUrl } from "../ui/blob-image";
import { shown, type Size } from "./shown";

/** Shape of the grid that stands in for a picture. */
const GRID: Size = { width: 16, height: 9 };

/** What is drawn on: a picture in the shape in which it is seen, or a grid. */
export interface Picture extends Size {
  readonly url: string | null;
  /** What a decision says of it; null on a grid. */
  readonly drawnOn: DrawnPicture | null;
}

/** A still as the editor's background, with its size. Without one: a grid. */
export function usePicture(still: Still | null): Picture {
  const url = useObjectUrl(still?.image ?? null);
  const drawnOn = still?.drawnOn ?? null;
  const [loaded, setLoaded] = useState<{ url: string; size: Size } | null>(null);
  useEffect(() => {
    if (url === null) return;
    const image = new Image();
    image.onload = () => setLoaded({ url, size: { width: image.naturalWidth, height: image.naturalHeight } });
    image.src = url;
    return () => {
      image.onload = null;
    };
  }, [url]);
  if (loaded?.url !== url) return { url: null, drawnOn: null, ...GRID };
  return { url, drawnOn, ...shown(loaded.size, drawnOn) };
}
