import type { DrawnPicture } from "../api/types";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The size in which a picture is seen: its pixels need not be square. */
export function shown(samples: Size, drawnOn: DrawnPicture | null): Size {
  return { width: samples.width * (drawnOn?.pixel_aspect ?? 1), height: samples.height };
}
