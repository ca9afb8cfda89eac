import { describe, expect, it } from "vitest";

import { fraction, gaps, recordedSpans, segmentIndexAt, ticks, viewHolding } from "../src/playback/timeline-model";

const segment = (startS: number, endS: number) => ({
  starts_at: new Date(startS * 1000).toISOString(),
  ends_at: new Date(endS * 1000).toISOString(),
});
const span = (startS: number, endS: number) => ({ startMs: startS * 1000, endMs: endS * 1000 });
const VIEW = span(0, 600);

describe("the timeline", () => {
  it("joins segments that follow each other and keeps gaps apart", () => {
    const spans = recordedSpans([segment(10, 59.9), segment(60, 119.9), segment(180, 240)], VIEW);
    expect(spans).toEqual([span(10, 119.9), span(180, 240)]);
    expect(gaps(spans)).toEqual([span(119.9, 180)]);
  });

  it("cuts at its edges, and leaves out what lies beyond", () => {
    expect(recordedSpans([segment(-30, 30), segment(590, 650), segment(700, 760)], VIEW)).toEqual([
      span(0, 30),
      span(590, 600),
    ]);
  });

  it("bears segments that overlap", () => {
    expect(recordedSpans([segment(0, 60), segment(30, 50), segment(59, 90)], VIEW)).toEqual([span(0, 90)]);
  });

  it("plays the segment of a moment, else the one after it", () => {
    const segments = [segment(0, 60), segment(120, 180)];
    expect([-5, 30, 90, 150, 200].map((atS) => segmentIndexAt(segments, atS * 1000))).toEqual([0, 0, 1, 1, -1]);
  });

  it("stays where it is while the moment is inside, and moves when it is not", () => {
    const now = 10_000_000;
    expect(viewHolding(300_000, 600_000, VIEW, now)).toBe(VIEW);
    expect(viewHolding(900_000, 600_000, VIEW, now)).toEqual(span(600, 1_200));
    expect(viewHolding(300_000, 60_000, VIEW, now)).toEqual(span(270, 330));
  });

  it("shows no more than a minute of what is yet to come", () => {
    expect(viewHolding(3_500_000, 3_600_000, null, 3_600_000)).toEqual(span(60, 3_660));
    expect(viewHolding(3_700_000, 3_600_000, null, 3_600_000)).toEqual(span(160, 3_760));
  });

  it("puts a moment from 0 to 1", () => {
    expect([-1, 0, 150, 600, 900].map((atS) => fraction(atS * 1000, VIEW))).toEqual([0, 0, 0.25, 1, 1]);
  });

  it("labels round moments of the local clock, few enough to read", () => {
    const halfHourZone = 5.5 * 3_600_000;
    const found = ticks(span(0, 6 * 3600), halfHourZone);
    expect(found.length).toBeLessThanOrEqual(9);
    expect(found.every((at) => (at + halfHourZone) % 3_600_000 === 0)).toBe(true);
  });
});
