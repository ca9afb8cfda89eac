import { useState } from "react";
import { useSearchParams } from "react-router";

import type { Segment } from "../api/types";
import { useSegments } from "./queries";
import { segmentIndexAt, segmentSpan, viewHolding, type Span } from "./timeline-model";

/** Lengths of time that fit on the timeline; an hour is what is looked for most. */
export const VIEW_LENGTHS_MS = [3_600_000, 6 * 3_600_000, 24 * 3_600_000] as const;

/** Without a moment in the address playback begins here: the last whole segment is stored by then. */
const DEFAULT_BACK_MS = 3 * 60_000;

/** A jump over less than this is a seam between two segments and not worth a word. */
const WORTH_SAYING_MS = 2_000;

export interface Playback {
  readonly camera: string;
  readonly view: Span;
  readonly lengthMs: number;
  readonly segments: readonly Segment[];
  readonly isLoading: boolean;
  readonly error: unknown;
  readonly positionMs: number;
  readonly current: Segment | null;
  readonly next: Segment | null;
  readonly start: { readonly atMs: number };
  readonly playing: boolean;
  /** A stretch without recording that was just jumped over. */
  readonly skipped: Span | null;
  readonly setLength: (lengthMs: number) => void;
  readonly setPlaying: (playing: boolean) => void;
  readonly choose: (camera: string) => void;
  readonly seek: (atMs: number) => void;
  readonly onTime: (atMs: number) => void;
  readonly onEnded: () => void;
}

/** Everything that moves in playback. The camera and the last chosen moment are in the address. */
export function usePlayback(firstCamera: string): Playback {
  const [search, setSearch] = useSearchParams();
  const [opened] = useState(() => Date.now());
  const camera = search.get("camera") ?? firstCamera;
  const chosenMs = momentOf(search.get("at")) ?? opened - DEFAULT_BACK_MS;

  const [lengthMs, setLength] = useState<number>(VIEW_LENGTHS_MS[0]);
  const [played, setPlayed] = useState<{ chosenMs: number; atMs: number } | null>(null);
  const [started, setStarted] = useState<{ chosenMs: number; start: { atMs: number }; skipped: Span | null } | null>(
    null,
  );
  const [playing, setPlaying] = useState(true);

  const positionMs = played?.chosenMs === chosenMs ? played.atMs : chosenMs;
  const [heldView, setView] = useState<Span | null>(null);
  const view = viewHolding(positionMs, lengthMs, heldView, opened);
  if (view !== heldView) setView(view);

  const recordings = useSegments(camera, view);
  const segments = recordings.data?.segments ?? [];
  const [chosenStart, setChosenStart] = useState({ atMs: chosenMs });
  if (chosenStart.atMs !== chosenMs) setChosenStart({ atMs: chosenMs });
  const start = started?.chosenMs === chosenMs ? started.start : chosenStart;
  const index = segmentIndexAt(segments, start.atMs);
  const current = segments[index] ?? null;
  const next = index < 0 ? null : (segments[index + 1] ?? null);

  return {
    camera,
    view,
    lengthMs,
    segments,
    isLoading: recordings.isPending && camera !== "",
    error: recordings.error,
    positionMs,
    current,
    next,
    start,
    playing,
    skipped: started?.chosenMs === chosenMs ? started.skipped : skippedBefore(current, start.atMs),
    setLength,
    setPlaying,
    choose: (id) => setSearch({ camera: id, at: new Date(positionMs).toISOString() }, { replace: true }),
    seek: (atMs) => {
      const bounded = Math.min(atMs, Date.now());
      setStarted(null);
      setPlayed(null);
      setSearch({ camera, at: new Date(bounded).toISOString() }, { replace: true });
    },
    onTime: (atMs) => setPlayed({ chosenMs, atMs }),
    onEnded: () => {
      if (current === null || next === null) return;
      const from = segmentSpan(current).endMs;
      const to = segmentSpan(next).startMs;
      const skipped = to - from > WORTH_SAYING_MS ? { startMs: from, endMs: to } : null;
      setStarted({ chosenMs, start: { atMs: to }, skipped });
    },
  };
}

function momentOf(value: string | null): number | null {
  const atMs = value === null ? NaN : Date.parse(value);
  return Number.isNaN(atMs) ? null : atMs;
}

/** The chosen moment was not recorded: playing began with the first picture after it. */
function skippedBefore(current: Segment | null, atMs: number): Span | null {
  if (current === null) return null;
  const { startMs } = segmentSpan(current);
  return startMs - atMs > WORTH_SAYING_MS ? { startMs: atMs, endMs: startMs } : null;
}
