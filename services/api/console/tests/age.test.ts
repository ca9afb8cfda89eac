import { describe, expect, it } from "vitest";

import { ageParts, ageSeconds, freshness, STALE_AFTER_S } from "../src/live/age";
import { ServerClock } from "../src/live/server-clock";

describe("the age of a picture", () => {
  it("is the server's time less the capture time", () => {
    expect(ageSeconds({ captureMs: 10_000, shownAtMs: 50_000 }, 11_300, 50_100)).toBeCloseTo(1.3);
  });

  it("grows while the picture stands, also when the camera's clock runs ahead", () => {
    const ahead = { captureMs: 100_000, shownAtMs: 50_000 };
    expect(ageSeconds(ahead, 11_000, 50_000)).toBe(0);
    expect(ageSeconds(ahead, 17_000, 56_000)).toBe(6);
  });

  it("makes a picture stale just past the threshold, and none without a picture", () => {
    expect(freshness(null)).toBe("none");
    expect(freshness(STALE_AFTER_S)).toBe("live");
    expect(freshness(STALE_AFTER_S + 0.01)).toBe("stale");
  });

  it.each([
    [0.04, "tenths", 0],
    [1.27, "tenths", 1.3],
    [12.9, "seconds", 12],
    [119, "seconds", 119],
    [121, "minutes", 2],
    [7_199, "minutes", 119],
    [7_201, "hours", 2],
  ])("%d s is told in %s: %d", (ageS, unit, value) => {
    expect(ageParts(ageS)).toEqual({ unit, value });
  });
});

describe("the server's clock", () => {
  it("is not known before a message came", () => {
    expect(new ServerClock().nowMs(1_000)).toBeNull();
  });

  it("goes by the quickest message, so that a slow line never makes a picture look younger", () => {
    const clock = new ServerClock();
    clock.observe(10_000, 500); // 0 ms on its way, say
    clock.observe(10_500, 4_000); // 3 s on its way
    expect(clock.nowMs(5_000)).toBe(14_500);
  });

  it("forgets, so that a server whose clock was set back is believed after a while", () => {
    const clock = new ServerClock();
    clock.observe(100_000, 0);
    for (let count = 1; count <= 120; count += 1) clock.observe(count, count);
    expect(clock.nowMs(200)).toBe(200);
  });
});
