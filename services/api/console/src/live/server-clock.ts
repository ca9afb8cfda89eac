/** How many observations are kept: at two batches a second, the last minute. */
const WINDOW = 120;

/**
 * What time it is at the server, by this machine's monotonic clock.
 *
 * Each message says when it left. It took some time to arrive, which makes the server look slow by as much, so the
 * quickest of the last messages is nearest to the truth. A congested line therefore never makes a picture look younger.
 */
export class ServerClock {
  #offsetsMs: number[] = [];

  observe(serverTimeMs: number, localNowMs: number): void {
    this.#offsetsMs.push(serverTimeMs - localNowMs);
    if (this.#offsetsMs.length > WINDOW) this.#offsetsMs.shift();
  }

  /** The server's time in ms since 1970, or null before the first observation. */
  nowMs(localNowMs: number): number | null {
    return this.#offsetsMs.length === 0 ? null : localNowMs + Math.max(...this.#offsetsMs);
  }
}

/** This machine's time in ms since 1970, counted monotonically: setting the clock does not move it. */
export function localNowMs(): number {
  return performance.timeOrigin + performance.now();
}
