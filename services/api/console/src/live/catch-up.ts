import type { LiveBatch } from "./batch";

/** What is known of pictures that come ahead of late ones; `everyS`: seconds from one to the next, once two have come. */
export interface CatchUp {
  readonly everyS: number | null;
}

/** The state after a batch has come: null while all come in their turn. */
export function afterBatch(batch: LiveBatch, previous: LiveBatch | null): CatchUp | null {
  if (!batch.catchingUp) return null;
  if (previous?.catchingUp !== true) return { everyS: null };
  const everyS = Math.round((newestMs(batch) - newestMs(previous)) / 1000);
  return { everyS: Math.max(everyS, 1) };
}

function newestMs(batch: LiveBatch): number {
  return Math.max(...batch.units.map((unit) => unit.captureMs));
}
