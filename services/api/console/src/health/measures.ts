/** What a service counts of its own delay, in seconds: what is behind, what is left, what was done last. */
const MEASURES = ["behind_s", "headroom_s", "last_stored_age_s", "last_sweep_age_s"] as const;

export interface Measure {
  readonly name: (typeof MEASURES)[number];
  readonly seconds: number;
}

/** Below this a delay is work in hand. What is left counts only while something is behind. */
export const WORTH_SAYING_S = 10;

/** The measures of a status that are worth a person's look, in their order. */
export function measuresOf(counters: Readonly<Record<string, number>>): Measure[] {
  const isBehind = (counters.behind_s ?? 0) >= WORTH_SAYING_S;
  return MEASURES.flatMap((name) => {
    const seconds = counters[name];
    const ofDelay = name === "behind_s" || name === "headroom_s";
    return seconds === undefined || (ofDelay && !isBehind) ? [] : [{ name, seconds: Math.max(0, seconds) }];
  });
}
