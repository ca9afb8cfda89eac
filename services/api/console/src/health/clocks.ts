import type { Health } from "../api/types";

/** A message whose sender's clock is this far from the api's is said to be so; less can be its way through the bus. */
export const WORTH_SAYING_S = 10;

/** How long ago a message was heard, and how far its sender's clock is ahead of the api's; null: not worth saying. */
export interface Heard {
  readonly ageS: number;
  readonly aheadS: number | null;
}

/** Of a status, by the api's clock alone: that of its sender may be wrong, and that of this machine, too. */
export function heard(now: string, status: { readonly at: string; readonly silent_s: number }): Heard {
  const aheadS = (Date.parse(status.at) - Date.parse(now)) / 1000 + status.silent_s;
  return { ageS: status.silent_s, aheadS: Math.abs(aheadS) < WORTH_SAYING_S ? null : aheadS };
}

/** Of what the api looked at itself; null: it did not yet. */
export function checked(now: string, { checked_at }: Health["broker"]): number | null {
  return checked_at === null ? null : Math.max(0, (Date.parse(now) - Date.parse(checked_at)) / 1000);
}
