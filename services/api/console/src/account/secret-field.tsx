import { FieldError, Input, Label, Text, TextField } from "react-aria-components";

interface SecretFieldProps {
  readonly label: string;
  readonly help?: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly autoComplete: "current-password" | "new-password" | "one-time-code";
}

/** A password, hidden, or a code, shown. */
export function SecretField({ label, help, value, onChange, autoComplete }: SecretFieldProps) {
  const isCode = autoComplete === "one-time-code";
  return (
    <TextField
      className="field"
      type={isCode ? "text" : "password"}
      value={value}
      onChange={onChange}
      autoComplete={autoComplete}
      isRequired
    >
      <Label>{label}</Label>
      <Input spellCheck="false" />
      {help !== undefined && <Text slot="description">{help}</Text>}
      <FieldError />
    </TextField>
  );
}
