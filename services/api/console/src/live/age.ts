/**
 * How old a picture may be before it may not be taken for the present.
 *
 * Beffroi promises a live picture within 3 s of its capture (95 % of them). At 5 s something is wrong for certain, and
 * whoever looks at the picture must not act on it as if it were now.
 */
export const STALE_AFTER_S = 5;

/** `none`: nothing was ever shown; `stale`: shown, but no longer true; `live`: what is there now. */
export type Freshness = "none" | "live" | "stale";

/** A picture on the screen: when it was captured (server's clock) and when it was shown (this machine's clock). */
export interface ShownPicture {
  readonly captureMs: number;
  readonly shownAtMs: number;
}

/**
 * Age of a picture in seconds.
 *
 * The capture time is the camera side's word. Should that clock run ahead, the picture would look younger than it is:
 * the time it already stands on this screen is a lower bound that no clock elsewhere can falsify.
 */
export function ageSeconds(picture: ShownPicture, serverNowMs: number, localNowMs: number): number {
  return Math.max(serverNowMs - picture.captureMs, localNowMs - picture.shownAtMs, 0) / 1000;
}

export function freshness(ageS: number | null): Freshness {
  if (ageS === null) return "none";
  return ageS > STALE_AFTER_S ? "stale" : "live";
}

const MINUTE_S = 60;
const HOUR_S = 3600;

/** The age as the parts a catalogue can put into words: tenths below ten seconds, then whole seconds, minutes, hours. */
export function ageParts(ageS: number): { unit: "tenths" | "seconds" | "minutes" | "hours"; value: number } {
  if (ageS < 10) return { unit: "tenths", value: Math.round(ageS * 10) / 10 };
  if (ageS < 2 * MINUTE_S) return { unit: "seconds", value: Math.floor(ageS) };
  if (ageS < 2 * HOUR_S) return { unit: "minutes", value: Math.floor(ageS / MINUTE_S) };
  return { unit: "hours", value: Math.floor(ageS / HOUR_S) };
}
