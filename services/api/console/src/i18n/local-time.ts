/** Offset of this workstation's clock from UTC at a moment, in ms: positive east of Greenwich. */
export function localOffsetMs(atMs: number): number {
  return -new Date(atMs).getTimezoneOffset() * 60_000;
}

/** Whether two moments are on the same day for who stands at this workstation. */
export function isSameDay(oneMs: number, otherMs: number): boolean {
  return new Date(oneMs).toDateString() === new Date(otherMs).toDateString();
}
