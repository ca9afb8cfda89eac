/** How much sooner than strictly needed a picture should arrive, so that a small delay is not seen as a jerk. */
const MARGIN_MS = 80;

/** The most that a whole batch may wait: past this, being late is worse than one jump. */
const MAX_JITTER_MS = 600;

/** A batch is half a second, one second at most: a longer one is shown from its end, as if it were one second. */
const MAX_SPAN_MS = 1000;

/** Pictures whose media times are further apart than this do not belong to one run: a clock was set, or a loop began. */
const DISCONTINUITY_MS = 2000;

/** How many batches the spare time is watched over before some of it is given back: at two a second, five seconds. */
const SLACK_WINDOW = 10;

/** Share of the spare time given back with each batch: slow enough that no eye sees it. */
const DRAIN = 0.1;

/**
 * When each picture is due on the screen.
 *
 * Pictures come in bursts of a batch and are shown at the pace of their media time. The distance between media time and
 * this machine's clock grows when a batch comes late, shrinks slowly when all come early, and is bounded, so that
 * motion is smooth and never drifts behind.
 */
export class Playout {
  #shiftMs: number | null = null;
  #lastPtsMs = 0;
  #slacksMs: number[] = [];

  /** Take note that pictures from `firstPtsMs` to `lastPtsMs` (media time) are here at `nowMs` (local time). */
  arrive(firstPtsMs: number, lastPtsMs: number, nowMs: number): void {
    const previous = this.#lastPtsMs;
    this.#lastPtsMs = lastPtsMs;
    if (this.#shiftMs === null || Math.abs(firstPtsMs - previous) > DISCONTINUITY_MS) {
      this.#restart(firstPtsMs, lastPtsMs, nowMs);
      return;
    }
    const slackMs = firstPtsMs + this.#shiftMs - nowMs;
    if (slackMs < 0) this.#delay(MARGIN_MS - slackMs);
    else this.#giveBack(slackMs);
    this.#bound(firstPtsMs, lastPtsMs, nowMs);
  }

  /** Local time at which the picture with this media time is due. */
  dueMs(ptsMs: number): number {
    if (this.#shiftMs === null) throw new Error("nothing has arrived yet");
    return ptsMs + this.#shiftMs;
  }

  reset(): void {
    this.#shiftMs = null;
    this.#slacksMs = [];
  }

  #restart(firstPtsMs: number, lastPtsMs: number, nowMs: number): void {
    this.#slacksMs = [];
    this.#shiftMs = nowMs + MARGIN_MS - firstPtsMs;
    this.#bound(firstPtsMs, lastPtsMs, nowMs);
  }

  #delay(byMs: number): void {
    this.#shiftMs = (this.#shiftMs ?? 0) + byMs;
    this.#slacksMs = [];
  }

  #giveBack(slackMs: number): void {
    this.#slacksMs.push(slackMs);
    if (this.#slacksMs.length <= SLACK_WINDOW) return;
    this.#slacksMs.shift();
    const spareMs = Math.min(...this.#slacksMs) - MARGIN_MS;
    if (spareMs <= 0) return;
    this.#shiftMs = (this.#shiftMs ?? 0) - spareMs * DRAIN;
    this.#slacksMs = this.#slacksMs.map((value) => value - spareMs * DRAIN);
  }

  /** No picture waits longer than the bound: the oldest of a pile are overdue at once, and skipped. */
  #bound(firstPtsMs: number, lastPtsMs: number, nowMs: number): void {
    const spanMs = Math.min(lastPtsMs - firstPtsMs, MAX_SPAN_MS);
    if (this.dueMs(lastPtsMs) - nowMs <= spanMs + MAX_JITTER_MS) return;
    this.#shiftMs = nowMs + spanMs + MARGIN_MS - lastPtsMs;
    this.#slacksMs = [];
  }
}
