import { QueryClient } from "@tanstack/react-query";
import { describe, expect, it } from "vitest";

import { alertsKey, rememberAlert, withAlert, withRecent } from "../src/alerts/cache";
import { urgency } from "../src/alerts/words";
import type { Alert } from "../src/api/types";

function alert(id: string, changes: Partial<Alert> = {}): Alert {
  return {
    id,
    camera: "place",
    camera_name: "Place",
    zone: "parvis",
    zone_name: "Parvis",
    rule: "long_stay",
    rule_version: 1,
    parameters: {},
    legal_basis: "Arrêté",
    state: "opened",
    onset: "2026-11-22T10:00:00Z",
    onset_unknown: false,
    opened_at: "2026-11-22T10:00:10Z",
    occurred_at: "2026-11-22T10:00:10Z",
    closed_reason: null,
    track: "t1",
    box: [0, 0, 1, 1],
    received_at: "2026-11-22T10:00:11Z",
    acknowledged_by: null,
    acknowledged_at: null,
    ...changes,
  };
}

const later = { occurred_at: "2026-11-22T10:00:20Z" };
const taken = { acknowledged_by: "lea", acknowledged_at: "2026-11-22T10:00:15Z" };

describe("the list of alerts", () => {
  it("has the newest first and each once", () => {
    const newer = alert("b", { opened_at: "2026-11-22T10:05:00Z" });
    const list = withAlert(withAlert([alert("a")], newer), alert("a", later));
    expect(list.map(({ id, occurred_at }) => [id, occurred_at])).toEqual([
      ["b", newer.occurred_at],
      ["a", later.occurred_at],
    ]);
  });

  it("is not undone by a word that comes late", () => {
    expect(withAlert([alert("a", later)], alert("a"))[0]?.occurred_at).toBe(later.occurred_at);
    expect(withAlert([alert("a", taken)], alert("a", later))[0]?.acknowledged_by).toBe("lea");
  });

  it("tells news from repeats, and takes what was acknowledged off the list to handle", () => {
    const client = new QueryClient();
    client.setQueryData(alertsKey("todo"), []);
    expect(rememberAlert(client, alert("a"))).toBe(true);
    expect(rememberAlert(client, alert("a", later))).toBe(false);
    expect(client.getQueryData<Alert[]>(alertsKey("todo"))).toHaveLength(1);
    rememberAlert(client, alert("a", { ...later, ...taken }));
    expect(client.getQueryData<Alert[]>(alertsKey("todo"))).toEqual([]);
  });

  it("is not undone by an answer that was on its way when news came", () => {
    const client = new QueryClient();
    rememberAlert(client, alert("a", { ...later, ...taken }));
    rememberAlert(client, alert("b"));
    const answered = [alert("a", later)];
    expect(withRecent(client, "todo", answered).map(({ id }) => id)).toEqual(["b"]);
    expect(withRecent(client, "all", answered).find(({ id }) => id === "a")?.acknowledged_by).toBe("lea");
  });

  it("takes an alert for closed although it was closed at the time of its last message", () => {
    const closed = alert("a", { state: "closed", closed_reason: "no_picture" });
    const client = new QueryClient();
    rememberAlert(client, alert("a"));
    expect(withRecent(client, "todo", [closed])[0]?.state).toBe("closed");
    expect(withAlert([alert("a")], closed)[0]?.state).toBe("closed");
    expect(withAlert([closed], alert("a", later))[0]?.state).toBe("opened");
  });

  it("asks for a hand only while the event lasts and nobody took it", () => {
    expect(urgency(alert("a"))).toBe("now");
    expect(urgency(alert("a", { state: "closed" }))).toBe("look");
    expect(urgency(alert("a", taken))).toBe("taken");
  });
});
