import { describe, expect, it } from "vitest";

import { Playout } from "../src/live/playout";
import { Backoff } from "../src/live/reconnect";

const BATCH_MS = 500;
const FRAME_MS = 100;

/** Deliver batch `index` (five pictures) at `nowMs`; returns how long its first and last picture wait. */
function deliver(playout: Playout, index: number, nowMs: number): { first: number; last: number } {
  const first = index * BATCH_MS;
  const last = first + BATCH_MS - FRAME_MS;
  playout.arrive(first, last, nowMs);
  return { first: playout.dueMs(first) - nowMs, last: playout.dueMs(last) - nowMs };
}

describe("playout", () => {
  it("keeps the pace of the media time", () => {
    const playout = new Playout();
    deliver(playout, 0, 10_000);
    expect(playout.dueMs(300) - playout.dueMs(200)).toBe(100);
  });

  it("shows batches that come at their pace one after the other, none late", () => {
    const playout = new Playout();
    const waits = Array.from({ length: 40 }, (_, index) => deliver(playout, index, 10_000 + index * BATCH_MS));
    expect(Math.min(...waits.map(({ first }) => first))).toBeGreaterThanOrEqual(0);
    expect(Math.max(...waits.map(({ last }) => last))).toBeLessThan(600);
  });

  it("waits longer after a late batch, then no batch of the same lateness is late again", () => {
    const playout = new Playout();
    deliver(playout, 0, 0);
    deliver(playout, 1, BATCH_MS + 250);
    const waits = Array.from({ length: 8 }, (_, index) => {
      const number = index + 2;
      return deliver(playout, number, number * BATCH_MS + (number % 2) * 250);
    });
    expect(Math.min(...waits.map(({ first }) => first))).toBeGreaterThanOrEqual(0);
  });

  it("gives the spare time back slowly when all come early again", () => {
    const playout = new Playout();
    deliver(playout, 0, 0);
    deliver(playout, 1, BATCH_MS + 400);
    const early = deliver(playout, 2, 2 * BATCH_MS).last;
    let previous = early;
    const steps: number[] = [];
    for (let index = 3; index < 120; index += 1) {
      const { last } = deliver(playout, index, index * BATCH_MS);
      steps.push(previous - last);
      previous = last;
    }
    expect(Math.max(...steps)).toBeLessThan(60); // no jump that an eye would see
    expect(early - previous).toBeGreaterThan(350);
  });

  it("never lets pictures pile up: a backlog is due at once but for its end", () => {
    const playout = new Playout();
    for (let index = 0; index < 20; index += 1) deliver(playout, index, 5_000);
    expect(playout.dueMs(0)).toBeLessThan(5_000);
    expect(playout.dueMs(20 * BATCH_MS - FRAME_MS) - 5_000).toBeLessThanOrEqual(BATCH_MS + 600);
  });

  it("starts over where the media time jumps", () => {
    const playout = new Playout();
    deliver(playout, 0, 0);
    playout.arrive(90_000, 90_400, 600);
    expect(playout.dueMs(90_000) - 600).toBeLessThan(200);
    playout.arrive(0, 400, 1_200); // a clip that begins again
    expect(playout.dueMs(0) - 1_200).toBeLessThan(200);
  });

  it("bears a batch longer than any should be", () => {
    const playout = new Playout();
    playout.arrive(0, 30_000, 0);
    expect(playout.dueMs(30_000)).toBeLessThanOrEqual(1_600);
  });
});

describe("waiting before the next attempt", () => {
  it("doubles up to ten seconds and starts over after a success", () => {
    const backoff = new Backoff(() => 1);
    expect(Array.from({ length: 7 }, () => backoff.nextMs())).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000,
    ]);
    backoff.reset();
    expect(backoff.nextMs()).toBe(500);
  });

  it("differs from tile to tile, by half at most", () => {
    expect(new Backoff(() => 0).nextMs()).toBe(250);
  });
});
