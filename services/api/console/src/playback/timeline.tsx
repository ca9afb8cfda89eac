import { useState, type KeyboardEvent, type PointerEvent } from "react";
import { useTranslation } from "react-i18next";

import type { Alert, Segment } from "../api/types";
import { urgency } from "../alerts/words";
import { useFormats } from "../i18n/formats";
import { localOffsetMs } from "../i18n/local-time";
import { fraction, gaps, recordedSpans, ticks, type Span } from "./timeline-model";

const SECOND_MS = 1000;

/** How far each key goes. */
const STEPS_MS: Readonly<Record<string, number>> = {
  ArrowLeft: -10 * SECOND_MS,
  ArrowDown: -10 * SECOND_MS,
  ArrowRight: 10 * SECOND_MS,
  ArrowUp: 10 * SECOND_MS,
  PageUp: 300 * SECOND_MS,
  PageDown: -300 * SECOND_MS,
};

/** With Shift the arrows go a second: fine enough to find a gesture. */
const FINE = 0.1;

/** Width of the drawing in its own units; the page stretches it. */
const WIDTH = 1000;

interface TimelineProps {
  readonly view: Span;
  readonly segments: readonly Segment[];
  readonly alerts: readonly Alert[];
  readonly positionMs: number;
  readonly seek: (atMs: number) => void;
}

/** What was recorded, where nothing was, and where alerts were; a slider for mouse and keys. */
export function Timeline({ view, segments, alerts, positionMs: playedMs, seek }: TimelineProps) {
  const { t } = useTranslation();
  const formats = useFormats();
  // Only where the pointer is released is sought: each segment opened on the way would be a look, written into the trail.
  const [draggedMs, setDragged] = useState<number | null>(null);
  const positionMs = draggedMs ?? playedMs;
  const spans = recordedSpans(segments, view);
  const x = (atMs: number) => fraction(atMs, view) * WIDTH;
  const isRecorded = spans.some(({ startMs, endMs }) => positionMs >= startMs && positionMs <= endMs);

  const onKeyDown = (event: KeyboardEvent) => {
    const target = keyTarget(event, positionMs, view);
    if (target === null) return;
    event.preventDefault();
    seek(target);
  };
  const onPointerDown = (event: PointerEvent) => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    setDragged(pointed(event, view));
  };
  const onPointerMove = (event: PointerEvent) => {
    if (draggedMs !== null) setDragged(pointed(event, view));
  };
  const onPointerUp = () => {
    if (draggedMs !== null) seek(draggedMs);
    setDragged(null);
  };

  return (
    <div className="timeline">
      <div
        className="timeline-track"
        role="slider"
        tabIndex={0}
        aria-label={t("playback.timeline")}
        aria-valuemin={view.startMs}
        aria-valuemax={view.endMs}
        aria-valuenow={Math.round(positionMs)}
        aria-valuetext={t(isRecorded ? "playback.valueRecorded" : "playback.valueEmpty", {
          at: formats.dateTime(positionMs),
        })}
        onKeyDown={onKeyDown}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerCancel={() => setDragged(null)}
      >
        <svg viewBox={`0 0 ${WIDTH} 60`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
          {spans.map((span) => (
            <rect
              key={span.startMs}
              className="timeline-recorded"
              x={x(span.startMs)}
              y={16}
              width={Math.max(1, x(span.endMs) - x(span.startMs))}
              height={34}
            />
          ))}
          {gaps(spans).map((span) => (
            <rect
              key={span.startMs}
              className="timeline-gap"
              x={x(span.startMs)}
              y={30}
              width={Math.max(2, x(span.endMs) - x(span.startMs))}
              height={6}
            />
          ))}
          {alerts.map((alert) => (
            <rect
              key={alert.id}
              className="timeline-alert"
              data-urgency={urgency(alert)}
              x={x(Date.parse(alert.opened_at)) - 2}
              y={0}
              width={4}
              height={14}
            />
          ))}
          <rect className="timeline-position" x={x(positionMs) - 1.5} y={0} width={3} height={60} />
        </svg>
        {draggedMs !== null && (
          <span className="timeline-dragged" style={insideAt(fraction(draggedMs, view))}>
            {formats.time(draggedMs)}
          </span>
        )}
      </div>
      <div className="timeline-ticks" aria-hidden="true">
        {ticks(view, localOffsetMs(view.startMs)).map((at) => (
          <span key={at} style={{ left: `${fraction(at, view) * 100}%` }}>
            {formats.minute(at)}
          </span>
        ))}
      </div>
    </div>
  );
}

/** Places a label at this share of the width without letting it stand out at either end. */
function insideAt(share: number) {
  return { left: `${share * 100}%`, transform: `translateX(${share * -100}%)` };
}

/** The moment under the pointer, which may have left the timeline while it was held. */
function pointed({ clientX, currentTarget }: PointerEvent, view: Span): number {
  const { left, width } = currentTarget.getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (clientX - left) / width));
  return view.startMs + share * (view.endMs - view.startMs);
}

function keyTarget({ key, shiftKey }: KeyboardEvent, positionMs: number, view: Span): number | null {
  if (key === "Home") return view.startMs;
  if (key === "End") return view.endMs;
  const stepMs = STEPS_MS[key];
  return stepMs === undefined ? null : positionMs + (shiftKey ? stepMs * FINE : stepMs);
}

/** What the shapes on the timeline mean. */
export function TimelineLegend() {
  const { t } = useTranslation();
  return (
    <ul className="timeline-legend" aria-hidden="true">
      <li>
        <span className="legend-recorded" /> {t("playback.recorded")}
      </li>
      <li>
        <span className="legend-gap" /> {t("playback.gap")}
      </li>
      <li>
        <span className="legend-alert" /> {t("playback.alert")}
      </li>
    </ul>
  );
}
