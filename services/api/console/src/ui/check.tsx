import type { ReactNode } from "react";
import {
  CheckboxButton,
  CheckboxField,
  RadioButton,
  RadioField,
  SwitchButton,
  SwitchField,
} from "react-aria-components";

interface CheckProps {
  readonly isSelected: boolean;
  readonly onChange: (isSelected: boolean) => void;
  readonly children: ReactNode;
}

/** A box to tick. */
export function Check({ isSelected, onChange, children }: CheckProps) {
  return (
    <CheckboxField isSelected={isSelected} onChange={onChange}>
      <CheckboxButton className="checkbox">
        <span className="checkbox-box" aria-hidden="true" />
        {children}
      </CheckboxButton>
    </CheckboxField>
  );
}

/** Something that is on or off at once. */
export function OnOff({ isSelected, onChange, children }: CheckProps) {
  return (
    <SwitchField isSelected={isSelected} onChange={onChange}>
      <SwitchButton className="switch">
        <span className="switch-track" aria-hidden="true" />
        {children}
      </SwitchButton>
    </SwitchField>
  );
}

/** One of several answers, inside a `RadioGroup`. */
export function Choice({ value, children }: { readonly value: string; readonly children: ReactNode }) {
  return (
    <RadioField value={value}>
      <RadioButton className="radio">{children}</RadioButton>
    </RadioField>
  );
}
