interface PickProps {
  readonly label: string;
  readonly value: string;
  readonly choices: readonly { readonly value: string; readonly label: string }[];
  readonly change: (value: string) => void;
  /** What is shown while nothing, or nothing that can be chosen, is chosen. */
  readonly empty?: string;
}

/** One of several values from a list that opens. */
export function Pick({ label, value, choices, change, empty = "" }: PickProps) {
  const isKnown = choices.some((choice) => choice.value === value);
  return (
    <label className="field">
      {label}
      <select value={value} onChange={(event) => change(event.target.value)}>
        {!isKnown && <option value={value}>{value === "" ? empty : value}</option>}
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.label}
          </option>
        ))}
      </select>
    </label>
  );
}
