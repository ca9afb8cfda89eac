import { Input, Label, NumberField, Text, TextField } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Rule } from "../api/types";
import { Check } from "../ui/check";
import { Pick } from "../ui/pick";
import { type Field, type Json, type JsonObject, limitsOf, type Shape, valueOf } from "./json-schema";
import { fieldWords, labelOf } from "./words";

/** Who passes through a field must not round what is saved. */
const EXACT: Intl.NumberFormatOptions = { maximumFractionDigits: 15 };

interface ParameterFieldsProps {
  readonly rule: Rule;
  readonly fields: readonly Field[];
  /** Path of the object that they are fields of, with its dot; empty for the parameters themselves. */
  readonly path?: string;
  readonly value: JsonObject;
  readonly change: (value: JsonObject) => void;
}

/** A form made from a rule's JSON Schema, with the rule's own words. */
export function ParameterFields({ rule, fields, path = "", value, change }: ParameterFieldsProps) {
  return (
    <>
      {fields.map((field) => (
        <ParameterField
          key={field.name}
          rule={rule}
          field={field}
          path={path + field.name}
          value={valueOf(field, value)}
          change={(changed) => change({ ...value, [field.name]: changed })}
        />
      ))}
    </>
  );
}

interface ParameterFieldProps<S extends Shape = Shape> {
  readonly rule: Rule;
  readonly field: Field & { readonly shape: S };
  readonly path: string;
  readonly value: Json;
  readonly change: (value: Json) => void;
}

function ParameterField(props: ParameterFieldProps) {
  const { rule, field, path, value, change } = props;
  const { i18n } = useTranslation();
  if (!field.isNullable) return <Value {...props} />;
  const { label } = fieldWords(rule, path, i18n.language);
  return (
    <>
      <Check isSelected={value !== null} onChange={(isSet) => change(isSet ? field.initial : null)}>
        {label}
      </Check>
      {value !== null && <Value {...props} />}
    </>
  );
}

function Value({ rule, field, path, value, change }: ParameterFieldProps) {
  const { i18n } = useTranslation();
  const { shape } = field;
  const words = fieldWords(rule, path, i18n.language);
  const label = labelOf(words);
  switch (shape.kind) {
    case "number":
      return (
        <NumberField
          className="field"
          value={typeof value === "number" ? value : NaN}
          {...limitsOf(shape, value)}
          formatOptions={EXACT}
          onChange={(number) => {
            if (!Number.isNaN(number)) change(number);
          }}
        >
          <Label>{label}</Label>
          <Input />
          {words.help !== "" && <Text slot="description">{words.help}</Text>}
        </NumberField>
      );
    case "boolean":
      return (
        <Check isSelected={value === true} onChange={change}>
          {label}
        </Check>
      );
    case "choice":
      return (
        <Pick
          label={label}
          value={typeof value === "string" ? value : ""}
          choices={shape.options.map((option) => ({ value: option, label: words.options[option] ?? option }))}
          change={change}
        />
      );
    case "text":
      return (
        <TextField
          className="field"
          type={shape.isTime ? "time" : "text"}
          value={typeof value === "string" ? value : ""}
          {...(shape.maxLength === undefined ? {} : { maxLength: shape.maxLength })}
          onChange={(text) => {
            if (text !== "" || !shape.isTime) change(text);
          }}
        >
          <Label>{label}</Label>
          <Input />
          {words.help !== "" && <Text slot="description">{words.help}</Text>}
        </TextField>
      );
    case "object":
      return (
        <ParameterFields
          rule={rule}
          fields={shape.fields}
          path={`${path}.`}
          value={isObject(value) ? value : {}}
          change={change}
        />
      );
    case "other":
      return (
        <TextField className="field" value={JSON.stringify(value)} isReadOnly>
          <Label>{label}</Label>
          <Input />
        </TextField>
      );
  }
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
