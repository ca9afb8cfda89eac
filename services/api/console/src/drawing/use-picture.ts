import { useEffect, useState } from "react";

import { useObjectUrl } from "../ui/blob-image";

/** Shape of the grid that stands in for a picture. */
const GRID = { width: 16, height: 9 };

/** A still as the editor's background, with its size. Without one: a grid. */
export function usePicture(still: Blob | null): { url: string | null; width: number; height: number } {
  const url = useObjectUrl(still);
  const [size, setSize] = useState<{ url: string; width: number; height: number } | null>(null);
  useEffect(() => {
    if (url === null) return;
    const image = new Image();
    image.onload = () => setSize({ url, width: image.naturalWidth, height: image.naturalHeight });
    image.src = url;
    return () => {
      image.onload = null;
    };
  }, [url]);
  return size !== null && size.url === url ? size : { url: null, ...GRID };
}
