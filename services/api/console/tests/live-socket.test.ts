import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { LiveSocket } from "../src/live/live-socket";
import { message } from "./batches";
import { FakeSocket, leaveBrowser, pretendBrowser } from "./browser";

let heard: string[] = [];
let socket: LiveSocket;

beforeEach(() => {
  pretendBrowser();
  heard = [];
  socket = new LiveSocket("place", "masked", {
    opened: () => heard.push("opened"),
    batch: () => heard.push("batch"),
    state: ({ code }) => heard.push(code),
    corrupt: () => heard.push("corrupt"),
    lost: (refused) => heard.push(refused ? "refused" : "lost"),
  });
  FakeSocket.opened[0]?.opens();
});

afterEach(() => {
  socket.close();
  leaveBrowser();
});

describe("the live connection", () => {
  it("leaves a dead connection at once, although the browser does not say yet that it is closed", () => {
    FakeSocket.opened[0]?.receives(message());
    vi.advanceTimersByTime(10_000);
    expect(heard).toEqual(["opened", "batch", "lost"]);
    expect(FakeSocket.opened[0]?.isClosed).toBe(true);
    vi.advanceTimersByTime(1_000);
    expect(FakeSocket.opened).toHaveLength(2);
  });

  it("is not lost a second time when the browser does say so", () => {
    vi.advanceTimersByTime(11_000);
    FakeSocket.opened[1]?.opens();
    FakeSocket.opened[0]?.ends();
    vi.advanceTimersByTime(5_000);
    expect(heard).toEqual(["opened", "lost", "opened"]);
    expect(FakeSocket.opened).toHaveLength(2);
  });

  it("is patient once the api has said why there is no picture", () => {
    FakeSocket.opened[0]?.receives(JSON.stringify({ type: "state", code: "disconnected", message: "" }));
    vi.advanceTimersByTime(299_000);
    expect(heard).toEqual(["opened", "disconnected"]);
  });

  it("tells a refusal from a loss", () => {
    FakeSocket.opened[0]?.ends(4401);
    vi.advanceTimersByTime(1_000);
    FakeSocket.opened[1]?.opens();
    FakeSocket.opened[1]?.ends();
    expect(heard).toEqual(["opened", "refused", "opened", "lost"]);
  });
});
