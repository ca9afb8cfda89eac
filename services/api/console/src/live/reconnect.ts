/** First wait after a loss: a restart of the api takes about this long. */
const FIRST_MS = 500;

/** Longest wait: a wall of tiles asking every ten seconds costs the api nothing. */
const LONGEST_MS = 10_000;

/** Waits between attempts: doubled each time, with some chance in it so that many tiles do not knock at once. */
export class Backoff {
  #attempt = 0;

  /** @param chance a number from 0 to 1, injected so that tests need no luck. */
  constructor(private readonly chance: () => number = Math.random) {}

  nextMs(): number {
    const fullMs = Math.min(FIRST_MS * 2 ** this.#attempt, LONGEST_MS);
    this.#attempt += 1;
    return fullMs / 2 + (fullMs / 2) * this.chance();
  }

  reset(): void {
    this.#attempt = 0;
  }
}
