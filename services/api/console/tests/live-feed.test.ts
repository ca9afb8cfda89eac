import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { LiveFeed } from "../src/live/live-feed";
import { message } from "./batches";
import { FakeCanvas, FakeSocket, leaveBrowser, pretendBrowser } from "./browser";

let canvas: FakeCanvas;
let feed: LiveFeed;

beforeEach(() => {
  pretendBrowser();
  canvas = new FakeCanvas();
  feed = new LiveFeed("place", "masked", () => undefined);
  feed.attach(canvas as unknown as HTMLCanvasElement);
  FakeSocket.opened[0]?.opens();
});

afterEach(() => {
  feed.close();
  leaveBrowser();
});

function receive(sequence: number, maskVersion: number): void {
  FakeSocket.opened[0]?.receives(message({ header: { sequence, mask_version: maskVersion } }));
  vi.advanceTimersByTime(1_000);
}

describe("a camera on its canvas", () => {
  beforeEach(() => {
    feed.masksAre(2);
    receive(0, 2);
  });

  it("shows what comes under the masks in force", () => {
    expect(canvas.picture).not.toBeNull();
    feed.masksAre(2);
    expect(canvas.picture).not.toBeNull();
    expect(feed.snapshot().freshness).toBe("live");
  });

  it.each([3, null])("shows nothing more of a camera without batches once its masks are %s", (masks) => {
    feed.masksAre(masks);
    expect(canvas.picture).toBeNull();
    vi.advanceTimersByTime(1_000);
    expect(feed.snapshot()).toMatchObject({ ageS: null, freshness: "none" });
    receive(1, 2);
    expect(canvas.picture).toBeNull();
    receive(2, 3);
    expect(canvas.picture).not.toBeNull();
  });

  it("has no picture under older masks left once one under newer masks has come", () => {
    receive(1, 3);
    receive(2, 2);
    feed.masksAre(2);
    expect(canvas.picture).not.toBeNull();
    feed.masksAre(4);
    expect(canvas.picture).toBeNull();
  });

  it("leaves an empty canvas behind", () => {
    feed.close();
    expect(canvas.picture).toBeNull();
  });
});

describe("while late pictures are caught up", () => {
  function ahead(sequence: number, captureMs: number, catchingUp = true): void {
    FakeSocket.opened[0]?.receives(
      message({
        header: { sequence, mask_version: 2, catching_up: catchingUp, server_time_ms: captureMs + 500 },
        units: [{ size: 5, key: true, capture_time_ms: captureMs, pts_us: captureMs * 1000 }],
      }),
    );
    vi.advanceTimersByTime(250);
  }

  it("says how far the newest are apart, until all come in their turn", () => {
    feed.masksAre(2);
    ahead(1, 1_000, false);
    expect(feed.snapshot().catchUp).toBeNull();
    ahead(120, 61_000);
    expect(feed.snapshot().catchUp).toEqual({ everyS: null });
    ahead(124, 63_040);
    expect(feed.snapshot().catchUp).toEqual({ everyS: 2 });
    ahead(125, 63_400);
    expect(feed.snapshot().catchUp).toEqual({ everyS: 1 });
    ahead(126, 63_500, false);
    expect(feed.snapshot().catchUp).toBeNull();
  });

  it("shows the age of the picture that is there", () => {
    feed.masksAre(2);
    ahead(1, 1_000, false);
    ahead(120, 61_000);
    vi.advanceTimersByTime(250);
    expect(feed.snapshot().ageS).toBeGreaterThanOrEqual(0.5);
    expect(feed.snapshot().ageS).toBeLessThan(2);
  });

  it("knows nothing of it after a new connection", () => {
    feed.masksAre(2);
    ahead(120, 61_000);
    FakeSocket.opened[0]?.opens();
    vi.advanceTimersByTime(250);
    expect(feed.snapshot().catchUp).toBeNull();
  });
});
