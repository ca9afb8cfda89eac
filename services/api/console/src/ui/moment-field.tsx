import { getLocalTimeZone, parseAbsolute } from "@internationalized/date";
import { DateField, DateInput, DateSegment, Label } from "react-aria-components";

interface MomentFieldProps {
  readonly label: string;
  readonly atMs: number;
  readonly change: (atMs: number) => void;
}

/**
 * A date and a time to the second, in the order the chosen language writes them.
 *
 * Not the browser's own field: that one follows the browser's language, and 03/04 read the wrong way is another day.
 */
export function MomentField({ label, atMs, change }: MomentFieldProps) {
  return (
    <DateField
      className="field"
      granularity="second"
      hourCycle={24}
      hideTimeZone
      shouldForceLeadingZeros
      value={parseAbsolute(new Date(atMs).toISOString(), getLocalTimeZone())}
      onChange={(moment) => {
        if (moment !== null) change(moment.toDate().getTime());
      }}
    >
      <Label>{label}</Label>
      <DateInput className="date-input">{(segment) => <DateSegment segment={segment} className="segment" />}</DateInput>
    </DateField>
  );
}
